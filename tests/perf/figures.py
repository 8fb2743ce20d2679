"""What a benchmark gives: figures, each with the bar it must meet, and how a table shows them.

Owns the values and their wording. Never measures anything.
"""

from collections.abc import Iterable
from typing import Any

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured number. `at_most` is its bar; a figure without one is only stated. `unit` follows the number.

    An `exact` figure is a count, the same in every run.
    """

    name: str
    measured: float
    unit: str = "×"
    at_most: float | None = None
    at_least: float | None = None
    exact: bool = False
    note: str = ""

    @property
    def is_met(self) -> bool:
        """Tell whether the bar, if there is one, is met."""
        over = self.at_most is not None and self.measured > self.at_most
        under = self.at_least is not None and self.measured < self.at_least
        return not (over or under)

    @property
    def verdict(self) -> str:
        """Say it in a word."""
        if self.at_most is None and self.at_least is None:
            return "count" if self.exact else "stated"
        return "ok" if self.is_met else "MISSED"

    @property
    def bar(self) -> str:
        """Write the bar."""
        if self.at_most is not None:
            return f"≤ {_number(self.at_most)} {self.unit}".rstrip()
        return "" if self.at_least is None else f"≥ {_number(self.at_least)} {self.unit}".rstrip()

    def as_json(self, bench: str) -> dict[str, Any]:
        """Give the figure for machines."""
        return {"bench": bench, **msgspec.structs.asdict(self), "verdict": self.verdict}


def lines(figures: Iterable[Figure]) -> list[str]:
    """Write figures as the rows of a table."""
    return [
        f"  {each.name:<42} {f'{_number(each.measured)} {each.unit}':>16}  {each.bar:<11} {each.verdict:<7} {each.note}"
        for each in figures
    ]


def _number(value: float) -> str:
    """Write a number with as many digits as mean something."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"
