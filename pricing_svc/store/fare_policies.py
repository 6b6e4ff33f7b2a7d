"""Fare policies by version: at most one draft, and every version that was ever in force."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from pricing_svc.domain.fare_policy import CategoryFare, FarePolicy, ZoneFare, default_policy
from pricing_svc.store.parsed import Parsed
from pricing_svc.store.tables import FarePolicyRow

TABLE = table_of(FarePolicyRow)
# Built once: building it costs more than running it.
VERSIONS = (
    sa.select(TABLE.c.policy_id, sa.func.max(TABLE.c.version))
    .where(TABLE.c.policy_id.in_(sa.bindparam("ids", expanding=True)), TABLE.c.published_at.is_not(None))
    .group_by(TABLE.c.policy_id)
)


class FarePolicies:
    """The fare policies of one open transaction."""

    def __init__(self, connection: Connection, parsed: Parsed[FarePolicy]) -> None:
        self._connection = connection
        self._parsed = parsed

    def newest(self, policy_id: str, *, is_in_force: bool = False) -> FarePolicy:
        """Return the draft, or what is in force where there is none or where that is asked for."""
        columns = TABLE.c
        query = sa.select(TABLE).where(columns.policy_id == policy_id).order_by(columns.version.desc()).limit(1)
        if is_in_force:
            query = query.where(columns.published_at.is_not(None))
        row = self._connection.execute(query).first()
        return default_policy(policy_id) if row is None else policy_of(row)

    def in_force(self, policy_ids: Iterable[str]) -> dict[str, FarePolicy]:
        """Return what is in force, by id; the default where an operator has published nothing."""
        wanted = set(policy_ids)
        newest = dict(self._connection.execute(VERSIONS, {"ids": list(wanted)}).all())
        found = self._parsed.of(newest, lambda policy_ids: self._load({key: newest[key] for key in policy_ids}))
        return {policy_id: found.get(policy_id) or default_policy(policy_id) for policy_id in wanted}

    def _load(self, versions: dict[str, int]) -> Iterator[tuple[str, int, FarePolicy]]:
        columns = TABLE.c
        wanted = sa.tuple_(columns.policy_id, columns.version).in_(list(versions.items()))
        for row in self._connection.execute(sa.select(TABLE).where(wanted)):
            yield row.policy_id, row.version, policy_of(row)

    def save_draft(self, policy: FarePolicy) -> None:
        """Store a draft in the place of the one before."""
        columns = TABLE.c
        drafts = sa.and_(columns.policy_id == policy.id, columns.published_at.is_(None))
        self._connection.execute(sa.delete(TABLE).where(drafts))
        self._connection.execute(sa.insert(TABLE), row_of(policy))

    def save_published(self, policy: FarePolicy, *, now: datetime) -> None:
        """Record that a draft is in force from now on."""
        columns = TABLE.c
        draft = sa.and_(columns.policy_id == policy.id, columns.version == policy.version)
        self._connection.execute(sa.update(TABLE).where(draft).values(published_at=now))


AMOUNTS = ("currency", "base_minor", "per_kilometer_minor", "minimum_minor", "maximum_minor", "rounding_minor",
           "feed_id")  # fmt: skip


def row_of(policy: FarePolicy) -> dict[str, object]:
    """Write a draft as a row."""
    zone_fares = [astuple(fare) for fare in policy.zone_fares]
    return {
        "policy_id": policy.id,
        "version": policy.version,
        "categories": json.dumps([(fare.category, fare.percent) for fare in policy.categories]),
        "zone_fares": json.dumps(zone_fares),
        **{name: getattr(policy, name) for name in AMOUNTS},
    }


def policy_of(row: sa.Row[tuple[object, ...]]) -> FarePolicy:
    """Read a policy back."""
    found = row._mapping
    return FarePolicy(
        id=found["policy_id"],
        categories=tuple(CategoryFare(*fare) for fare in json.loads(found["categories"])),
        zone_fares=tuple(ZoneFare(*fare) for fare in json.loads(found["zone_fares"])),
        version=found["version"],
        is_published=found["published_at"] is not None,
        **{name: found[name] for name in AMOUNTS},
    )
