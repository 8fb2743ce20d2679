"""Random lives of a bot: any configuration, any prices, and whatever else can happen to it.

Owns the Hypothesis strategies and the one way to carry a step out. Every step is text-like data, so that a failure
reads as a short list of what happened.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.events import OrderRejected, OrderSent
from engine.exchanges.paper import PaperSettings
from tests.kernel import RULES, Kernel

Step = tuple[Any, ...]
Life = tuple[dict[str, Any], list[Step]]

_ORDER_TYPES: Final = st.sampled_from(["trailing_market", "market", "limit", "trailing_limit"])
_TRAILS: Final = st.sampled_from(["0.25", "0.1", "1"])

RISKS: Final = st.sampled_from(
    [
        {"max_position_size": "150"},
        {"max_order_size": "99"},
        {"max_open_orders": 1},
        {"stop_loss_percent": "1"},
        {"stop_loss_percent": "0.5", "max_daily_loss_percent": "0.1"},
        {"max_drawdown_percent": "0.3"},
        {"max_drawdown_percent": "0.3", "kill_switch": "flatten"},
        {
            "max_position_size": "310",
            "max_order_size": "100",
            "max_open_orders": 3,
            "max_daily_loss_percent": "0.3",
            "stop_loss_percent": "2",
            "max_drawdown_percent": "1",
            "kill_switch": "flatten",
        },
    ]
)
"""Limits near enough to be reached by moves of a percent."""

SETTINGS: Final = st.fixed_dictionaries(
    {
        "risk": st.just({}) | RISKS,
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
        "min_notional": st.sampled_from(["5", "45"]),
        "quantity_step": st.sampled_from(["0.00001", "0.0001"]),
        "price_tick": st.sampled_from(["0.01", "0.5"]),
    }
)

PRICES: Final = st.tuples(
    st.just("price"),
    st.sampled_from([0, 30, -30, 60, -60, 120, -120, 11, -11, 1, -1, 26, -26]),
    st.sampled_from([60, 20, 60, 1, 60, 20, 301]),
    st.booleans(),
)
"""A move in hundredths of a percent, the seconds since the moment before, and whether there is a book."""

MISHAPS: Final = st.one_of(
    st.tuples(st.just("votes"), st.booleans()),
    st.tuples(st.just("command"), st.just("reset-trailing")),
    st.tuples(st.just("pause"), st.integers(0, 6)),
    st.tuples(st.just("outage"), st.integers(1, 3)),
    st.tuples(st.just("command"), st.sampled_from(["resume", "pause"])),
    st.tuples(st.just("command"), st.sampled_from(["revive", "kill", "flatten", "revive"])),
    st.tuples(st.just("check"), st.booleans()),
    st.tuples(st.just("refusal"), st.sampled_from([60, -60])),
    st.tuples(st.just("half"), st.sampled_from([-120, 30])),
    st.tuples(st.just("restart")),
    st.tuples(st.just("crash")),
)

STEPS: Final = st.lists(PRICES, min_size=1, max_size=6).flatmap(
    lambda prices: MISHAPS.map(lambda mishap: [*prices, mishap])
)

_CALM: Final[st.SearchStrategy[Life]] = st.tuples(
    SETTINGS, st.lists(STEPS, min_size=3, max_size=12).map(lambda parts: [step for part in parts for step in part])
)

_FALLS: Final = st.tuples(st.just("price"), st.sampled_from([-120, 60, -60, 120]), st.just(60), st.booleans())

RISKY: Final[st.SearchStrategy[Life]] = st.tuples(
    st.tuples(SETTINGS, RISKS).map(
        lambda pair: {**pair[0], "risk": pair[1], "budget": "500", "smart_indicator_checks": False}
    ),
    st.lists(_FALLS | _FALLS | MISHAPS, min_size=5, max_size=40),
)
"""Lives with limits, wide moves and much else happening: where limits are reached, and released again."""

LIVES: Final[st.SearchStrategy[Life]] = _CALM | RISKY


def born(settings: dict[str, Any]) -> Kernel:
    """Give a bot of these settings at its first price, 50,000."""
    changes = dict(settings)
    paper = PaperSettings(changes.pop("fee_asset"), Decimal(changes.pop("fill_fraction")))
    step = Decimal(changes.pop("quantity_step"))
    rules = replace(
        RULES,
        quantity_step=step,
        min_quantity=step,
        price_tick=Decimal(changes.pop("price_tick")),
        min_notional=Decimal(changes.pop("min_notional")),
    )
    kernel = Kernel(rules=rules, paper=paper, **changes)
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
    _STEPS[step[0]](kernel, *step[1:])


def _price(kernel: Kernel, hundredths: int, after_s: int, has_book: bool) -> None:
    last = moved(kernel, hundredths)
    bid, ask = book(last, wanted=has_book)
    kernel.price(last, bid=bid, ask=ask, after_s=after_s)


def _pause(kernel: Kernel, minutes: int) -> None:
    kernel.command("pause")
    kernel.prices(*[moved(kernel, 5) for _ in range(minutes)])
    kernel.command("resume")


def _outage(kernel: Kernel, failures: int) -> None:
    for _ in range(failures):
        kernel.check(reachable=False)
        kernel.price(moved(kernel, -5))
    kernel.check(reachable=True)


def _refusal(kernel: Kernel, hundredths: int) -> None:
    """Show a price, and let the exchange refuse every order that it leads to."""
    kernel.price(moved(kernel, hundredths), settled=False)
    for name, order in list(kernel.state.orders.items()):
        if order.status == "requested":
            kernel.observe(OrderSent(name, kernel.now_ms, 5_000), OrderRejected(name, "FILTER", "it says no"))
    kernel.settle()


def _half(kernel: Kernel, hundredths: int) -> None:
    """Show a price without carrying out what it leads to, then another a second later."""
    kernel.price(moved(kernel, hundredths), settled=False)
    kernel.price(moved(kernel, 11), after_s=1)


_STEPS: Final[dict[str, Callable[..., object]]] = {
    "price": _price,
    "pause": _pause,
    "outage": _outage,
    "refusal": _refusal,
    "half": _half,
    "votes": lambda kernel, yes: kernel.votes(yes=yes),
    "check": lambda kernel, reachable: kernel.check(reachable=reachable),
    "command": Kernel.command,
    "restart": Kernel.restart,
    "crash": Kernel.crash,
}


def lived(life: Life) -> Kernel:
    """Give the bot at the end of a life."""
    settings, steps = life
    kernel = born(settings)
    for step in steps:
        take(kernel, step)
    return kernel
