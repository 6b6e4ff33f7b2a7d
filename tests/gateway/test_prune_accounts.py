"""What nobody needs any more is forgotten."""

from gateway.accounts.bootstrap import prune
from gateway.accounts.domain.audit import Entry, Event
from gateway.accounts.store.work import Work
from gateway.accounts.use_cases.prune_accounts import AUDIT_KEPT, ROWS_MAX
from tests.clocks import FixedClock
from tests.gateway.records import rows
from tests.gateway.running import Running

DAY = 86_400


async def test_expired_refresh_tokens_are_forgotten_and_live_ones_kept(either_gateway: Running, clock: FixedClock):
    await either_gateway.guest()
    clock.advance(29 * DAY)
    await either_gateway.guest()
    clock.advance(2 * DAY)
    await prune(either_gateway.app.state.accounts)
    assert len(await rows(either_gateway, "refresh_tokens")) == 1


async def test_the_audit_is_kept_for_half_a_year(either_gateway: Running, clock: FixedClock):
    await either_gateway.guest()
    clock.advance(AUDIT_KEPT.total_seconds())
    await prune(either_gateway.app.state.accounts)
    assert len(await rows(either_gateway, "audit")) == 1
    clock.advance(1)
    await prune(either_gateway.app.state.accounts)
    assert await rows(either_gateway, "audit") == []


async def test_much_is_forgotten_in_steps_until_nothing_is_left(either_gateway: Running, clock: FixedClock):
    def fill(work: Work) -> None:
        for _ in range(ROWS_MAX + 10):
            work.audit.add(Entry(Event.SIGNED_IN, "usr_1"))

    await either_gateway.app.state.accounts.store.write(fill)
    clock.advance(AUDIT_KEPT.total_seconds() + 1)
    await prune(either_gateway.app.state.accounts)
    assert await rows(either_gateway, "audit") == []


async def test_riders_are_never_forgotten(either_gateway: Running, clock: FixedClock):
    await either_gateway.guest()
    clock.advance(5000 * DAY)
    await prune(either_gateway.app.state.accounts)
    assert len(await rows(either_gateway, "users")) == 1
