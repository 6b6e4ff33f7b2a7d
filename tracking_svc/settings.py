"""The tracking service's settings: environment variables TRACKING_* and HEADWAY_*."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chassis.settings import Settings


class TrackingSettings(Settings):
    prefix: ClassVar[str] = "TRACKING_"

    database_url: str
    nats_url: str
    keys_dir: Path
    booking_address: str = "127.0.0.1:50051"
    grpc_host: str = "127.0.0.1"
    grpc_port: int = Field(50052, ge=0, le=65535)
    metrics_port: int = Field(0, ge=0, le=65535)
    reflection: bool = True
    log_level: str = "INFO"
