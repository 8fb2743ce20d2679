"""What the live kill campaigns run: the bots, the exchange they trade on, and what goes wrong there.

Owns the configurations and the script of a round; all of it follows from the seed of the round. Rates and delays are
drawn anew for each, so that rounds are unlike each other.
"""

import random
from decimal import Decimal
from typing import Any, Final, Literal

from engine.core.identity import LOG_ID_LENGTH, encode_base32
from tests.exchange_server.faults import Action, Fault, StreamFault
from tests.exchange_server.script import AccountScript, Fixed, Limits, MarketScript, Script, Visibility, Waves
from tests.live.harness import config_text

SPEED: Final = 20.0
"""The exchange and the engine live so many times faster than we do."""

LOTS: Final = 2
AMOUNT: Final = Decimal(100)
BUDGET: Final = Decimal(230)
TIMEOUT_MS: Final = 300
"""So long, in real time, does the engine wait for an answer: six seconds of its own."""

ALPHA: Final = {"bot_id": "alpha", "buy_order_type": "market", "sell_order_type": "limit"}
BETA: Final = {
    "bot_id": "beta",
    "buy_order_type": "limit",
    "sell_order_type": "trailing_market",
    "on_stop": "cancel_buys",
}
GAMMA: Final = {
    "bot_id": "gamma",
    "symbol": "ETH/USD",
    "buy_order_type": "trailing_limit",
    "sell_order_type": "trailing_limit",
    "on_stop": "cancel_all",
}
DELTA: Final = {"bot_id": "delta", "symbol": "ETH/USD", "buy_order_type": "market", "sell_order_type": "market"}
BOTS: Final = (ALPHA, BETA, GAMMA, DELTA)
LOG_IDS: Final = {
    str(bot["bot_id"]): encode_base32(number * 7919**3, LOG_ID_LENGTH) for number, bot in enumerate(BOTS, 1)
}

_CREATE, _QUERY, _CANCEL = "POST /api/v3/order", "GET /api/v3/order", "DELETE /api/v3/order"
_TRADES, _OPEN = "GET /api/v3/myTrades", "GET /api/v3/openOrders"


def bot_texts(port: int, *, may_buy: bool = True) -> tuple[str, ...]:
    """Give the YAML of every bot: quick in all it does; without `may_buy` no price is low enough to buy."""
    common: dict[str, Any] = {
        "budget": int(BUDGET),
        "max_open_lots": LOTS,
        "profit_target": 0.01,
        "min_price_change_percent": 0,
        "trailing_buy_percent": 0.05,
        "trailing_sell_percent": 0.05,
        "trailing_sell_floor": "none",
        "buy_order_timeout": 8,
        "sell_order_timeout": 6,
        "connectivity_check_interval": 10,
    }
    params = {"amount_usd": int(AMOUNT), **({} if may_buy else {"max_price": 1})}
    return tuple(config_text(port, **common, **bot, strategy_params=dict(params)) for bot in BOTS)


def script_of(seed: int) -> Script:
    """Describe the exchange of a round."""
    chance = random.Random(seed)
    rich = {"USD": Decimal(100_000), "BTC": Decimal(1), "ETH": Decimal(20), "BNB": Decimal(10)}
    poor = {"USD": len(BOTS) * BUDGET + 20, "BTC": Decimal(0), "ETH": Decimal(0), "BNB": Decimal(1)}
    balances = chance.choice((rich, poor, poor))
    period_ms = chance.choice((60_000, 90_000, 150_000))
    return Script(
        seed=f"live-kill-{seed}",
        speed=SPEED,
        skew_ms=chance.choice((0, 0, 500, -500)),
        markets=(
            MarketScript(
                "BTC",
                "USD",
                Waves(Decimal(50_000), swing_percent=1.0, period_ms=period_ms),
                level_quantity=Decimal("0.0012"),
                resting_fill=chance.choice((None, Decimal("0.0007"))),
            ),
            MarketScript(
                "ETH",
                "USD",
                Waves(Decimal(2_500), swing_percent=1.0, period_ms=period_ms * 2 // 3),
                step=Decimal("0.0001"),
                level_quantity=Decimal("0.03"),
                resting_fill=chance.choice((None, Decimal("0.015"))),
            ),
            MarketScript("BNB", "USD", Fixed(Decimal(500)), step=Decimal("0.001")),
        ),
        accounts=(AccountScript(balances=balances, fee_asset=chance.choice(("received", "BNB", "quote"))),),
        limits=Limits(weight_per_minute=20_000, orders_per_10s=1_000),
        visibility=Visibility(
            orders_late_ms=chance.choice((0, 0, 2_000, 8_000, 20_000)),
            trades_late_ms=chance.choice((0, 0, 3_000, 10_000)),
        ),
        faults=tuple(_faults(chance)),
        stream_faults=tuple(_stream_faults(chance)),
    )


def _faults(chance: random.Random) -> list[Fault]:
    """Draw the faults of a round: each kind often, rarely or not at all."""

    def fault(kind: Any, on: str, often: float, **details: Any) -> Fault:
        return Fault(kind, on, times=None, rate=often * chance.choice((0, 0.5, 1, 2)), **details)

    drawn = []
    for on, often in ((_CREATE, 0.03), (_QUERY, 0.02), (_CANCEL, 0.04), (_TRADES, 0.02), (_OPEN, 0.02)):
        drawn += [fault(kind, on, often) for kind in ("drop", "hang")]
        drawn += [fault(kind, on, often / 3, when="before") for kind in ("drop", "hang")]
        drawn += [fault(kind, on, often) for kind in ("cut", "empty", "html")]
        drawn += [fault("status", on, often, status=status) for status in (500, 502, 504)]
        drawn += [fault("error", on, often, code=code) for code in (-1006, -1007)]
        drawn += [fault("error", on, often / 3, when="before", code=-1007), fault("rate_limit", on, often / 3)]
        drawn += [fault("late", on, often, answer_delay_ms=chance.randint(500, 9_000))]
    drawn += [fault("late", _CREATE, 0.05, delay_ms=each) for each in (1_000, 2_500, 4_000, 4_800)]
    drawn += [fault("late", _CREATE, 0.01, delay_ms=each) for each in (5_200, 7_000, 15_000)]
    drawn += [fault("late", _CANCEL, 0.05, delay_ms=each) for each in (1_000, 4_000, 8_000)]
    for on in (_TRADES, _OPEN):
        drawn += [fault("repeat_rows", on, 0.15), fault("shuffle_rows", on, 0.15), fault("lose_rows", on, 0.04)]
    for on in ("account", "exchangeInfo", "ticker/24hr", "klines", "time"):
        drawn += [fault(kind, f"GET /api/v3/{on}", 0.008) for kind in ("drop", "status", "html", "hang")]
    chance.shuffle(drawn)
    return [each for each in drawn if each.rate > 0]


def _stream_faults(chance: random.Random) -> list[StreamFault]:
    """Draw what befalls the streams: a fault for each of the first connections, some of them none."""
    actions: tuple[Action, ...] = ("close", "abort", "silence", "lose", "repeat", "terminate", "freeze", "swap")
    kinds: tuple[Literal["market", "user"], ...] = ("user", "user", "market")
    return [StreamFault(chance.choice(actions), chance.choice(kinds), chance.randint(0, 40)) for _ in range(30)]
