"""A whole service as a process: python -m tests.chassis.serving_child DATABASE_URL NATS_URL FOLDER."""

import sys
from pathlib import Path

from headway.tracking.v1.positions_pb2 import TrackedVehicle

from chassis import lifecycle, logs
from chassis.bus import Bus
from chassis.clock import SystemClock
from chassis.consumer import Consumer
from chassis.database import Database, Table
from chassis.lifecycle import Service
from chassis.relay import Relay
from chassis.store import Store
from tests.chassis.postal import STREAMS, Letter, Work, post
from tests.chassis.serving import Tracking, build


def service(url: str, nats_url: str, folder: Path) -> Service:
    """Build a service that posts a letter each time that it is asked for a vehicle."""
    database = Database(url)
    with database.writer.begin() as connection:
        Table.metadata.create_all(connection)
    store = Store(database, Work, SystemClock())

    async def get_vehicle(request: object, _context: object) -> TrackedVehicle:
        await store.write(post, letters=[Letter("asked")])
        return TrackedVehicle(id="veh_1")

    async def apply(_id: str, _type: str, _payload: bytes) -> None:
        pass

    bus = Bus(nats_url, name="test", streams=STREAMS)
    server, *_ = build(folder, does=Tracking(get_vehicle=get_vehicle))
    consumer = Consumer(bus, stream="LETTERS", durable="reader", apply=apply)
    return Service("test", store, bus, Relay(store, bus, source="test"), server, loops=[consumer.run])


if __name__ == "__main__":
    logs.configure()
    lifecycle.run(lambda: service(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
