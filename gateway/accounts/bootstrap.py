"""Opens the accounts: their database, their threads, the accounts that the settings name."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from chassis.clock import Clock
from chassis.database import Database
from chassis.keys import Signer
from chassis.migrate import migrate
from chassis.store import Store
from chassis.writer import Metrics
from gateway.accounts.accounts import Accounts
from gateway.accounts.domain.roles import Role
from gateway.accounts.passwords import Passwords
from gateway.accounts.store.work import Work
from gateway.accounts.tokens import AccessTokens
from gateway.accounts.use_cases.keep_known_accounts import KnownUser, keep_admin_client, keep_known_users
from gateway.accounts.use_cases.prune_accounts import prune_accounts

MIGRATIONS = Path(__file__).parent / "store" / "migrations"


def open_accounts(database_url: str, *, signer: Signer, clock: Clock, registry: CollectorRegistry) -> Accounts:
    """Open the database, bring it up to date and start its writer."""
    database = Database(database_url)
    migrate(database, MIGRATIONS)
    store = Store(database, Work, clock, metrics=Metrics(registry))
    store.start()
    return Accounts(store, Passwords(), AccessTokens(signer, clock))


async def keep_admin(accounts: Accounts, *, secret: str) -> None:
    """Make or renew the administration's client."""
    await accounts.store.write(keep_admin_client, secret=secret)


async def keep_demo_users(accounts: Accounts, *, password: str, operator_id: str) -> None:
    """Make a rider, a driver and an operator, or set their passwords again."""
    digest = await accounts.passwords.hash(password)
    users = [
        KnownUser("rider@example.com", Role.RIDER, digest),
        KnownUser("driver@example.com", Role.DRIVER, digest, operator_id),
        KnownUser("operator@example.com", Role.OPERATOR, digest, operator_id),
    ]
    await accounts.store.write(keep_known_users, users=users)


async def prune(accounts: Accounts) -> None:
    """Forget what has expired, in small steps."""
    while await accounts.store.write(prune_accounts):
        pass
