"""What a soak is made of: how long and how fast, the exchange with its faults, and the bots.

Owns the script and the configurations, as values; runs nothing.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from tests.exchange_server.faults import Fault, Kind, StreamFault
from tests.exchange_server.script import AccountScript, Fixed, Limits, MarketScript, Script, Waves
from tests.live.harness import ALWAYS, config_text

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
START: Final = {"USD": Decimal(100_000), "BTC": Decimal(0), "ETH": Decimal(0), "BNB": Decimal(10)}
LATE_MS: Final = 6_000
"""A request held back for so long has outlived its window of 5 s."""

REAL_TIMEOUT_MS: Final = 1_000
"""A call that hangs is given up after so much REAL time, in ccxt's own timeout."""

ORDERS: Final = "POST /api/v3/order"
_REQUESTS: Final = ("POST /api/v3/order", "DELETE /api/v3/order", "GET /api/v3/*")
ROWS: Final[tuple[Kind, ...]] = ("repeat_rows", "shuffle_rows", "lose_rows")
_STREAMS: Final = ("GET /stream*", "GET /ws-api/*")
_STREAM_ACTIONS: Final = (
    StreamFault("close"),
    StreamFault("repeat"),
    StreamFault("lose"),
    StreamFault("abort"),
    StreamFault("swap"),
    StreamFault("terminate", "user"),
    StreamFault("resume"),
    StreamFault("silence"),
    StreamFault("close", "user"),
    StreamFault("freeze"),
)


class Soak(msgspec.Struct, frozen=True):
    """One soak: market hours, how much faster than real, the seed, the bots, and the share of requests that fail."""

    hours: float = 1.0
    speed: float = 30.0
    seed: str = "soak"
    bots: int = 4
    faults_percent: float = 1.0

    @property
    def length_ms(self) -> int:
        """Give how long it trades, in milliseconds of market time."""
        return int(self.hours * HOUR_MS)


def script_of(soak: Soak) -> Script:
    """Describe an exchange whose prices swing, and a share of whose answers go wrong in every way there is."""
    return Script(
        seed=soak.seed,
        speed=soak.speed,
        pump_ms=max(5, int(1_000 / soak.speed)),
        markets=(
            MarketScript("BTC", "USD", Waves(Decimal(50_000), swing_percent=1.5, period_ms=700_000)),
            MarketScript(
                "ETH", "USD", Waves(Decimal(2_500), swing_percent=1.5, period_ms=500_000), step=Decimal("0.0001")
            ),
            MarketScript("BNB", "USD", Fixed(Decimal(500)), step=Decimal("0.001")),
        ),
        accounts=(AccountScript(balances=START),),
        limits=Limits(orders_per_10s=10_000),
        faults=tuple(faults_of(soak.faults_percent)),
    )


def faults_of(percent: float) -> Iterator[Fault]:
    """Give faults of every kind that together strike this percentage of every kind of request."""
    kinds = _request_kinds()
    rate = percent / 100 / len(kinds)
    for on in _REQUESTS:
        for changes in kinds:
            yield Fault(**{"on": on, "times": None, "rate": rate, **changes})
        yield Fault("rate_limit", on, times=None, rate=percent / 1_000, retry_after_s=5)
    for kind in ROWS:
        for on in ("GET /api/v3/myTrades", "GET /api/v3/openOrders", "GET /api/v3/klines"):
            yield Fault(kind, on, times=None, rate=percent / 300)
    for on in _STREAMS:
        yield Fault("drop", on, times=None, rate=percent / 100)


def _request_kinds() -> list[dict[str, Any]]:
    """List the ways in which a request can fail, before and after it reached the exchange."""
    both: list[dict[str, Any]] = [
        {"kind": "drop"},
        {"kind": "hang"},
        {"kind": "empty"},
        {"kind": "html"},
        {"kind": "status", "status": 502},
        {"kind": "error", "code": -1007, "status": 504},
    ]
    kinds = [{**each, "when": when} for each in both for when in ("before", "after")]
    kinds += [{"kind": "cut"}, {"kind": "late", "delay_ms": LATE_MS}, {"kind": "late", "answer_delay_ms": LATE_MS}]
    return kinds


def stream_fault(number: int) -> StreamFault:
    """Give the n-th thing that happens to all streams."""
    return _STREAM_ACTIONS[number % len(_STREAM_ACTIONS)]


def bots_of(soak: Soak, port: int) -> list[str]:
    """Write the configurations: market, limit and trailing orders both ways, by turns, on two symbols."""
    return [_bot(number, port) for number in range(soak.bots)]


def _bot(number: int, port: int) -> str:
    """Write one; it buys below the middle of the waves only, or it would sit on what it bought at the top."""
    kind = ("market", "limit", "trailing_market", "trailing_limit")[number % 4]
    symbol, middle = (("BTC/USD", 50_000), ("ETH/USD", 2_500))[number // 2 % 2]
    return config_text(
        port,
        bot_id=f"soak-{number}-{kind.replace('_', '-')}",
        symbol=symbol,
        budget=4_000,
        buy_order_type=kind,
        sell_order_type=kind,
        buy_order_timeout=60,
        sell_order_timeout=60,
        profit_target=0.2,
        max_open_lots=8,
        check_interval=5,
        trailing_buy_percent=0.1,
        trailing_sell_percent=0.1,
        min_price_change_percent=0.05,
        strategy_params={"amount_usd": 100 + number, "indicators": ALWAYS, "max_price": middle},
    )
