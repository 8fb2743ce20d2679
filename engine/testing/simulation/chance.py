"""Chance in a simulated world: counter-based, so that leaving one fault out shifts no other, and written on a tape.

Owns every choice that a seed makes. Each site (a name such as "exchange/create/lost") draws from a stream of its own:
the n-th draw there depends on seed, site and n alone. What was not the neutral choice stands on the tape; played from
a tape, everything else is neutral. So a failing run can be repeated, and made smaller by striking entries off.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, TypeVar

T = TypeVar("T")

_SCALE: Final = float(1 << 53)

Tape = Mapping[str, int]
"""What a run chose that was not neutral: "site#n" to the number of the choice."""


class Chance:
    """The choices of one run. `tape` holds those made so far that were not neutral."""

    def __init__(self, seed: int, played: Tape | None = None) -> None:
        """Draw from a seed, or play a tape, which leaves everything neutral that it does not name."""
        self.seed: Final = seed
        self.tape: Final[dict[str, int]] = {}
        self._played: Final = played
        self._counts: Final[Counter[str]] = Counter()

    def happens(self, site: str, rate: float) -> bool:
        """Tell whether something befalls this site now, by its rate from 0 to 1; neutral is no."""
        return self._drawn(site, lambda unit: int(unit < rate)) == 1

    def choose(self, site: str, options: Sequence[T]) -> T:
        """Choose one of some options, all alike likely; the first is the neutral one."""
        drawn = self._drawn(site, lambda unit: int(unit * len(options)))
        return options[min(drawn, len(options) - 1)]  # a tape from elsewhere may name one that is not there

    def between(self, site: str, least: int, most: int) -> int:
        """Choose a whole number from `least` to `most`, both included; neutral is `least`."""
        return least + self._drawn(site, lambda unit: int(unit * (most - least + 1)))

    def unit(self, key: str) -> float:
        """Give a number from 0 up to 1 that follows from seed and key alone: for what is no fault, such as a price."""
        return _unit(f"{self.seed}|{key}")

    def _drawn(self, site: str, choice: Callable[[float], int]) -> int:
        number = self._counts[site]
        self._counts[site] = number + 1
        key = f"{site}#{number}"
        drawn = self._played.get(key, 0) if self._played is not None else choice(_unit(f"{self.seed}/{key}"))
        if drawn:
            self.tape[key] = drawn
        return drawn


def _unit(key: str) -> float:
    return (int.from_bytes(blake2b(key.encode(), digest_size=8).digest()) >> 11) / _SCALE
