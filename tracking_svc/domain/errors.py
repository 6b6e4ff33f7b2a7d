"""What can go wrong by the rules of this service."""

from chassis.errors import NotFound, Unavailable


class VehicleUnknown(NotFound):
    """No such vehicle, or another's: both look the same."""

    detail = "There is no vehicle under this identifier."


class DepartureUnknown(NotFound):
    """No departure that has not long been over."""

    detail = "There is no departure under this identifier, or it is long over."


class StillLearning(Unavailable):
    """The departures are being read from booking, so that one that is missing may be there all the same."""

    detail = "The departures are still being read. Wait and repeat."
    retry_after_seconds = 2.0
