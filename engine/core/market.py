"""What a market says: ticks, candles and trading rules, as values.

Owns the shapes that feeds produce and decisions read. Never fetches anything.
"""

from decimal import Decimal
from typing import Final

import msgspec

MINUTE_MS: Final = 60_000
TIMEFRAMES_MS: Final = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "2h": 120 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "6h": 360 * MINUTE_MS,
    "12h": 720 * MINUTE_MS,
    "1d": 1440 * MINUTE_MS,
}


class Tick(msgspec.Struct, frozen=True, gc=False):
    """One price as the market showed it; `bid` and `ask` are absent where the market has none."""

    at_ms: int
    last: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None


class Candle(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One closed candle, named by its opening time; `filled` marks a confirmed hole, flat at the close before."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    filled: bool = False


class MarketRules(msgspec.Struct, frozen=True, gc=False):
    """What the exchange accepts for one symbol.

    Units: `price_tick` in quote per base, `quantity_step` and `min_quantity` in base, `min_notional` in quote,
    `maker_percent` and `taker_percent` in percent, `cadence_ms` the usual time between two prices. The rest is told by
    some exchanges only: a `max_quantity` in base and a `max_notional` in quote, the kinds of order in lower case (none:
    not told), the factors that a limit price may differ from the market's by, and whether the market trades now.
    """

    symbol: str
    base: str
    quote: str
    price_tick: Decimal
    quantity_step: Decimal
    min_quantity: Decimal
    min_notional: Decimal
    maker_percent: Decimal
    taker_percent: Decimal
    cadence_ms: int
    max_quantity: Decimal | None = None
    max_notional: Decimal | None = None
    order_types: tuple[str, ...] = ()
    price_factor_up: Decimal | None = None
    price_factor_down: Decimal | None = None
    active: bool = True
