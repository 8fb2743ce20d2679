"""What lasts: partitions, maintenance, halts, a clock that is wrong. Drawn slot by slot, when it is looked at.

Owns the rule that a slot's draw is the n-th draw of its site, whoever asks first and however far ahead.
"""

from collections.abc import Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from engine.testing.simulation.chance import Chance

MINUTE_MS: Final = 60_000

S = TypeVar("S")


class Spell(NamedTuple, Generic[S]):
    """One spell, and of which sort it is."""

    begin_ms: int
    end_ms: int
    sort: S


class Spells(Generic[S]):
    """Spells of one kind: each slot of time has one or none, which begins in that slot.

    `begun` is told of each new one, when the slot in which it begins is first looked at.
    """

    def __init__(
        self,
        chance: Chance,
        kind: str,
        rate: float,
        *,
        start_ms: int,
        slot_minutes: int,
        minutes: Sequence[float],
        sorts: Sequence[S],
        begun: Callable[[str, "Spell[S]"], None],
    ) -> None:
        """Take how likely a slot has a spell, when the first slot begins, how long spells last and what sorts are."""
        self._chance: Final = chance
        self._kind: Final = kind
        self._rate: Final = rate
        self._slot_ms: Final = slot_minutes * MINUTE_MS
        self._minutes: Final = minutes
        self._sorts: Final = sorts
        self._begun: Final = begun
        self._spells: Final[list[Spell[S]]] = []
        self._next_slot_ms = start_ms
        self._quiet_until_ms = 0
        self._is_over = rate <= 0.0

    def at(self, at_ms: int) -> Spell[S] | None:
        """Give the spell that a time lies in, the longest if there are several."""
        if self._is_over or at_ms < self._quiet_until_ms:
            return None
        while self._next_slot_ms <= at_ms:
            self._draw(self._next_slot_ms)
            self._next_slot_ms += self._slot_ms
        around = [spell for spell in self._spells if spell.begin_ms <= at_ms < spell.end_ms]
        if around:
            return max(around, key=lambda spell: spell.end_ms)
        begins = [spell.begin_ms for spell in self._spells if spell.begin_ms > at_ms]
        self._quiet_until_ms = min([self._next_slot_ms, *begins])
        return None

    def heal(self) -> None:
        """Have no spell any more."""
        self._is_over = True

    def _draw(self, slot_ms: int) -> None:
        site = f"exchange/{self._kind}"
        if self._chance.happens(site, self._rate):
            begin_ms = slot_ms + self._chance.between(f"{site}/begin", 0, self._slot_ms - 1)
            end_ms = begin_ms + int(self._chance.choose(f"{site}/minutes", self._minutes) * MINUTE_MS)
            spell = Spell(begin_ms, end_ms, self._chance.choose(f"{site}/sort", self._sorts))
            self._spells.append(spell)
            self._begun(self._kind, spell)
