"""The script of a local exchange: its markets and prices, accounts, limits, clock and faults, as values.

Owns what can be said and the defaults. Everything that the server does by itself follows from a script and its seed;
the rest is asked of it by requests. Never holds what changes while the server runs.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from tests.exchange_server.faults import Fault, StreamFault

Status = Literal["TRADING", "HALT", "BREAK", "END_OF_DAY"]


class Fixed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="fixed"):
    """A price that never moves by itself."""

    price: Decimal


class Points(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="points"):
    """Prices by time since the start: each (milliseconds, price) holds until the next; `repeat_ms` starts over."""

    points: tuple[tuple[int, Decimal], ...]
    repeat_ms: int = 0


class Waves(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="waves"):
    """Prices that swing around a middle in waves whose phases, like the noise upon them, come from the seed."""

    middle: Decimal
    swing_percent: float = 3.0
    period_ms: int = 3_600_000
    noise_percent: float = 0.02


class MarketScript(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One market: its rules, its price and the book around it.

    The book has `levels` prices on each side, `level_ticks` apart, with `level_quantity` at each; what is taken from it
    comes back at the next step. A resting order gets at most `resting_fill` a step, all of it if that is None.
    """

    base: str
    quote: str
    path: Fixed | Points | Waves
    tick: Decimal = Decimal("0.01")
    step: Decimal = Decimal("0.00001")
    min_quantity: Decimal = Decimal("0.00001")
    max_quantity: Decimal = Decimal(9000)
    min_notional: Decimal = Decimal(10)
    notional_filter: Literal["NOTIONAL", "MIN_NOTIONAL"] = "NOTIONAL"
    max_open_orders: int = 200
    order_types: tuple[str, ...] = ("LIMIT", "LIMIT_MAKER", "MARKET")
    half_spread_ticks: int = 1
    level_ticks: int = 5
    levels: int = 20
    level_quantity: Decimal = Decimal("0.5")
    resting_fill: Decimal | None = None
    status: Status = "TRADING"

    @property
    def symbol(self) -> str:
        """Name the market as the exchange does: base and quote in one word."""
        return self.base + self.quote


class AccountScript(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account and its key.

    `fee_asset`: "received" takes fees from what a trade brings, as the real exchange does; "quote" and "base" always
    take that side; any other word is an asset, and an account that has too little of it pays from what it receives.
    Some exchanges never say whose a key is: then `tells_id` is false.
    """

    name: str = "trader"
    api_key: str = "localkey"
    secret: str = "localsecret"
    balances: dict[str, Decimal] = {}
    maker_rate: Decimal = Decimal("0.001")
    taker_rate: Decimal = Decimal("0.001")
    fee_asset: str = "received"
    may_trade: bool = True
    may_withdraw: bool = False
    tells_id: bool = True


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much the exchange lets one address ask, and what it does to those who ask more."""

    weight_per_minute: int = 6_000
    orders_per_10s: int = 100
    orders_per_day: int = 200_000
    refusals_before_ban: int = 10
    ban_s: int = 120


class Visibility(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How late what happened shows up in queries, and how far back they reach (0 is all the way).

    Units: milliseconds of the exchange's time.
    """

    orders_late_ms: int = 0
    trades_late_ms: int = 0
    history_ms: int = 0


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that a local exchange is told at its start.

    `speed` makes its time run faster than real time; `manual_clock` stops it, so that only the control endpoint moves
    it. `start_ms` is its first instant (now, if None). Prices move every `step_ms` of its time; websockets are served
    every `pump_ms` of real time.
    """

    seed: str = "local"
    start_ms: int | None = None
    speed: float = 1.0
    manual_clock: bool = False
    skew_ms: int = 0
    step_ms: int = 1_000
    pump_ms: int = 50
    ping_s: float = 20.0
    markets: tuple[MarketScript, ...] = ()
    accounts: tuple[AccountScript, ...] = ()
    limits: Limits = Limits()
    visibility: Visibility = Visibility()
    faults: tuple[Fault, ...] = ()
    stream_faults: tuple[StreamFault, ...] = ()


DEFAULT_MARKETS = (
    MarketScript("BTC", "USD", Waves(Decimal(50_000))),
    MarketScript("BTC", "USDT", Waves(Decimal(50_000))),
    MarketScript("ETH", "USD", Waves(Decimal(2_500), swing_percent=4.0), step=Decimal("0.0001")),
    MarketScript("BNB", "USD", Fixed(Decimal(500)), step=Decimal("0.001")),
)
DEFAULT_ACCOUNTS = (
    AccountScript(balances={"USD": Decimal(100_000), "USDT": Decimal(100_000), "BTC": Decimal(1), "BNB": Decimal(10)}),
)


def with_defaults(script: Script) -> Script:
    """Give a script that names no markets or no accounts the usual ones."""
    return msgspec.structs.replace(
        script,
        markets=script.markets or DEFAULT_MARKETS,
        accounts=script.accounts or DEFAULT_ACCOUNTS,
    )


def read_script(text: bytes) -> Script:
    """Read a script from JSON.

    Raises msgspec.ValidationError, with the path of the fault, for one that says something unknown or impossible.
    """
    return msgspec.json.decode(text, type=Script)
