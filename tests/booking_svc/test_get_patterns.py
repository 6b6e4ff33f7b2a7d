from booking_svc.domain.departure import Pattern
from booking_svc.queries.get_patterns import get_patterns
from booking_svc.store.patterns import identified
from booking_svc.store.work import Work
from chassis.store import Store
from tests.booking_svc.builders import ask, commit, publish

LINE = ((38.0, -9.1, 0.0), (38.005, -9.2, 900.5), (38.01, -9.1, 1801.0))


def patterns(store: Store[Work], *pattern_ids: str) -> dict[str, Pattern]:
    found: list[Pattern] = ask(store, get_patterns, pattern_ids=pattern_ids)
    return {pattern.id: pattern for pattern in found}


def test_a_pattern_has_its_calls_from_the_start_of_the_departure(store: Store[Work]) -> None:
    published = publish(store)
    found = patterns(store, published.pattern.id, "pat_none")
    assert found == {published.pattern.id: published.pattern}
    calls = found[published.pattern.id].calls
    assert [(call.arrival_seconds, call.departure_seconds) for call in calls] == [
        (-60, 0), (540, 600), (1140, 1200), (1740, 1800)
    ]  # fmt: skip


def test_a_pattern_s_line_comes_back_as_it_was_and_is_part_of_what_it_is(store: Store[Work]) -> None:
    plain = publish(store).pattern
    drawn = identified(plain.calls, LINE)
    commit(store, lambda work: work.patterns.save([drawn, drawn]))
    commit(store, lambda work: work.patterns.save([drawn]))
    assert drawn.id != plain.id
    assert patterns(store, drawn.id, plain.id) == {drawn.id: drawn, plain.id: plain}
