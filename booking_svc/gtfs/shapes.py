"""The shapes of a feed."""

from array import array
from collections import defaultdict

from booking_svc.domain.shape import Shape, shape_of
from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.problems import BadValue, Row, shown
from booking_svc.gtfs.rows import visit
from booking_svc.gtfs.tables import SHAPES
from booking_svc.gtfs.values import UNITS_MAX, number, whole

POINTS_MAX = 100_000
COLUMNS = 4


def read_shapes(archive: Archive) -> dict[str, Shape]:
    """Read shapes of two points or more; one with a wrong point is left out.

    Distances in the feed's own unit count when every point has one and they do not go back.
    """
    raw: dict[str, array[float]] = defaultdict(lambda: array("d"))
    began: dict[str, Row] = {}

    def take(row: Row, cells: list[str]) -> None:
        shape_id, latitude, longitude, sequence, unit = cells
        began.setdefault(shape_id, row)
        if len(raw[shape_id]) >= POINTS_MAX * COLUMNS:
            raise BadValue("shape_pt_sequence", f"Has more than {POINTS_MAX} points: leave some out.")
        raw[shape_id].extend((
            whole("shape_pt_sequence", sequence),
            number("shape_pt_lat", latitude, least=-90, most=90),
            number("shape_pt_lon", longitude, least=-180, most=180),
            number("shape_dist_traveled", unit, least=0, most=UNITS_MAX) if unit else -1.0,
        ))  # fmt: skip

    wrong = visit(archive, SHAPES, take)
    right = {shape_id: points for shape_id, points in raw.items() if shape_id not in wrong}
    for shape_id, points in right.items():
        if len(points) <= COLUMNS:
            began[shape_id].warn("shape_id", f"Is left out: {shown(shape_id)} has one point only.")
    return {shape_id: shape_from(points) for shape_id, points in right.items() if len(points) > COLUMNS}


def shape_from(points: "array[float]") -> Shape:
    """Put points, given flat, in their order."""
    ordered = sorted(zip(*[iter(points)] * COLUMNS, strict=True), key=lambda point: point[0])
    units = [point[3] for point in ordered]
    has_units = 0.0 <= units[0] < units[-1] and units == sorted(units)
    return shape_of([(point[1], point[2]) for point in ordered], units if has_units else ())
