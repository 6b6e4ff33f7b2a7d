"""The gateway's settings: environment variables GATEWAY_* and HEADWAY_*."""

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field

from chassis.settings import Settings


class GatewaySettings(Settings):
    prefix: ClassVar[str] = "GATEWAY_"

    database_url: str
    keys_dir: Path
    booking_address: str
    tracking_address: str
    pricing_address: str
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    log_level: str = "INFO"

    rate_limits: Literal["on", "off"] = "on"
    # Origins whose pages may call from a browser, separated by commas; "*" is any.
    cors_origins: str = ""
    # Proxies whose X-Forwarded-For is believed, separated by commas; nobody's by default.
    trusted_proxies: str = ""
    # The client `headway-admin` takes tokens with every scope for this secret, at every operator.
    admin_client_secret: str = Field(default="", max_length=256)
    # Makes rider@, driver@ and operator@example.com with this password; the staff work for `demo_operator_id`.
    demo_password: str = Field(default="", max_length=256)
    demo_operator_id: str = "*"
    # Server-sent events: how many clients at once, together.
    streams_max: int = Field(default=5000, ge=0)
    # After how long each is let go, to come back to any gateway there is by then.
    stream_seconds_max: float = Field(default=3600, gt=0)
    # Where devices open their gRPC stream; the tracking service's own address when empty.
    public_grpc_address: str = ""

    @classmethod
    def nowhere(cls) -> Self:
        """Make settings to build with and never to run with: the document of the API needs no more."""
        nobody = "127.0.0.1:1"
        return cls(
            database_url="",
            keys_dir=Path(),
            booking_address=nobody,
            tracking_address=nobody,
            pricing_address=nobody,
        )
