"""Brings a database to the newest revision of its service; refuses one that a newer version has been at."""

import time
from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from chassis.database import Database

LOCK_NUMBER = 4_730_188
PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.25
NEWER = (
    "The database of {owner} is at revision {present}, which this version does not know: a newer version of Headway"
    " has used it. Start that version, or give this one another --data-dir or database."
)


def migrate(database: Database, folder: Path) -> None:
    """Apply the revisions that a folder brings and the database lacks, in one transaction."""
    wait_for(database)
    scripts = ScriptDirectory(str(folder), version_locations=[str(folder)])
    with database.writer.begin() as connection:
        if not database.is_sqlite:
            # Several replicas may start at once: the others wait here, however long it takes, and then find it done.
            connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK_NUMBER})
        context = MigrationContext.configure(connection, opts={"transactional_ddl": False})
        present = context.get_current_revision()
        if present is not None and present not in {script.revision for script in scripts.walk_revisions()}:
            raise SystemExit(NEWER.format(owner=folder.parents[1].name, present=present))
        with Operations.context(context):
            for script in reversed(list(scripts.iterate_revisions("heads", present or "base"))):
                script.module.upgrade()
        context.stamp(scripts, "heads")


def wait_for(database: Database) -> None:
    """Wait for a server that is starting again itself; end with a sentence if it stays away."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            database.writer.connect().close()
            return
        except sa.exc.OperationalError as error:
            if database.is_sqlite or time.monotonic() > until:
                cause = str(error.orig).strip().splitlines()[0]
                raise SystemExit(f"The database does not let us in: {cause}") from None
        time.sleep(LOOK_SECONDS)
