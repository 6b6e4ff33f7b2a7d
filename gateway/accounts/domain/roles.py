"""Every scope and every role there is, as data."""

from collections.abc import Mapping
from enum import StrEnum

SCOPES: Mapping[str, str] = {
    "bookings": "Book, see and change journeys of one's own",
    "bookings:all": "See and change every booking of one's operator",
    "timetable:write": "Import feeds, publish and cancel departures, keep vehicles and layouts",
    "boarding": "See who travels and let them board",
    "positions:write": "Report where a vehicle is",
    "fleet:read": "See every vehicle of one's operator",
    "fleet:write": "Give devices their tokens",
    "fares:write": "Keep fare policies",
    "users:write": "Make users and clients of one's operator",
    "webhooks": "Subscribe to events",
    "reports": "Read reports",
    "privacy": "Export and erase personal data",
}
"""Scope -> what it lets its bearer do."""


class Role(StrEnum):
    """What a person does for a living here, or that they travel."""

    RIDER = "rider"
    DRIVER = "driver"
    DISPATCHER = "dispatcher"
    PRICING = "pricing"
    SUPPORT = "support"
    OPERATOR = "operator"


ROLES: Mapping[Role, frozenset[str]] = {
    Role.RIDER: frozenset({"bookings"}),
    Role.DRIVER: frozenset({"boarding", "positions:write", "fleet:read"}),
    Role.DISPATCHER: frozenset({"timetable:write", "boarding", "fleet:read", "fleet:write", "bookings:all"}),
    Role.PRICING: frozenset({"fares:write", "reports"}),
    Role.SUPPORT: frozenset({"bookings", "bookings:all", "fleet:read", "privacy"}),
    Role.OPERATOR: frozenset(SCOPES),
}
"""Role -> the scopes of its tokens, read when a token is issued."""

STAFF = frozenset(Role) - {Role.RIDER}
