"""What can stand in the way of a price; reasons are the codes of the contract in upper case."""

from collections.abc import Sequence

from chassis.errors import FieldError, InvalidInput, NotAllowedNow, NotFound


class UnknownDepartures(NotFound):
    """Departures that are not known here; booking may know them."""

    def __init__(self, departure_ids: Sequence[str]) -> None:
        super().__init__(departure_id=departure_ids[0])
        self.departure_ids = tuple(departure_ids)


class UnknownStop(NotFound):
    reason = "UNKNOWN_STOP"
    detail = "This departure does not call at a stop with this identifier."


class NotServed(NotAllowedNow):
    reason = "NOT_SERVED"
    detail = "This departure does not carry riders from that stop to the other."


class DepartureGone(NotAllowedNow):
    reason = "DEPARTURE_GONE"
    detail = "This departure has left that stop already. Choose a later one."


class DepartureCancelled(NotAllowedNow):
    reason = "DEPARTURE_CANCELLED"
    detail = "This departure does not run. Choose another."


class UnknownCategory(InvalidInput):
    """A category that the fare policy does not price."""

    def __init__(self, pointer: str, known: Sequence[str]) -> None:
        super().__init__(errors=[FieldError(pointer, f"The fare policy knows {', '.join(known)}.")])


class OtherOperator(InvalidInput):
    """A leg that another operator runs than the one before it."""

    def __init__(self, place: int) -> None:
        advice = "Another operator runs this leg. Ask for a quote for each operator."
        super().__init__(errors=[FieldError(f"/legs/{place}", advice)])


class LegTooEarly(InvalidInput):
    """A leg that nobody can ride after the one before it."""

    def __init__(self, place: int) -> None:
        advice = "This leg leaves before the one before it arrives. Give legs in the order of the journey."
        super().__init__(errors=[FieldError(f"/legs/{place}", advice)])


class QuoteTooLarge(InvalidInput):
    detail = "This is too much for one quote. Ask for fewer passengers or legs at once."


class NoDraft(NotAllowedNow):
    detail = "There is no draft to publish. Put one first."
