"""What the routes and flows of accounts work on."""

from dataclasses import dataclass

from chassis.store import Store
from gateway.accounts.passwords import Passwords
from gateway.accounts.store.work import Work
from gateway.accounts.tokens import AccessTokens


@dataclass(frozen=True, slots=True)
class Accounts:
    """The database, the threads that hash and the key that signs."""

    store: Store[Work]
    passwords: Passwords
    tokens: AccessTokens

    def close(self) -> None:
        self.passwords.close()
        self.store.stop()
