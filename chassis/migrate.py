"""Brings a database to the newest revision of its service; refuses one that a newer version has been at."""

from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from chassis.database import Database

LOCK_NUMBER = 4_730_188


def migrate(database: Database, folder: Path) -> None:
    """Apply the revisions that a folder brings and the database lacks, in one transaction."""
    scripts = ScriptDirectory(str(folder), version_locations=[str(folder)])
    with database.writer.begin() as connection:
        if not database.is_sqlite:
            # Several replicas may start at once; the others wait here and then find nothing to do.
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK_NUMBER})
        context = MigrationContext.configure(connection, opts={"transactional_ddl": False})
        present = context.get_current_revision()
        refuse_newer(scripts, present, folder.parents[1].name)
        for script in reversed(list(scripts.iterate_revisions("heads", present or "base"))):
            with Operations.context(context):
                script.module.upgrade()
            stamp(connection, script.revision)


def refuse_newer(scripts: ScriptDirectory, present: str | None, owner: str) -> None:
    """Stop in plain words rather than run on a schema that this version does not know."""
    known = {script.revision for script in scripts.walk_revisions()}
    if present is not None and present not in known:
        raise SystemExit(
            f"The database of {owner} is at revision {present}, which this version does not know: a newer version of"
            " Headway has used it. Start that version, or give this one another --data-dir or database."
        )


def stamp(connection: Connection, revision: str) -> None:
    """Record the revision that the database is at now."""
    connection.execute(sa.text("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)"))
    connection.execute(sa.text("DELETE FROM alembic_version"))
    connection.execute(sa.text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})
