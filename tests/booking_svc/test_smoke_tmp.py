from headway.booking.v1 import bookings_pb2

async def test_smoke(booking):
    departure = await booking.publish()
    held = await booking.hold((departure, 0, 2), (departure, 2, 3))
    assert held.state == bookings_pb2.BOOKING_STATE_HELD
    paid = await booking.confirm(held.id)
    assert paid.state == bookings_pb2.BOOKING_STATE_CONFIRMED
    print(paid)
    print(await booking.get(held.id))
