"""The unit of work: everything a use case may touch in one transaction."""

from datetime import datetime

from sqlalchemy.engine import Connection

from tracking_svc.store.frames import Frames
from tracking_svc.store.sessions import Sessions
from tracking_svc.store.sightings import Sightings
from tracking_svc.store.vehicles import Vehicles


class Work:
    """One open transaction of the tracking database."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self.vehicles = Vehicles(connection)
        self.sessions = Sessions(connection)
        self.frames = Frames(connection)
        self.sightings = Sightings(connection)
