"""The unit of work: everything a use case may touch in one transaction."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.engine import Connection

from chassis.database import table_of
from chassis.ids import new_id
from chassis.inbox import Inbox
from chassis.outbox import Encode, Outbox
from chassis.read_models import Rebuilds
from pricing_svc.domain.departure import Departure, Pattern
from pricing_svc.domain.fare_policy import FarePolicy
from pricing_svc.store.availabilities import Availabilities
from pricing_svc.store.departures import Departures
from pricing_svc.store.fare_policies import FarePolicies
from pricing_svc.store.parsed import Parsed
from pricing_svc.store.patterns import Patterns
from pricing_svc.store.tables import RebuildRow


class Memory:
    """What the process keeps parsed from one transaction to the next."""

    def __init__(self) -> None:
        self.departures: Parsed[Departure] = Parsed(size=32_768)
        self.patterns: Parsed[Pattern] = Parsed(size=4096)
        self.fare_policies: Parsed[FarePolicy] = Parsed(size=1024)


class Work:
    """One open transaction of the pricing database."""

    def __init__(
        self,
        connection: Connection,
        now: datetime,
        *,
        encode: Encode,
        memory: Memory,
        new_id: Callable[[str], str] = new_id,
    ) -> None:
        self.connection = connection
        self.now = now
        self.new_id = new_id
        self.outbox = Outbox(connection, now=now, encode=encode)
        self.inbox = Inbox(connection)
        self.fare_policies = FarePolicies(connection, memory.fare_policies)
        self.departures = Departures(connection, memory.departures)
        self.patterns = Patterns(connection, memory.patterns)
        self.availabilities = Availabilities(connection)
        self.rebuilds = Rebuilds(connection, table_of(RebuildRow))
