"""The price of a simulated market: a function of seed and time alone, so that nothing has to be played forward.

Owns the path: waves of several lengths, drifts that last for hours, wild and quiet regimes, jumps that fade. Only adds
and multiplies, so that every machine computes the same to the last bit. Prices are whole ticks on whole steps of time.
"""

from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.core.market import Candle

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

STEP_MS: Final = 2_000
BLOCK: Final = 1_800
"""So many steps are computed at once: an hour."""

SAMPLES: Final = 15
"""A candle looks at so many prices, or at fewer if it has no more."""

_WAVES: Final = ((7_200, 0.03), (1_200, 0.015), (240, 0.006), (30, 0.004), (4, 0.001))
"""Steps between two turning points, and the size, as parts of the price."""

_REGIME: Final = 3_600
_JUMPS_EVERY: Final = 300
_JUMP_SIZE: Final = 0.018
_JUMP_RARITY: Final = 0.7
_JUMP_SLOTS: Final = 2
"""So many slots a jump takes to fade."""

_MASK: Final = (1 << 64) - 1


class PricePath:
    """The path of one market, around `middle` ticks; `wildness` is the size of its moves in percent."""

    def __init__(self, key: float, middle: int, wildness: int = 100) -> None:
        """Take a number of the seed's from 0 up to 1."""
        self._key: Final = int(key * (1 << 53))
        self._middle: Final = middle
        self._wildness: Final = wildness / 100
        self._blocks: Final[dict[int, Ints]] = {}
        self._candles: Final[dict[int, dict[int, Candle]]] = {}

    def at(self, ms: int) -> int:
        """Give the price at a time, in ticks."""
        block, index = divmod(ms // STEP_MS, BLOCK)
        return int(self._block(block)[index])

    def crossing(self, limit: int, from_ms: int, *, down: bool) -> tuple[int, bool]:
        """Find when from a time on the price is first at a limit or beyond, `down` or up; looks at most two hours on.

        Gives the time and True, or the time up to which it is not and False.
        """
        first = -(-from_ms // STEP_MS)
        block, index = divmod(first, BLOCK)
        for number in (block, block + 1):
            prices = self._block(number)[index:]
            beyond = prices <= limit if down else prices >= limit
            found = int(beyond.argmax())
            if beyond[found]:
                return (number * BLOCK + index + found) * STEP_MS, True
            index = 0
        return (block + 2) * BLOCK * STEP_MS, False

    def candles(self, length_ms: int, since_ms: int, until_ms: int, tick: Decimal) -> list[Candle]:
        """Give the candles that open at `since_ms` or later and end by `until_ms`; each is computed once."""
        known = self._candles.setdefault(length_ms, {})
        opens = range(-(-since_ms // length_ms) * length_ms, until_ms - length_ms + 1, length_ms)
        missing = [open_ms for open_ms in opens if open_ms not in known]
        if missing:
            stride = max(1, length_ms // STEP_MS // SAMPLES)
            samples = np.arange(0, length_ms // STEP_MS, stride, dtype=np.int64)
            starts = np.array(missing, dtype=np.int64) // STEP_MS
            prices = self._ticks((starts[:, None] + samples[None, :]).ravel()).reshape(len(missing), -1)
            rows = zip(
                missing,
                prices[:, 0].tolist(),
                prices.max(axis=1).tolist(),
                prices.min(axis=1).tolist(),
                prices[:, -1].tolist(),
                strict=True,
            )
            for open_ms, opened, high, low, close in rows:
                volume = Decimal(1 + opened % 97)
                known[open_ms] = Candle(open_ms, opened * tick, high * tick, low * tick, close * tick, volume)
        return [known[open_ms] for open_ms in opens]

    def _block(self, number: int) -> Ints:
        block = self._blocks.get(number)
        if block is None:
            steps = np.arange(number * BLOCK, (number + 1) * BLOCK, dtype=np.int64)
            block = self._blocks[number] = self._ticks(steps)
        return block

    def _ticks(self, steps: Ints) -> Ints:
        moves: Floats = np.zeros(len(steps))
        for number, (length, size) in enumerate(_WAVES):
            moves += size * self._wave(number, length, steps)
        moves += self._jumps(steps)
        regime = 0.8 + 0.6 * self._wave(len(_WAVES), _REGIME, steps)
        factor = 1.0 + np.clip(moves * regime * self._wildness, -0.5, 1.0)
        return np.asarray(np.rint(factor * self._middle), dtype=np.int64)

    def _wave(self, number: int, length: int, steps: Ints) -> Floats:
        """Give a line between chance values that stand `length` steps apart."""
        index, part = np.divmod(steps, length)
        first, last = int(index[0]), int(index[-1])
        if last - first < len(steps):
            knots = self._noise(number, np.arange(first, last + 2, dtype=np.int64))
            left, right = knots[index - first], knots[index - first + 1]
        else:
            left, right = self._noise(number, index), self._noise(number, index + 1)
        return np.asarray(left + (right - left) * (part / length))

    def _jumps(self, steps: Ints) -> Floats:
        """Give the jumps: at most one in each slot of ten minutes, fading over twenty."""
        slots, part = np.divmod(steps, _JUMPS_EVERY)
        first = int(slots[0]) - _JUMP_SLOTS
        numbers = np.arange(first, int(slots[-1]) + 1, dtype=np.int64)
        sizes = np.where(np.abs(self._noise(11, numbers)) > _JUMP_RARITY, self._noise(12, numbers) * _JUMP_SIZE, 0.0)
        begins = (self._noise(13, numbers) + 1.0) / 2.0
        moves: Floats = np.zeros(len(steps))
        for back in range(_JUMP_SLOTS + 1):
            chosen = slots - back - first
            age = part / _JUMPS_EVERY + back - begins[chosen]
            moves += np.where((age >= 0.0) & (age < _JUMP_SLOTS), sizes[chosen] * (1.0 - age / _JUMP_SLOTS), 0.0)
        return moves

    def _noise(self, number: int, index: Ints) -> Floats:
        """Give numbers from -1 up to 1 that follow from the seed, a number and an index alone."""
        key = np.uint64((self._key * 0x9E3779B97F4A7C15 + (number + 1) * 0xD1B54A32D192ED03) & _MASK)
        z = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        return np.asarray((z >> np.uint64(11)).astype(np.float64) / float(1 << 52) - 1.0)
