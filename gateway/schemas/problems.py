"""The problem document, as it is documented."""

from pydantic import BaseModel, ConfigDict, Field


class ProblemError(BaseModel):
    """What is wrong with one field."""

    pointer: str = Field(description="A JSON pointer into the body, or the name of a parameter", examples=["/legs/0"])
    detail: str


class Problem(BaseModel):
    """Why a request was refused, for people and for programs (RFC 9457)."""

    model_config = ConfigDict(json_schema_extra={"required": ["type", "title", "status", "detail", "code"]})

    type: str = Field(description="Where this code is explained", examples=["/problems#seat_taken"])
    title: str = Field(examples=["A seat is taken"])
    status: int = Field(examples=[409])
    detail: str = Field(description="A sentence for people", examples=["Seat 4C is taken."])
    instance: str = Field(description="The path that was asked for", examples=["/v1/bookings"])
    code: str = Field(description="The reason, for programs", examples=["seat_taken"])
    request_id: str = Field(description="Names this request in the logs")
    retryable: bool = Field(description="The same request may succeed later")
    facts: dict[str, object] = Field(description="What a program needs to choose its next step")
    errors: list[ProblemError] | None = Field(default=None, description="On 422: what is wrong with which field")
