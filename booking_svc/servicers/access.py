"""What each method of this service asks of its caller."""

from chassis.access import PUBLIC, SERVICES, Access, Rules, needs

MINE = needs("bookings", "bookings:all")
STAFF = needs("timetable:write")


def rules(service: str, methods: dict[str, Access]) -> Rules:
    return {f"/headway.booking.v1.{service}/{method}": access for method, access in methods.items()}


RULES: Rules = {
    **rules(
        "TimetableService",
        {
            "PublishDeparture": STAFF,
            "PublishDepartures": STAFF,
            "GetDeparture": PUBLIC,
            "ListDepartures": PUBLIC,
            "CancelDepartures": STAFF,
            "AssignVehicle": STAFF,
            "CreateLayout": STAFF,
            "ListLayouts": STAFF,
            "RegisterVehicle": STAFF,
            "ImportFeed": STAFF,
            "GetFeed": STAFF,
            "GetPatterns": PUBLIC,
            "ListStops": PUBLIC,
            "ListRoutes": PUBLIC,
            "SearchItineraries": PUBLIC,
        },
    ),
    **rules(
        "BookingService",
        {
            "GetAvailability": PUBLIC,
            "GetSeatMap": PUBLIC,
            "HoldBooking": needs("bookings"),
            "ConfirmBooking": MINE,
            "ReleaseBooking": MINE,
            "QuoteCancellation": MINE,
            "CancelBooking": MINE,
            "GetBooking": MINE,
            "ListBookings": MINE,
            # The reference and the e-mail address together are the key; the gateway limits guessing.
            "LookUpBooking": SERVICES,
            "GetBookingHistory": MINE,
            "GetTicket": MINE,
        },
    ),
    **rules(
        "OperationsService",
        {
            "ListVehicles": needs("fleet:read"),
            "GetLoads": STAFF,
            "GetManifest": needs("boarding"),
        },
    ),
}
