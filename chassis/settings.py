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
        names = {field: name_of(field, cls.prefix, environment) for field in cls.model_fields}
        try:
            return cls.model_validate(
                {field: environment[name] for field, name in names.items() if name in environment}
            )
        except ValidationError as error:
            lines = [f"{names[str(wrong['loc'][0])]}: {wrong['msg']}" for wrong in error.errors()]
            raise SystemExit("\n".join(["These settings are missing or wrong:", *lines])) from None


def name_of(field: str, prefix: str, environment: Mapping[str, str]) -> str:
    """Tell which variable sets a field: the process's own, or else the one for all if there is one."""
    own, shared = prefix + field.upper(), "HEADWAY_" + field.upper()
    return shared if shared in environment and own not in environment else own
