"""Strategy `dca`: buy a fixed amount when enough indicator votes agree.

Owns the votes and their parameters; limits, money, exits and trailing are the engine's.
Source: decisions.md, "Strategy dca".
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from engine.core.errors import ConfigError
from engine.core.events import IndicatorsObserved, PriceObserved
from engine.core.state import BotState
from engine.core.strategy import Buy, Hold

HOUR_MS: Final = 3_600_000


class Rsi(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """RSI at or under `threshold`; with `check_rising` it must have risen over its last three values."""

    enabled: bool = True
    period: int = 14
    threshold: Decimal = Decimal(30)
    check_rising: bool = True


class StochRsi(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Stochastic RSI (%K, smoothed over `fast_d` candles) at or under `threshold`."""

    enabled: bool = False
    period: int = 14
    fast_k: int = 5
    fast_d: int = 3
    threshold: Decimal = Decimal(20)


class Ema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Close under the exponential moving average of `period` candles."""

    enabled: bool = True
    period: int = 25


class Macd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """MACD histogram above that of the candle before."""

    enabled: bool = False
    fast: int = 12
    slow: int = 26
    signal: int = 9


class Mfi(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money flow index at or under `threshold`; needs a market with volume."""

    enabled: bool = False
    period: int = 14
    threshold: Decimal = Decimal(20)


class PriceDrop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Close at least `percent` under the highest close of the last `candles`."""

    enabled: bool = False
    candles: int = 12
    percent: Decimal = Decimal(2)


class RisingPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last three closes rise."""

    enabled: bool = True


class Indicators(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The votes; each can be switched off."""

    rsi: Rsi = Rsi()
    stoch_rsi: StochRsi = StochRsi()
    ema: Ema = Ema()
    macd: Macd = Macd()
    mfi: Mfi = Mfi()
    price_drop: PriceDrop = PriceDrop()
    rising_price: RisingPrice = RisingPrice()


class DcaParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`strategy_params` of `dca`: `amount_usd` in quote before fees, prices in quote, `min_interval_hours` in hours."""

    amount_usd: Decimal = Decimal(100)
    min_interval_hours: Decimal = Decimal(0)
    max_price: Decimal | None = None
    min_price: Decimal | None = None
    indicators: Indicators = Indicators()


Values = tuple[float, ...]
Vote = tuple[str, str, Callable[[Values, Values], bool]]
"""Name, indicator specification, and the vote over its last values and the last closes."""


def _rises(values: Values) -> bool:
    return len(values) >= 3 and values[-1] > values[-2] > values[-3]  # noqa: PLR2004 - three values, as the rule says


def _votes(indicators: Indicators) -> Iterator[Vote]:
    rsi, stoch, ema, macd = indicators.rsi, indicators.stoch_rsi, indicators.ema, indicators.macd
    mfi, drop = indicators.mfi, indicators.price_drop
    if rsi.enabled:
        limit = float(rsi.threshold)
        rising = rsi.check_rising
        yield "rsi", f"rsi:{rsi.period}", lambda v, _: v[-1] <= limit and (not rising or _rises(v))
    if stoch.enabled:
        stoch_limit = float(stoch.threshold)
        spec = f"stoch_rsi:{stoch.period}:{stoch.fast_k}:{stoch.fast_d}"
        yield "stoch_rsi", spec, lambda v, _: v[-1] <= stoch_limit
    if ema.enabled:
        yield "ema", f"ema:{ema.period}", lambda v, closes: closes[-1] < v[-1]
    if macd.enabled:
        spec = f"macd:{macd.fast}:{macd.slow}:{macd.signal}"
        yield "macd", spec, lambda v, _: len(v) > 1 and v[-1] > v[-2]
    if mfi.enabled:
        mfi_limit = float(mfi.threshold)
        yield "mfi", f"mfi:{mfi.period}", lambda v, _: v[-1] <= mfi_limit
    if drop.enabled:
        percent = float(drop.percent)
        yield "price_drop", f"drop:{drop.candles}", lambda v, _: v[-1] >= percent
    if indicators.rising_price.enabled:
        yield "rising_price", "close", lambda v, _: _rises(v)


class Dca:
    """The strategy bound to its parameters. Buys when at least one and at least half of the enabled votes say yes."""

    name: Final = "dca"
    decision_version: Final = 1

    def __init__(self, params: DcaParams) -> None:
        """Bind the parameters.

        Raises:
            ConfigError: no vote is enabled.
        """
        self.params: Final = params
        self._votes: Final = tuple(_votes(params.indicators))
        if not self._votes:
            msg = "strategy_params.indicators enables no vote, so the bot would never buy: enable at least one"
            raise ConfigError(msg)
        low, high = params.min_price, params.max_price
        if low is not None and high is not None and low > high:
            msg = f"strategy_params.min_price is {low}, above max_price {high}, so the bot would never buy: swap them"
            raise ConfigError(msg)

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> "Dca":
        """Build the strategy from recorded `strategy_params`."""
        return cls(msgspec.convert(params, DcaParams, strict=False))

    def indicators(self) -> tuple[str, ...]:
        """Name the indicator specifications it reads."""
        return tuple(sorted({"close", *(spec for _, spec, _ in self._votes)}))

    def amount(self, _state: BotState) -> Decimal:
        """Spend the same amount each time."""
        return self.params.amount_usd

    def screen(self, state: BotState, price: PriceObserved, at_ms: int) -> Hold | None:
        """Hold outside the price band and within `min_interval_hours` of the last purchase."""
        params, last_ms = self.params, state.stats.last_purchase_ms
        if params.max_price is not None and price.last > params.max_price:
            numbers = {"price": str(price.last), "max_price": str(params.max_price)}
            return Hold("max_price", f"price {price.last} is above max_price {params.max_price}", numbers)
        if params.min_price is not None and price.last < params.min_price:
            numbers = {"price": str(price.last), "min_price": str(params.min_price)}
            return Hold("min_price", f"price {price.last} is below min_price {params.min_price}", numbers)
        wait_ms = params.min_interval_hours * HOUR_MS
        if wait_ms and last_ms is not None and at_ms - last_ms < wait_ms:
            numbers = {"last_purchase_ms": str(last_ms), "min_interval_hours": str(params.min_interval_hours)}
            return Hold("min_interval", f"less than {params.min_interval_hours} h since the last purchase", numbers)
        return None

    def vote(self, _state: BotState, _price: PriceObserved, indicators: IndicatorsObserved) -> Buy | Hold:
        """Count the enabled votes over the last closed candles; a value that is missing votes no."""
        closes = indicators.values.get("close", ())
        yes: list[str] = []
        numbers: dict[str, str] = {}
        for name, spec, vote in self._votes:
            values = indicators.values.get(spec, ())
            if values:
                numbers[spec] = f"{values[-1]:.4f}"
            if values and closes and vote(values, closes):
                yes.append(name)
        needed = max(1, (len(self._votes) + 1) // 2)
        summary = f"{len(yes)} of {len(self._votes)} votes for it" + (f" ({', '.join(yes)})" if yes else "")
        if len(yes) >= needed:
            return Buy(summary)
        return Hold("votes", f"{summary}, {needed} needed", {"yes": ",".join(yes), "needed": str(needed), **numbers})
