"""What is wrong with a feed: how bad it is, where, and what to do."""

from collections import Counter
from dataclasses import dataclass
from typing import NoReturn

from chassis.errors import InvalidInput

PROBLEMS_MAX = 200
ALIKE_MAX = 20


class BadValue(InvalidInput):
    """A field of a row that cannot be used, and what to do about it."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail, field=field)
        self.field = field


class UnreadableFeed(InvalidInput):
    """Nothing of the feed can be used; its problems say why."""

    reason = "FEED_REJECTED"


class Problems:
    """Counts what is wrong and keeps the first of it: 20 that are alike and 200 in all, errors before warnings."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._alike: Counter[tuple[str, str, str]] = Counter()
        self._kept: dict[str, list[dict[str, object]]] = {"error": [], "warning": []}

    @property
    def kept(self) -> list[dict[str, object]]:
        return [problem for problems in self._kept.values() for problem in problems][:PROBLEMS_MAX]

    def error(self, file: str, line: int, field: str, reason: str) -> None:
        """Tell what keeps a feed, or a part of it, from being used; line 1 is the header, and 0 the whole file."""
        self._tell("error", file, line, field, reason)

    def warning(self, file: str, line: int, field: str, reason: str) -> None:
        """Tell what was read otherwise than it stands there."""
        self._tell("warning", file, line, field, reason)

    def stop(self, file: str, line: int, reason: str) -> NoReturn:
        """Tell what keeps all of the feed from being used."""
        self.error(file, line, "", reason)
        raise UnreadableFeed(reason, file=file)

    def _tell(self, severity: str, file: str, line: int, field: str, reason: str) -> None:
        self.counts[severity] += 1
        if len(self._kept[severity]) < PROBLEMS_MAX and self._alike[severity, file, field] < ALIKE_MAX:
            self._alike[severity, file, field] += 1
            problem = {"severity": severity, "file": file, "line": line, "field": field, "reason": reason}
            self._kept[severity].append(problem)


@dataclass(frozen=True, slots=True)
class Row:
    """Where a row stands."""

    file: str
    line: int
    problems: Problems

    def warn(self, field: str, reason: str) -> None:
        self.problems.warning(self.file, self.line, field, reason)


def shown(text: str) -> str:
    """Quote a text of the feed in a reason, however long and odd it is."""
    return ascii(text if len(text) <= 40 else text[:40] + "...")
