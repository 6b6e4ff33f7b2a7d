"""The unit of work: everything a use case may touch in one transaction."""

from datetime import datetime

from sqlalchemy.engine import Connection

from chassis.database import table_of
from chassis.outbox import Encode, Outbox
from chassis.read_models import Rebuilds
from tracking_svc.store.departures import Departures
from tracking_svc.store.frames import Frames
from tracking_svc.store.patterns import Memory, Patterns
from tracking_svc.store.runs import Runs
from tracking_svc.store.sessions import Sessions
from tracking_svc.store.sightings import Sightings
from tracking_svc.store.tables import RebuildRow
from tracking_svc.store.vehicles import Vehicles


class Work:
    """One open transaction of the tracking database."""

    def __init__(self, connection: Connection, now: datetime, *, encode: Encode, memory: Memory) -> None:
        self.connection = connection
        self.now = now
        self.outbox = Outbox(connection, now=now, encode=encode)
        self.vehicles = Vehicles(connection)
        self.sessions = Sessions(connection)
        self.frames = Frames(connection)
        self.sightings = Sightings(connection)
        self.departures = Departures(connection)
        self.patterns = Patterns(connection, memory)
        self.runs = Runs(connection)
        self.rebuilds = Rebuilds(connection, table_of(RebuildRow))
