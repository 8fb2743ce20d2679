"""Random lives of a bot: any configuration, any prices, and whatever else can happen to it.

Owns the Hypothesis strategies and the one way to carry a step out. Every step is text-like data, so that a failure
reads as a short list of what happened.
"""

from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st
from msgspec.structs import replace

from engine.exchanges.paper import PaperSettings
from tests.kernel import RULES, Kernel

Step = tuple[Any, ...]
Life = tuple[dict[str, Any], list[Step]]

_ORDER_TYPES: Final = st.sampled_from(["trailing_market", "market", "limit", "trailing_limit"])
_TRAILS: Final = st.sampled_from(["0.25", "0.1", "1"])

SETTINGS: Final = st.fixed_dictionaries(
    {
        "buy_order_type": _ORDER_TYPES,
        "sell_order_type": _ORDER_TYPES,
        "trailing_buy_percent": _TRAILS,
        "trailing_sell_percent": _TRAILS,
        "trailing_sell_floor": st.sampled_from(["target", "none"]),
        "profit_target": st.sampled_from(["0.2", "1"]),
        "fees": st.sampled_from([{}, {"maker": "0", "taker": "0"}, {"maker": "0.05", "taker": "0.3"}]),
        "budget": st.sampled_from(["10000", "250"]),
        "max_open_lots": st.sampled_from([20, 2]),
        "smart_indicator_checks": st.booleans(),
        "max_connectivity_failures": st.sampled_from([2, 1]),
        "buy_order_timeout": st.sampled_from([600, 60]),
        "sell_order_timeout": st.sampled_from([60, 20]),
        "on_stop": st.sampled_from(["leave", "cancel_buys", "cancel_all"]),
        "fee_asset": st.sampled_from(["quote", "base"]),
        "fill_fraction": st.sampled_from(["1", "0.5", "0.3"]),
        "quantity_step": st.sampled_from(["0.00001", "0.0001"]),
        "price_tick": st.sampled_from(["0.01", "0.5"]),
    }
)

PRICES: Final = st.tuples(
    st.just("price"),
    st.integers(-150, 150),
    st.sampled_from([60, 20, 1, 301]),
    st.booleans(),
)
"""A move in hundredths of a percent, the seconds since the moment before, and whether there is a book."""

EVENTS: Final = st.one_of(
    PRICES,
    PRICES,
    PRICES,
    st.tuples(st.just("votes"), st.booleans()),
    st.tuples(st.just("check"), st.booleans()),
    st.tuples(st.just("command"), st.sampled_from(["pause", "resume", "reset-trailing"])),
    st.tuples(st.just("restart")),
)

LIVES: Final[st.SearchStrategy[Life]] = st.tuples(SETTINGS, st.lists(EVENTS, min_size=4, max_size=40))


def born(settings: dict[str, Any]) -> Kernel:
    """Give a bot of these settings at its first price, 50,000."""
    changes = dict(settings)
    paper = PaperSettings(changes.pop("fee_asset"), Decimal(changes.pop("fill_fraction")))
    step, tick = Decimal(changes.pop("quantity_step")), Decimal(changes.pop("price_tick"))
    kernel = Kernel(
        rules=replace(RULES, quantity_step=step, min_quantity=step, price_tick=tick), paper=paper, **changes
    )
    kernel.price(50_000)
    return kernel


def moved(kernel: Kernel, hundredths: int) -> Decimal:
    """Give the last price moved by so many hundredths of a percent, in whole cents."""
    assert kernel.view.price is not None
    return max(Decimal(1), (kernel.view.price.last * (10_000 + hundredths) / 10_000).quantize(Decimal("0.01")))


def book(last: Decimal, *, wanted: bool) -> tuple[Decimal | None, Decimal | None]:
    """Give bid and ask around a price, or none."""
    return (last - Decimal("0.03"), last + Decimal("0.05")) if wanted else (None, None)


def take(kernel: Kernel, step: Step) -> None:
    """Let one thing happen."""
    match step:
        case ("price", hundredths, after_s, has_book):
            last = moved(kernel, hundredths)
            bid, ask = book(last, wanted=has_book)
            kernel.price(last, bid=bid, ask=ask, after_s=after_s)
        case ("votes", yes):
            kernel.votes(yes=yes)
        case ("check", reachable):
            kernel.check(reachable=reachable)
        case ("command", name):
            kernel.command(name)
        case ("restart",):
            kernel.restart()
        case unknown:
            raise AssertionError(unknown)


def lived(life: Life) -> Kernel:
    """Give the bot at the end of a life."""
    settings, steps = life
    kernel = born(settings)
    for step in steps:
        take(kernel, step)
    return kernel
