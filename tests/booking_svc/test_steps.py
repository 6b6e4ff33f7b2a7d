"""No call holds the writer for 50 ms: the heaviest that the limits allow, on both databases."""

from tests.booking_svc.builders import (
    passenger,
)

LIMIT_SECONDS = 0.05
FIFTY = [passenger() for _ in range(50)]
