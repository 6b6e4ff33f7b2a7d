"""A batch of points as it comes, and what became of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from chassis.errors import FieldError, InvalidInput
from tracking_svc.domain.judgement import Reason
from tracking_svc.domain.points import Points
from tracking_svc.domain.progress import Run
from tracking_svc.domain.vehicles import Sighting, Vehicle

POINTS_MAX = 500
ID_CHARS_MAX = 64


@dataclass(frozen=True, slots=True)
class Batch:
    """Points of one vehicle, and of one run of its device if it names that."""

    vehicle_id: str
    session_id: str
    points: Points

    def check(self) -> None:
        """Refuse a batch that is not one: raise InvalidInput with everything that is wrong."""
        if errors := list(self._errors()):
            raise InvalidInput(errors=errors)

    def _errors(self) -> Iterator[FieldError]:
        if not 0 < len(self.vehicle_id) <= ID_CHARS_MAX or "\0" in self.vehicle_id:
            yield FieldError("/vehicle_id", f"Name the vehicle, in at most {ID_CHARS_MAX} characters.")
        if len(self.session_id) > ID_CHARS_MAX or "\0" in self.session_id:
            yield FieldError("/session_id", f"At most {ID_CHARS_MAX} characters, none of them NUL.")
        if not 0 < len(self.points) <= POINTS_MAX:
            yield FieldError("/positions", f"Send 1 to {POINTS_MAX} points at a time.")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A point that was not taken: its place in the batch, from 0, and why."""

    index: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a batch."""

    vehicle: Vehicle
    accepted: int
    rejected: tuple[Rejection, ...]
    acknowledged_sequence: int
    late: int
    """How many of the accepted are older than what was known of the vehicle."""
    moved_to: Sighting | None
    """The vehicle's newest position if this batch brought it."""
    run: Run | None = None
    """How far it has come on what it runs."""
