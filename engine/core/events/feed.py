"""Events of a feed stream: what a market did, one row for all bots that watch it."""

from decimal import Decimal
from typing import ClassVar

from engine.core.events.base import Event, Role
from engine.core.market import Candle, MarketRules


class PriceObserved(Event, frozen=True, tag="price_observed"):
    """A price was seen. `gap_ms` is the time since the price before it; absent for the first."""

    role: ClassVar[Role] = Role.OBSERVATION
    urgent: ClassVar[bool] = False
    last: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None
    exchange_time_ms: int | None = None
    gap_ms: int | None = None

    @property
    def sell_price(self) -> Decimal:
        """Give what a seller gets now: the best bid, or the last price where there is none."""
        return self.last if self.bid is None else self.bid

    @property
    def buy_price(self) -> Decimal:
        """Give what a buyer pays now: the best ask, or the last price where there is none."""
        return self.last if self.ask is None else self.ask


class CandlesClosed(Event, frozen=True, tag="candles_closed"):
    """Candles were fetched; holds those not seen before, perhaps none. Its time is the age of the candle cache.

    `unconfirmed_ms` are opening times of holes that no refetch has confirmed.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    urgent: ClassVar[bool] = False
    timeframe: str
    candles: tuple[Candle, ...] = ()
    unconfirmed_ms: tuple[int, ...] = ()


class MarketRulesObserved(Event, frozen=True, tag="market_rules_observed"):
    """The exchange told what it accepts for this symbol."""

    role: ClassVar[Role] = Role.OBSERVATION
    rules: MarketRules


class IndicatorsObserved(Event, frozen=True, tag="indicators_observed"):
    """Indicator values over the closed candles of one timeframe, or why there are none.

    `values` maps a specification such as `rsi:14` to its last values, oldest first; `window` counts the candles and
    `digest` names them. `refused` says why TA-Lib was not asked.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    urgent: ClassVar[bool] = False
    timeframe: str
    candle_ms: int
    values: dict[str, tuple[float, ...]] = {}
    window: int = 0
    digest: str = ""
    refused: str | None = None
