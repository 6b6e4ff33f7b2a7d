"""What phones send whose apps speak OsmAnd (Traccar Client) or OwnTracks, read as positions."""

from datetime import UTC, datetime
from typing import Annotated, Any

from headway.tracking.v1 import positions_pb2
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, WithJsonSchema, model_validator

from gateway.schemas.messages import timestamp_of

KNOT = 1852 / 3600
"""Metres a second."""
KILOMETER_PER_HOUR = 1 / 3.6
MILLISECONDS_FROM = 10**11
"""A number that is no more is in seconds; of milliseconds it would be a day of 1973."""


def instant_of(told: Any) -> datetime:
    """Read seconds or milliseconds since 1970, or RFC 3339 text."""
    try:
        if not (text := str(told)).replace(".", "", 1).isdigit():
            found = datetime.fromisoformat(text)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        return datetime.fromtimestamp(float(text) / (1000 if float(text) > MILLISECONDS_FROM else 1), UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError("Give a time in seconds or milliseconds since 1970, or as RFC 3339 text.") from None


Moment = Annotated[datetime, BeforeValidator(instant_of)]


class Lenient(BaseModel):
    """What an app sends besides is nobody's concern."""

    model_config = ConfigDict(extra="ignore")


class OsmAndPoint(Lenient):
    """One point in the form of OsmAnd and Traccar Client: https://www.traccar.org/osmand/."""

    id: str = Field("", max_length=4096, description="The device token, unless it comes as basic auth")
    timestamp: Annotated[Moment, WithJsonSchema({"type": "string", "examples": ["1906531200"]})]
    lat: FiniteFloat
    lon: FiniteFloat
    speed: FiniteFloat | None = Field(None, description="Knots")
    bearing: FiniteFloat | None = None
    accuracy: FiniteFloat | None = Field(None, description="Metres")

    @model_validator(mode="before")
    @classmethod
    def _flatten(cls, told: Any) -> Any:
        """Read the JSON that newer versions send, whose speed is in metres a second, as the older form."""
        location = told.get("location") if isinstance(told, dict) else None
        if not isinstance(location, dict) or not isinstance(coords := location.get("coords"), dict):
            return told
        speed = coords.get("speed")
        return {
            "id": told.get("device_id", ""),
            "timestamp": location.get("timestamp"),
            "lat": coords.get("latitude"),
            "lon": coords.get("longitude"),
            "speed": speed / KNOT if isinstance(speed, (int, float)) else None,
            "bearing": coords.get("heading"),
            "accuracy": coords.get("accuracy"),
        }

    def to_proto(self) -> positions_pb2.Position:
        return positions_pb2.Position(
            recorded_at=timestamp_of(self.timestamp),
            latitude=self.lat,
            longitude=self.lon,
            speed_meters_per_second=None if self.speed is None else self.speed * KNOT,
            heading_degrees=self.bearing,
            accuracy_meters=self.accuracy,
        )


class OwnTracksMessage(Lenient):
    """A message of OwnTracks: https://owntracks.org/booklet/tech/json/. Only locations have a place."""

    type: str = Field(alias="_type", max_length=32, examples=["location"])
    tst: Annotated[Moment, WithJsonSchema({"type": "integer", "maximum": 2**53})] | None = None
    lat: FiniteFloat | None = None
    lon: FiniteFloat | None = None
    vel: FiniteFloat | None = Field(None, description="Kilometres an hour")
    cog: FiniteFloat | None = None
    acc: FiniteFloat | None = Field(None, description="Metres")

    def to_proto(self) -> positions_pb2.Position | None:
        """Return the position; None for a message of another kind."""
        if self.type != "location" or self.tst is None or self.lat is None or self.lon is None:
            return None
        return positions_pb2.Position(
            recorded_at=timestamp_of(self.tst),
            latitude=self.lat,
            longitude=self.lon,
            speed_meters_per_second=None if self.vel is None else self.vel * KILOMETER_PER_HOUR,
            heading_degrees=self.cog,
            accuracy_meters=self.acc,
        )
