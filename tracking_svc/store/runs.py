"""How far vehicles have come on what they run, and where they have called."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, fields

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from tracking_svc.domain.progress import Progress, Run, Visit
from tracking_svc.store.tables import ProgressRow, VisitRow

PROGRESS, VISITS = table_of(ProgressRow), table_of(VisitRow)
BY_VEHICLE = sa.select(PROGRESS).where(PROGRESS.c.vehicle_id == sa.bindparam("of_vehicle"))
STATE = [field.name for field in fields(Progress)]
OF_VISIT = [VISITS.c[field.name] for field in fields(Visit)]


class Runs:
    """The progress and visits of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, vehicle_id: str) -> Run | None:
        """Return how far a vehicle has come; None before it was ever followed."""
        row = self._connection.execute(BY_VEHICLE, {"of_vehicle": vehicle_id}).first()
        return None if row is None else run_of(row)

    def save(self, run: Run) -> None:
        """Keep how far a vehicle has come."""
        row = asdict(run.progress) | {"delay_seconds": run.delay_seconds, "is_silent": run.is_silent}
        moving = sa.update(PROGRESS).where(PROGRESS.c.vehicle_id == run.vehicle_id).values(row)
        if not self._connection.execute(moving).rowcount:
            self._connection.execute(sa.insert(PROGRESS), row | {"vehicle_id": run.vehicle_id})

    def on_their_way(self, departure_ids: Iterable[str], *, since: int) -> dict[str, int]:
        """Return the delays in seconds of departures whose vehicles were matched since a time."""
        columns = PROGRESS.c
        query = sa.select(columns.departure_id, columns.delay_seconds).where(
            columns.departure_id.in_({id_ for id_ in departure_ids if "\0" not in id_}),
            columns.delay_seconds.is_not(None),
            columns.matched_at >= since,
        )
        return {row.departure_id: row.delay_seconds for row in self._connection.execute(query)}

    def of_vehicles(self, vehicle_ids: Iterable[str]) -> dict[str, Run]:
        """Return how far vehicles have come that were ever followed, by id."""
        query = sa.select(PROGRESS).where(PROGRESS.c.vehicle_id.in_(set(vehicle_ids)))
        return {row.vehicle_id: run_of(row) for row in self._connection.execute(query)}

    def running(self, *, since: int, limit: int) -> list[Run]:
        """Find vehicles on their way that were seen since a time."""
        is_running = sa.and_(PROGRESS.c.delay_seconds.is_not(None), PROGRESS.c.seen_at >= since)
        return [run_of(row) for row in self._connection.execute(sa.select(PROGRESS).where(is_running).limit(limit))]

    def silent_ones(self, *, since: int, until: int, limit: int) -> list[Run]:
        """Find vehicles on their way that were last seen between two times and are not known to be silent."""
        columns = PROGRESS.c
        is_on_its_way = sa.and_(columns.delay_seconds.is_not(None), ~columns.is_silent)
        query = sa.select(PROGRESS).where(is_on_its_way, columns.seen_at.between(since, until)).limit(limit)
        return [run_of(row) for row in self._connection.execute(query)]

    def visits(self, vehicle_id: str, departure_ids: Collection[str], *, are_open: bool = False) -> list[Visit]:
        """Return the visits of a vehicle on some departures, or those that it has not been seen to leave."""
        query = sa.select(*OF_VISIT).where(VISITS.c.departure_id.in_(departure_ids), VISITS.c.vehicle_id == vehicle_id)
        query = query.where(VISITS.c.departed_at.is_(None)) if are_open else query
        return [Visit(*row) for row in self._connection.execute(query)]

    def visits_of(self, departure_ids: Collection[str]) -> dict[str, list[Visit]]:
        """Return all visits of departures, in the order of their calls; two vehicles may have been at one."""
        query = sa.select(*OF_VISIT).where(VISITS.c.departure_id.in_(departure_ids))
        found: dict[str, list[Visit]] = {id_: [] for id_ in departure_ids}
        for row in self._connection.execute(query.order_by(VISITS.c.sequence, VISITS.c.arrived_at)):
            found[row.departure_id].append(Visit(*row))
        return found

    def change_visits(self, vehicle_id: str, *, gone: Sequence[Visit], new: Sequence[Visit]) -> None:
        """Replace visits of a vehicle."""
        if gone:
            deleting = sa.delete(VISITS).where(
                VISITS.c.vehicle_id == vehicle_id,
                VISITS.c.departure_id == sa.bindparam("of_departure"),
                VISITS.c.sequence == sa.bindparam("of_call"),
            )
            keys = [{"of_departure": visit.departure_id, "of_call": visit.sequence} for visit in gone]
            self._connection.execute(deleting, keys)
        if new:
            self._connection.execute(sa.insert(VISITS), [asdict(visit) | {"vehicle_id": vehicle_id} for visit in new])

    def forget(self, departure_ids: Sequence[str]) -> None:
        """Delete the visits of some departures."""
        self._connection.execute(sa.delete(VISITS).where(VISITS.c.departure_id.in_(departure_ids)))


def run_of(row: sa.Row[tuple[object, ...]]) -> Run:
    """Read a row."""
    values = row._mapping
    return Run(
        values["vehicle_id"],
        Progress(**{name: values[name] for name in STATE}),
        values["delay_seconds"],
        values["is_silent"],
    )
