"""The booking service's settings: environment variables BOOKING_* and HEADWAY_*."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chassis.settings import Settings


class BookingSettings(Settings):
    prefix: ClassVar[str] = "BOOKING_"

    database_url: str
    nats_url: str
    keys_dir: Path
    payments_url: str
    grpc_host: str = "127.0.0.1"
    grpc_port: int = Field(50051, ge=0, le=65535)
    metrics_port: int = Field(0, ge=0, le=65535)
    reflection: bool = True
    log_level: str = "INFO"

    hold_seconds: int = Field(600, ge=1, le=86_400)
    # Live holds that one rider may have; 0 is no cap.
    holds_per_rider: int = Field(5, ge=0)
    # How long a confirmation waits for the provider before it answers "not known yet".
    payment_wait_seconds: float = Field(3.0, gt=0, le=30)
    # How long the provider may take to answer one request.
    payment_timeout_seconds: float = Field(8.0, gt=0, le=30)
    # After this a charge with no answer is looked up, and voided if it never happened.
    payment_give_up_seconds: float = Field(20.0, gt=0)
