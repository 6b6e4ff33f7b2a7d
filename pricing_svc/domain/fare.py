"""What one passenger pays on one leg, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class FareLine:
    """What one rule adds to a fare, or takes off it."""

    rule_id: str
    description: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Fare:
    """A fare and the lines that sum to it."""

    lines: tuple[FareLine, ...]
    total_minor: int

    @classmethod
    def of(cls, steps: Iterable[tuple[str, str, int]]) -> Self:
        """Explain a fare by what it stood at after each rule: rule id, description, amount so far.

        Each line is the difference to the step before, so the lines cannot sum to anything but the last step. Rules
        that changed nothing are left out, the first excepted.
        """
        lines: list[FareLine] = []
        so_far_minor = 0
        for rule_id, description, amount_minor in steps:
            if amount_minor != so_far_minor or not lines:
                lines.append(FareLine(rule_id, description, amount_minor - so_far_minor))
                so_far_minor = amount_minor
        return cls(tuple(lines), so_far_minor)
