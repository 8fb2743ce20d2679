"""Prices as functions of time: the same script and seed give the same price at the same moment, whoever asks when.

Owns the curves. Floats live here alone; what leaves is a Decimal on the tick.
"""

import bisect
import hashlib
import math
from decimal import ROUND_HALF_EVEN, Decimal

from tests.exchange_server.script import Fixed, Points, Waves

_MASK = 2**64 - 1
_SHARES = ((1.0, 0.5), (0.37, 0.3), (0.11, 0.2))  # of the period, of the swing


class PriceCurve:
    """The price of one market, by time since the start of the exchange."""

    def __init__(self, path: Fixed | Points | Waves, seed: str, tick: Decimal) -> None:
        """Take the path and what makes its chances and its tick."""
        digest = hashlib.sha256(seed.encode()).digest()
        self._path = path
        self._tick = tick
        self._mix = int.from_bytes(digest[:8])
        self._phases = [digest[8 + index] / 256 * math.tau for index in range(len(_SHARES))]

    def at(self, offset_ms: int) -> Decimal:
        """Give the price at a moment, which may lie before the start."""
        path = self._path
        if isinstance(path, Fixed):
            return path.price
        if isinstance(path, Points):
            if path.repeat_ms:
                offset_ms %= path.repeat_ms
            index = bisect.bisect_right(path.points, offset_ms, key=lambda point: point[0])
            return path.points[max(0, index - 1)][1]
        return self._wave(path, offset_ms)

    def unit(self, index: int) -> float:
        """Give a number from 0 to below 1 that belongs to an index: cheap, and good enough for noise."""
        value = (self._mix + index * 0x9E3779B97F4A7C15) & _MASK
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
        return (value ^ (value >> 31)) / 2**64

    def _wave(self, path: Waves, offset_ms: int) -> Decimal:
        swing = sum(
            share * math.sin(math.tau * offset_ms / (path.period_ms * length) + phase)
            for (length, share), phase in zip(_SHARES, self._phases, strict=True)
        )
        noise = (2 * self.unit(offset_ms) - 1) * path.noise_percent
        factor = Decimal(1 + (swing * path.swing_percent + noise) / 100)
        return (path.middle * factor / self._tick).to_integral_value(ROUND_HALF_EVEN) * self._tick
