"""Settings are environment variables, read once, checked at once, named in every complaint."""

import os
from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError


class Settings(BaseModel):
    """The base of a process's settings: field `grpc_port` of prefix BOOKING_ is BOOKING_GRPC_PORT.

    A field that the process does not find under its own prefix is looked for under HEADWAY_.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    prefix: ClassVar[str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read every field, or stop the program with one line for each that is wrong."""
        found = {}
        for field in cls.model_fields:
            for prefix in ("HEADWAY_", cls.prefix):
                if (value := environment.get(prefix + field.upper())) is not None:
                    found[field] = value
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            lines = [f"{cls.prefix}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
            raise SystemExit("\n".join(["These settings are missing or wrong:", *lines])) from None
