"""What lasts: partitions, maintenance, halts, a clock that is wrong. Drawn slot by slot, when it is looked at.

Owns the rule that a slot's draw is the n-th draw of its site, whoever asks first and however far ahead.
"""

from collections.abc import Callable, Sequence
from typing import Final

from engine.testing.simulation.chance import Chance

MINUTE_MS: Final = 60_000


class Spells:
    """Spells of one kind: each slot of time has one or none, which begins in that slot."""

    def __init__(self, chance: Chance, site: str, rate: float, *, start_ms: int, slot_ms: int) -> None:
        """Take the site, how likely a slot has a spell, and when the first slot begins."""
        self._chance: Final = chance
        self._site: Final = site
        self._rate: Final = rate
        self._start_ms: Final = start_ms
        self._slot_ms: Final = slot_ms
        self._drawn = 0
        self._spells: Final[list[tuple[int, int]]] = []
        self._over_ms: int | None = None

    def end_of(self, at_ms: int, minutes: Sequence[int], begun: Callable[[int, int], None]) -> int | None:
        """Give the end of the spell that a time lies in, None if it lies in none; `begun` is told of each new one."""
        if self._rate <= 0.0 or (self._over_ms is not None and at_ms >= self._over_ms):
            return None
        while self._start_ms + self._drawn * self._slot_ms <= at_ms:
            slot_ms = self._start_ms + self._drawn * self._slot_ms
            self._drawn += 1
            if self._chance.happens(self._site, self._rate):
                begin_ms = slot_ms + self._chance.between(f"{self._site}/begin", 0, self._slot_ms - 1)
                end_ms = begin_ms + self._chance.choose(f"{self._site}/minutes", minutes) * MINUTE_MS
                self._spells.append((begin_ms, end_ms))
                begun(begin_ms, end_ms)
        return max((end for begin, end in self._spells if begin <= at_ms < end), default=None)

    def heal(self, at_ms: int) -> None:
        """Have no spell from a time on."""
        self._over_ms = at_ms
