"""The simulated market: `exchange: simulated`, a function of seed and time alone.

Owns the ticks, candles and outages drawn from a seed. Never walks: any price can be asked without those before it.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec

from engine.core.market import MINUTE_MS, Candle, MarketRules, Tick
from engine.core.units import is_sound
from engine.feeds.curve import REGIMES, Curve, draw
from engine.feeds.market import (
    Outage,
    Reachability,
    ScriptedOutage,
    demand,
    demand_rules,
    outage_at,
    place_outages,
    reach,
)

QUIET_MS: Final = 60 * MINUTE_MS
"""The first hour has no drawn outage."""

_HOUR_S: Final = 3600

LATEST_MS: Final = 4_102_444_800_000
"""The latest first price: 2100-01-01."""


class SimulatedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the `market` section of a simulated exchange may hold.

    Units: `start_ms` UTC epoch milliseconds; `price`, `price_tick` and `min_notional` in quote; `cadence_s` seconds
    between two prices; quantities in base. `regimes` are drawn alike; naming one twice doubles its share. One outage
    is drawn in every `outage_every_hours` after the first hour, 1 to `outage_max_minutes` minutes long;
    `scripted_outages` come on top.
    """

    seed: int = 7
    start_ms: int = 1_735_689_600_000
    price: Decimal = Decimal(50_000)
    cadence_s: int = 10
    regimes: tuple[str, ...] = REGIMES
    outages: bool = True
    outage_every_hours: Decimal = Decimal(6)
    outage_max_minutes: int = 15
    scripted_outages: tuple[ScriptedOutage, ...] = ()
    spread_percent: Decimal = Decimal("0.02")
    price_tick: Decimal = Decimal("0.01")
    quantity_step: Decimal = Decimal("0.00001")
    min_quantity: Decimal = Decimal("0.00001")
    min_notional: Decimal = Decimal(10)
    maker_percent: Decimal = Decimal("0.1")
    taker_percent: Decimal = Decimal("0.1")


