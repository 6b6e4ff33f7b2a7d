"""The unit of work: everything a use case may touch in one transaction."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from booking_svc.domain.booking import Item
from booking_svc.domain.departure import Departure
from booking_svc.domain.events import AvailabilityChanged
from booking_svc.domain.occupancy import Occupancy
from booking_svc.store.bookings import Bookings
from booking_svc.store.departures import Departures
from booking_svc.store.feeds import Feeds
from booking_svc.store.history import History
from booking_svc.store.layouts import Layouts
from booking_svc.store.ledger import Ledger
from booking_svc.store.occupancies import Occupancies
from booking_svc.store.passengers import Passengers
from booking_svc.store.patterns import Patterns
from booking_svc.store.payments import Payments
from booking_svc.store.routes import Routes
from booking_svc.store.stops import Stops
from booking_svc.store.vehicles import Vehicles
from chassis.ids import new_id
from chassis.outbox import Encode, Outbox


class Work:
    """One open transaction of the booking database."""

    def __init__(
        self, connection: Connection, now: datetime, *, encode: Encode, new_id: Callable[[str], str] = new_id
    ) -> None:
        self.connection = connection
        self.now = now
        self.new_id = new_id
        self.outbox = Outbox(connection, now=now, encode=encode)
        self.stops = Stops(connection)
        self.routes = Routes(connection)
        self.patterns = Patterns(connection)
        self.departures = Departures(connection, now=now)
        self.feeds = Feeds(connection)
        self.layouts = Layouts(connection)
        self.vehicles = Vehicles(connection)
        self.occupancies = Occupancies(connection)
        self.bookings = Bookings(connection, now=now)
        self.passengers = Passengers(connection, now=now)
        self.payments = Payments(connection)
        self.ledger = Ledger(connection)
        self.history = History(connection)

    def take_seats(self, departure: Departure, items: Sequence[Item]) -> None:
        """Take seats of a departure and tell everybody how many are left."""
        self._tell(departure, self.occupancies.take(self.occupancies.get(departure), items))

    def give_seats(self, items: Sequence[Item]) -> None:
        """Give seats back and tell everybody how many are left.

        Comes before the bookings are saved: everybody locks departures first, so that nobody waits in a circle.
        """
        by_departure = {item.departure_id: [] for item in items}  # type: dict[str, list[Item]]
        for item in items:
            by_departure[item.departure_id].append(item)
        departures = self.departures.lock(by_departure)
        for departure_id, given in sorted(by_departure.items()):
            departure = departures[departure_id]
            self._tell(departure, self.occupancies.give(self.occupancies.get(departure), given))

    def _tell(self, departure: Departure, changed: Occupancy) -> None:
        self.outbox.add_latest(AvailabilityChanged(changed, departure.operator_id, self.now), of=departure.id)
