"""How an exchange behaves in one world: its rules of business, and how often each fault befalls whom.

Owns the list of faults and the mix that a seed draws. Rates are from 0 to 1: per call for what befalls calls, per
event for what befalls orders, per slot of time for what lasts.
"""

from typing import Final, Literal

import msgspec

from engine.testing.simulation.chance import Chance

RATES: Final = (0.0, 0.0, 0.02, 0.1, 0.3)
SPELL_RATES: Final = (0.0, 0.0, 0.01, 0.05, 0.15)
ORDER_RATES: Final = (0.0, 0.0, 0.1, 0.3, 0.6)
SPELLS: Final = frozenset({"partition", "maintenance", "halt", "skew_step", "rules_step"})
"""What lasts comes more seldom, or an engine would hardly ever get to its orders."""

OF_ORDERS: Final = frozenset({
    "order_late", "trade_late", "row_lost", "bare_answer", "oblivion", "purged", "split", "partial", "expired",
    "forced_cancel", "cancel_race", "late_fill", "cut_short",
})  # fmt: skip
"""What befalls orders comes more often, for there are few of these."""

WALLET: Final = {"USD": "100000", "BTC": "0.5", "ETH": "5", "BNB": "10"}
FeeAsset = Literal["quote", "base", "BNB"]
SaleFeeAsset = Literal["quote", "base"]
Uniqueness = Literal["open", "ever"]


class Terms(msgspec.Struct, frozen=True):
    """The terms of one exchange; without any rate it is a calm one.

    `tick_ms` is the time between two prices of the stream, `wildness` the size of the market's moves in percent of the
    usual, `ids_unique` among which orders a client order id must be unique, `wallet` what the account starts with.
    `fee_asset` is what fees are taken in; where it is the base, sales pay theirs in `sale_fee_asset`.
    """

    symbols: tuple[str, ...] = ("BTC/USD", "ETH/USD")
    tick_ms: int = 5_000
    wildness: int = 100
    skew_ms: int = 0
    valid_ms: int = 5_000
    grace_ms: int = 30_000
    fee_asset: FeeAsset = "quote"
    sale_fee_asset: SaleFeeAsset = "quote"
    fee_percent: str = "0.1"
    ids_unique: Uniqueness = "open"
    wallet: dict[str, str] = msgspec.field(default_factory=lambda: dict(WALLET))

    # a call
    not_sent: float = 0.0
    request_lost: float = 0.0
    request_late: float = 0.0
    answer_lost: float = 0.0
    server_error: float = 0.0
    garbage: float = 0.0
    rate_limit: float = 0.0
    doubled: float = 0.0
    slow: float = 0.0
    # the weather, per slot of time
    partition: float = 0.0
    maintenance: float = 0.0
    halt: float = 0.0
    skew_step: float = 0.0
    rules_step: float = 0.0
    oblivion: float = 0.0
    # what is shown
    order_late: float = 0.0
    trade_late: float = 0.0
    purged: float = 0.0
    row_lost: float = 0.0
    rows_shuffled: float = 0.0
    rows_repeated: float = 0.0
    bare_answer: float = 0.0
    fee_unvalued: float = 0.0
    balance_stale: float = 0.0
    candle_late: float = 0.0
    # what happens to orders
    split: float = 0.0
    partial: float = 0.0
    expired: float = 0.0
    forced_cancel: float = 0.0
    cancel_race: float = 0.0
    late_fill: float = 0.0
    cut_short: float = 0.0
    # the streams
    hint_lost: float = 0.0
    hint_late: float = 0.0
    hint_repeated: float = 0.0
    hint_broken: float = 0.0
    ticker_trouble: float = 0.0
    # others on the same account
    foreign_order: float = 0.0
    foreign_bot: float = 0.0
    foreign_transfer: float = 0.0


CALM: Final = Terms()
FAULTS: Final = tuple(name for name, kind in Terms.__annotations__.items() if kind is float)
"""The names of all rates."""


def swarm_terms(chance: Chance) -> Terms:
    """Draw the terms of a seed: every fault kind at a rate of its own, often none."""
    rates = {name: chance.choose(f"swarm/{name}", _rates_of(name)) for name in FAULTS}
    calm = Terms(
        tick_ms=chance.choose("swarm/tick_ms", (5_000, 2_000, 10_000, 20_000)),
        wildness=chance.choose("swarm/wildness", (100, 100, 200, 400)),
        skew_ms=chance.choose("swarm/skew_ms", (0, 0, 0, 0, 300, -300, 800, -800, 5_000, -5_000)),
        valid_ms=chance.choose("swarm/valid_ms", (5_000, 10_000, 60_000)),
        fee_asset=chance.choose("swarm/fee_asset", ("quote", "base", "BNB")),
        sale_fee_asset=chance.choose("swarm/sale_fee_asset", ("quote", "base")),
        ids_unique=chance.choose("swarm/ids_unique", ("open", "ever")),
    )
    return msgspec.structs.replace(calm, **rates)


def _rates_of(name: str) -> tuple[float, ...]:
    return SPELL_RATES if name in SPELLS else ORDER_RATES if name in OF_ORDERS else RATES


def calmed(terms: Terms) -> Terms:
    """Give the same rules of business without any fault: what a world has once it has healed."""
    return msgspec.structs.replace(terms, **dict.fromkeys(FAULTS, 0.0))