class SimulatedMarket:
    """A waiting market that draws its prices from a seed; it has neither beginning nor end, only a first price.

    Ticks lie on whole multiples of the cadence. Candles are made of the same ticks, also of those before `start_ms`
    and of those that an outage hid. Source: decisions.md, "Markets without a network".

    Raises:
        ConfigError: a setting is out of its range; names the key, the value and what is allowed.
    """

    has_volume: Final = True
    holes: Final[tuple[tuple[int, int], ...]] = ()
    end_ms: Final = None

    def __init__(self, symbol: str, base: str, quote: str, settings: SimulatedSettings) -> None:
        _check(settings)
        self.rules: Final = MarketRules(
            symbol=symbol,
            base=base,
            quote=quote,
            price_tick=settings.price_tick,
            quantity_step=settings.quantity_step,
            min_quantity=settings.min_quantity,
            min_notional=settings.min_notional,
            maker_percent=settings.maker_percent,
            taker_percent=settings.taker_percent,
            cadence_ms=settings.cadence_s * 1000,
        )
        self.start_ms: Final = settings.start_ms
        self._seed = settings.seed
        self._cadence_ms = settings.cadence_s * 1000
        self._curve = Curve(settings.seed, settings.regimes)
        self._ticks_per_factor = float(settings.price / settings.price_tick)
        self._half_spread = settings.spread_percent / 200
        self._scripted = place_outages(settings.scripted_outages, settings.start_ms)
        self._slot_ms = int(settings.outage_every_hours * _HOUR_S) * 1000 if settings.outages else 0
        self._longest_s = settings.outage_max_minutes * 60
        self._drawn_outage: Callable[[int], Outage] = lru_cache(maxsize=8)(self._draw_outage)

    def next_tick(self, after_ms: int) -> Tick:
        """Give the first price later than `after_ms`, at `start_ms` or later, that no outage hides."""
        at_ms = self._on_grid(max(after_ms + 1, self.start_ms))
        while (outage := self.outage_at(at_ms)) is not None:
            at_ms = self._on_grid(outage.to_ms)
        price = self._price(at_ms)
        half = int(price * self._half_spread)
        tick = self.rules.price_tick
        return Tick(at_ms=at_ms, last=price * tick, bid=(price - half) * tick, ask=(price + half) * tick)

    def candles(self, timeframe_ms: int, since_ms: int, until_ms: int) -> list[Candle]:
        """Give the candles that open at `since_ms` or later and are closed at `until_ms`."""
        assert timeframe_ms > 0, timeframe_ms
        first_ms = -(-since_ms // timeframe_ms) * timeframe_ms
        opens = range(first_ms, until_ms - timeframe_ms + 1, timeframe_ms)
        candles = (self._candle(open_ms, timeframe_ms) for open_ms in opens)
        return [candle for candle in candles if candle is not None]

    def reachability(self, at_ms: int) -> Reachability:
        """Tell what a probe sent at `at_ms` finds."""
        latency_ms = 20 + int(draw(self._seed, "latency", at_ms // 1000) * 101)
        return reach(self.outage_at(at_ms), latency_ms)

    def outage_at(self, at_ms: int) -> Outage | None:
        """Find the outage, scripted or drawn, that covers a moment."""
        scripted = outage_at(self._scripted, at_ms)
        if scripted is not None or not self._slot_ms:
            return scripted
        slot, into_ms = divmod(at_ms - self.start_ms - QUIET_MS, self._slot_ms)
        if slot < 0:
            return None
        drawn = self._drawn_outage(slot)
        begins_ms = at_ms - into_ms + drawn.from_ms
        ends_ms = at_ms - into_ms + drawn.to_ms
        return Outage(begins_ms, ends_ms, drawn.kind) if begins_ms <= at_ms < ends_ms else None

    def _draw_outage(self, slot: int) -> Outage:
        """Draw the outage of a slot of `outage_every_hours`; its times count from the slot's start."""
        length_s = 60 + int(draw(self._seed, "outage length", slot) * (self._longest_s - 60 + 1))
        room_s = self._slot_ms // 1000 - length_s
        from_s = int(draw(self._seed, "outage time", slot) * room_s)
        kind = draw(self._seed, "outage kind", slot)
        return Outage(from_s * 1000, (from_s + length_s) * 1000, "exchange" if kind < 0.5 else "internet")  # noqa: PLR2004

    def _on_grid(self, at_ms: int) -> int:
        """Round a time up to a whole multiple of the cadence."""
        return -(-at_ms // self._cadence_ms) * self._cadence_ms

    def _price(self, at_ms: int) -> int:
        """Give the price in whole price ticks; here the float curve ends."""
        return int(self._curve.factor(at_ms) * self._ticks_per_factor + 0.5)

    def _candle(self, open_ms: int, timeframe_ms: int) -> Candle | None:
        """Build one candle from its ticks, or None where the cadence leaves it without one."""
        price = self._price
        prices = [price(at) for at in range(self._on_grid(open_ms), open_ms + timeframe_ms, self._cadence_ms)]
        if not prices:
            return None
        tick = self.rules.price_tick
        return Candle(
            open_ms=open_ms,
            open=prices[0] * tick,
            high=max(prices) * tick,
            low=min(prices) * tick,
            close=prices[-1] * tick,
            volume=self._volume(open_ms, timeframe_ms),
        )

    def _volume(self, open_ms: int, timeframe_ms: int) -> Decimal:
        """Add up what was drawn for each minute, so that a larger candle holds the smaller ones' volume."""
        minutes = range(open_ms // MINUTE_MS, (open_ms + timeframe_ms) // MINUTE_MS)
        drawn = sum(1000 + int(draw(self._seed, "volume", minute) * 9000) for minute in minutes)
        return drawn * self.rules.quantity_step * 20


def _check(settings: SimulatedSettings) -> None:
    """Refuse settings out of their range."""
    demand(0 <= settings.start_ms <= LATEST_MS, "start_ms", settings.start_ms, f"from 0 to {LATEST_MS} (the year 2100)")
    demand(is_sound(settings.price) and settings.price > 0, "price", settings.price, "above 0")
    demand_rules(
        settings.price_tick,
        settings.quantity_step,
        settings.min_quantity,
        settings.min_notional,
        settings.maker_percent,
        settings.taker_percent,
    )
    least, most = settings.price / 10**12, settings.price / 1000
    demand(least <= settings.price_tick <= most, "price_tick", settings.price_tick, f"from {least:f} to {most:f}")
    demand(1 <= settings.cadence_s <= _HOUR_S, "cadence_s", settings.cadence_s, "from 1 to 3600 seconds")
    named = set(settings.regimes)
    demand(named and named <= set(REGIMES), "regimes", list(settings.regimes), f"a list of {', '.join(REGIMES)}")
    spread = settings.spread_percent
    demand(is_sound(spread) and 0 <= spread <= 10, "spread_percent", spread, "from 0 to 10")  # noqa: PLR2004
    longest = settings.outage_max_minutes
    demand(longest >= 1, "outage_max_minutes", longest, "1 minute or more")
    every = settings.outage_every_hours
    demand(
        is_sound(every) and every * 60 >= 2 * longest,
        "outage_every_hours",
        every,
        "at least twice market.outage_max_minutes",
    )
