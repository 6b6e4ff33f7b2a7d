"""The pricing service's settings: environment variables PRICING_* and HEADWAY_*."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chassis.settings import Settings


class PricingSettings(Settings):
    prefix: ClassVar[str] = "PRICING_"

    database_url: str
    nats_url: str
    keys_dir: Path
    # host:port of booking's gRPC, where departures that are not known yet are read.
    booking_address: str
    grpc_host: str = "127.0.0.1"
    grpc_port: int = Field(50053, ge=0, le=65535)
    metrics_port: int = Field(0, ge=0, le=65535)
    reflection: bool = True
    log_level: str = "INFO"

    # How long a quote is good for; never beyond its first departure.
    quote_seconds: int = Field(900, ge=1, le=86_400)
