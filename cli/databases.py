"""Creates the databases that a PostgreSQL server still lacks."""

import os

from cli.outcomes import SetupError

PLACE = "{service}"
SHAPE = f"--database-url-template must look like postgresql://user@host/headway_{PLACE}"


def create_missing(template: str, names: tuple[str, ...]) -> None:
    """Create a database a service; raise SetupError when the server or the role does not let us."""
    # Imported late: only PostgreSQL needs it, and it takes longer than all the rest of this program.
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError  # noqa: PLC0415

    from chassis.database import create_if_missing  # noqa: PLC0415

    if PLACE not in template or not template.startswith("postgresql"):
        raise SetupError(SHAPE)
    os.environ.setdefault("PGCONNECT_TIMEOUT", "5")  # seconds; libpq itself would wait for minutes
    try:
        for name in names:
            create_if_missing(template.replace(PLACE, name))
    except (ArgumentError, ValueError) as error:
        raise SetupError(SHAPE) from error
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise SetupError(f"PostgreSQL does not let us in or create what is missing: {cause}") from error
