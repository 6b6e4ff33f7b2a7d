"""What can go wrong by the rules of this service."""

from chassis.errors import NotFound


class VehicleUnknown(NotFound):
    """No such vehicle, or another's: both look the same."""

    detail = "There is no vehicle under this identifier."
