"""The shape of the simulated price: a function of seed and time alone.

Owns the draws, the regimes and the waves. Never keeps a state that a value depends on: any moment can be asked in any
order. Floats are only added, subtracted, multiplied, divided and compared, which IEEE 754 fixes to the last bit, so
that every machine draws the same curve.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from engine.core.market import MINUTE_MS

REGIMES: Final = ("calm", "trend", "crash")
BLOCK_MS: Final = 180 * MINUTE_MS
"""How long one regime lasts."""

_MEMORY: Final = 0.9  # how much of a regime's move is left after the next one: the price returns to its mean
_BLOCKS: Final = 96  # how many earlier regimes are remembered; the one before has lost all but 0.9**96, about 4e-5
_BOTTOM: Final = 0.15  # the part of a crash's time in which it falls
_VOLATILITY: Final = {"calm": 0.75, "trend": 1.0, "crash": 1.35}
_SLOW: Final = ((43_200 * MINUTE_MS, 0.10), (5_760 * MINUTE_MS, 0.03))
_FAST: Final = (
    (150 * MINUTE_MS, 0.014),
    (55 * MINUTE_MS, 0.012),
    (21 * MINUTE_MS, 0.005),
    (7 * MINUTE_MS, 0.0014),
    (130_000, 0.0006),
    (37_000, 0.0002),
)
_TWO_53: Final = 9_007_199_254_740_992.0


_Wave = tuple[int, float, Callable[[int], tuple[float, float]]]


class Regime(msgspec.Struct, frozen=True, gc=False):
    """What one block of time does: its name, the move it leaves behind, and how far it falls on the way."""

    name: str
    move: float
    dip: float


def draw(seed: int, what: str, index: int) -> float:
    """Draw the number in [0, 1) that belongs to a seed, a purpose and an index: a counter, hashed."""
    digest = hashlib.blake2b(f"{seed}/{what}/{index}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / _TWO_53


def smooth(part: float) -> float:
    """Go from 0 to 1 with level ends."""
    return part * part * (3.0 - 2.0 * part)


def _sum(waves: tuple[_Wave, ...], at_ms: int) -> float:
    """Add up waves at a moment; each goes smoothly from one drawn level to the next."""
    total = 0.0
    for period_ms, height, stretch in waves:
        index, into_ms = divmod(at_ms, period_ms)
        start, rise = stretch(index)
        part = into_ms / period_ms
        total += height * (start + rise * (part * part * (3.0 - 2.0 * part)))
    return total


class Curve:
    """The price of a seed and a set of regimes, as a factor of the base price; it stays between 0.5 and 1.6.

    A regime holds for three hours and moves the price; nine tenths of the displacement are left three hours later,
    so the price returns to its mean from wherever it was taken. Waves of 1.4 % over hours down to 0.02 % over seconds
    lie on top, higher in wild regimes. The caches only save time.
    """

    def __init__(self, seed: int, regimes: tuple[str, ...]) -> None:
        assert regimes, "a curve needs a regime"
        assert set(regimes) <= set(REGIMES), regimes
        self._seed = seed
        self._regimes = regimes
        self.regime: Callable[[int], Regime] = lru_cache(maxsize=512)(self._regime)
        """Give the regime of a block, numbered from the epoch."""
        self._displacement: Callable[[int], float] = lru_cache(maxsize=64)(self._draw_displacement)
        self._slow = tuple((ms, height, self._wave(f"slow{n}", ms)) for n, (ms, height) in enumerate(_SLOW))
        self._fast = tuple((ms, height, self._wave(f"fast{n}", ms)) for n, (ms, height) in enumerate(_FAST))

    def factor(self, at_ms: int) -> float:
        """Give the price at a moment as a factor of the base price."""
        block, into_ms = divmod(at_ms, BLOCK_MS)
        part = into_ms / BLOCK_MS
        start, change = self._volatility(block)
        ripple = _sum(self._fast, at_ms) * (start + change * part)
        return (1.0 + _sum(self._slow, at_ms)) * (1.0 + self._path(block, part)) * (1.0 + ripple)

    def _regime(self, block: int) -> Regime:
        name = self._regimes[int(draw(self._seed, "regime", block) * len(self._regimes))]
        size = draw(self._seed, "size", block)
        up = draw(self._seed, "direction", block) < 0.6  # noqa: PLR2004  (trends make up for crashes)
        if name == "crash":
            depth = 0.02 + 0.03 * size
            return Regime(name, -0.2 * depth, 0.8 * depth)
        move = 0.010 + 0.020 * size if name == "trend" else 0.003 * size
        return Regime(name, move if up else -move, 0.0)

    def _draw_displacement(self, block: int) -> float:
        """Give where the regimes before a block have left the price: the sum of their moves, fading."""
        displacement = 0.0
        for earlier in range(block - _BLOCKS, block):
            displacement = displacement * _MEMORY + self.regime(earlier).move
        return displacement

    def _path(self, block: int, part: float) -> float:
        """Go from the displacement before a block to the one after it, in the manner of its regime."""
        start = self._displacement(block)
        path = start + (self._displacement(block + 1) - start) * smooth(part)
        dip = self.regime(block).dip
        if dip > 0.0:
            path -= dip * (part / _BOTTOM if part < _BOTTOM else smooth((1.0 - part) / (1.0 - _BOTTOM)))
        return path

    def _volatility(self, block: int) -> tuple[float, float]:
        """Give the height of the waves at the start of a block, and its change until the end."""
        start = _VOLATILITY[self.regime(block).name]
        return start, _VOLATILITY[self.regime(block + 1).name] - start

    def _wave(self, what: str, period_ms: int) -> Callable[[int], tuple[float, float]]:
        """Give the wave of one period: for each stretch of it, its first level in [-1, 1) and its rise."""
        assert period_ms > 0, period_ms

        def stretch(index: int) -> tuple[float, float]:
            start = 2.0 * draw(self._seed, what, index) - 1.0
            return start, 2.0 * draw(self._seed, what, index + 1) - 1.0 - start

        return lru_cache(maxsize=256)(stretch)
