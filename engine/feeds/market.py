"""A market that needs no network: the port, its outages, and how it answers a probe.

Owns what the simulated and the recorded market have in common. Never makes a price.
"""

from decimal import Decimal
from typing import Final, Literal, Protocol

import msgspec

from engine.core.errors import ConfigError
from engine.core.market import Candle, MarketRules, Tick
from engine.core.units import is_sound

FINEST: Final = Decimal("1e-12")
"""No tick or step is finer, so that every amount is a whole number of them in 28 digits."""

OutageKind = Literal["exchange", "internet"]


class Outage(msgspec.Struct, frozen=True):
    """A time without prices, from `from_ms` up to but without `to_ms`; `internet` takes the exchange with it."""

    from_ms: int
    to_ms: int
    kind: OutageKind


class ScriptedOutage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An outage the operator asks for: `from_s` seconds after the market's first price, `length_s` seconds long."""

    from_s: int
    length_s: int
    kind: OutageKind = "exchange"


class Reachability(msgspec.Struct, frozen=True):
    """What a probe finds: who answers, after how long, and how far the exchange's clock is ahead of ours."""

    exchange: bool
    internet: bool
    latency_ms: int
    clock_skew_ms: int = 0


class WaitingMarket(Protocol):
    """A market that stands still until the bot asks for the next price, at any speed.

    Its clock is the bot's clock. Every answer is a function of the arguments: asking twice, or in another order,
    or after a restart, gives the same. Source: decisions.md, "Markets without a network".
    """

    @property
    def rules(self) -> MarketRules:
        """Give what the market accepts."""

    @property
    def start_ms(self) -> int:
        """Give the time of the first price."""

    @property
    def end_ms(self) -> int | None:
        """Give the time of the last price, or None where there is always another."""

    @property
    def has_volume(self) -> bool:
        """Tell whether candles carry a volume; without one there is no MFI."""

    @property
    def holes(self) -> tuple[tuple[int, int], ...]:
        """Give the times (from, to) for which the recording has nothing; they pass without a price."""

    def next_tick(self, after_ms: int) -> Tick | None:
        """Give the first price later than `after_ms` that no outage hides, or None at the end."""

    def candles(self, timeframe_ms: int, since_ms: int, until_ms: int) -> list[Candle]:
        """Give the candles that open at `since_ms` or later and are closed at `until_ms`; holes are absent.

        Outages do not matter here: the exchange went on trading, and whoever asks must be able to reach it.

        Raises:
            MarketDataError: the timeframe cannot be built from what the market has.
        """

    def reachability(self, at_ms: int) -> Reachability:
        """Tell what a probe sent at `at_ms` finds."""


def demand(holds: object, key: str, value: object, allowed: str) -> None:
    """Refuse a setting of a market unless its rule holds.

    Raises:
        ConfigError: names the key, the value and what is allowed.
    """
    if not holds:
        raise ConfigError(f"market.{key} is {value}, and must be {allowed}")


def demand_rules(
    price_tick: Decimal | None,
    quantity_step: Decimal,
    min_quantity: Decimal,
    min_notional: Decimal,
    maker_percent: Decimal,
    taker_percent: Decimal,
) -> None:
    """Refuse trading rules that no exchange could have.

    Raises:
        ConfigError: names the key, the value and what is allowed.
    """
    for key, step in (("price_tick", price_tick), ("quantity_step", quantity_step)):
        if step is not None:
            demand(is_sound(step) and step >= FINEST, key, step, f"{FINEST:f} or more")
    for key, least in (("min_quantity", min_quantity), ("min_notional", min_notional)):
        demand(is_sound(least) and least >= 0, key, least, "0 or more")
    for key, fee in (("maker_percent", maker_percent), ("taker_percent", taker_percent)):
        demand(is_sound(fee) and 0 <= fee < 100, key, fee, "from 0 up to, but without, 100")  # noqa: PLR2004


def place_outages(scripted: tuple[ScriptedOutage, ...], start_ms: int) -> tuple[Outage, ...]:
    """Put scripted outages on the market's clock.

    Raises:
        ConfigError: an outage begins before the market or has no length.
    """
    for index, outage in enumerate(scripted):
        demand(outage.from_s >= 0, f"scripted_outages[{index}].from_s", outage.from_s, "0 or more seconds")
        demand(outage.length_s > 0, f"scripted_outages[{index}].length_s", outage.length_s, "1 second or more")
    return tuple(
        Outage(start_ms + each.from_s * 1000, start_ms + (each.from_s + each.length_s) * 1000, each.kind)
        for each in scripted
    )


def outage_at(outages: tuple[Outage, ...], at_ms: int) -> Outage | None:
    """Find an outage that covers a moment."""
    return next((outage for outage in outages if outage.from_ms <= at_ms < outage.to_ms), None)


def reach(outage: Outage | None, latency_ms: int) -> Reachability:
    """Tell what a probe finds while this outage, or none, is going on."""
    return Reachability(
        exchange=outage is None,
        internet=outage is None or outage.kind != "internet",
        latency_ms=latency_ms,
    )
