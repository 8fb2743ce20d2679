"""The paper exchange: what it refuses, what it charges, when it fills, and that it forgets nothing."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.events import Balance, MarketRulesObserved, OrderFilled
from engine.core.state import Order
from engine.exchanges.paper import PaperSettings
from engine.exchanges.port import Accepted, OrderReport, Rejected
from tests.kernel import RULES, Kernel, bought, done, of, one, tags

SPEC = pytest.mark.spec
D = Decimal
IN_BASE = PaperSettings(fee_asset="base")


def order_of(side: Any, kind: Any, quantity: str, limit: str | None = None) -> Order:
    """Give an order nobody has sent yet."""
    return Order(
        client_order_id="k0a1b2c3d4e0000099",
        number=99,
        side=side,
        kind=kind,
        quantity=D(quantity),
        purpose="test",
        seen_price=D(50_000),
        requested_ms=0,
        limit_price=None if limit is None else D(limit),
    )


def created(kernel: Kernel, order: Order) -> Any:
    """Give what the gateway answers to a create."""
    return done(kernel.gateway.create(kernel.state, order))


# --- refusals --------------------------------------------------------------------------------------------------------


@SPEC("the paper exchange refuses what a real one would refuse", section="issue: Paper gateway")
@pytest.mark.parametrize(
    ("order", "proof"),
    [
        pytest.param(("buy", "limit", "0.001", "50000"), None, id="a-sound-buy"),
        pytest.param(("buy", "market", "0.001", None), None, id="a-sound-market-buy"),
        pytest.param(("sell", "limit", "0.002", "51000"), None, id="a-sound-sell"),
        pytest.param(("buy", "limit", "0.000001", "50000"), "LOT_SIZE", id="under-the-least-quantity"),
        pytest.param(("buy", "limit", "0.001001", "50000"), "LOT_SIZE", id="between-two-steps"),
        pytest.param(("buy", "limit", "0.001", "50000.001"), "PRICE_FILTER", id="between-two-ticks"),
        pytest.param(("buy", "limit", "0.00009", "50000"), "NOTIONAL", id="under-the-minimum-value"),
        pytest.param(("buy", "market", "0.00009", None), "NOTIONAL", id="market-under-the-minimum-value"),
        pytest.param(("buy", "limit", "0.01799", "50000"), "INSUFFICIENT_BALANCE", id="more-than-the-money"),
        pytest.param(("buy", "limit", "0.01797", "50000"), None, id="all-of-the-money"),
        pytest.param(("sell", "limit", "0.00201", "51000"), "INSUFFICIENT_BALANCE", id="more-than-is-held"),
        pytest.param(("sell", "market", "0.00201", None), "INSUFFICIENT_BALANCE", id="market-more-than-is-held"),
    ],
)
def test_order_is_refused_by_the_filter_it_breaks(order: tuple[Any, Any, str, str | None], proof: str | None) -> None:
    kernel = bought(50_000, budget="1000", sell_order_type="market")
    answer = created(kernel, order_of(*order))
    assert (answer.proof if isinstance(answer, Rejected) else None) == proof


@SPEC("the paper exchange refuses what a real one would refuse", section="issue: Paper gateway")
@pytest.mark.parametrize(
    ("told", "order", "proof"),
    [
        pytest.param({"max_quantity": D("0.001")}, ("buy", "limit", "0.00101", "50000"), "LOT_SIZE", id="too-much"),
        pytest.param({"max_quantity": D("0.001")}, ("buy", "limit", "0.001", "50000"), None, id="just-not-too-much"),
        pytest.param({"max_notional": D(50)}, ("buy", "limit", "0.00101", "50000"), "NOTIONAL", id="too-valuable"),
        pytest.param({"max_notional": D(50)}, ("buy", "market", "0.00101", None), "NOTIONAL", id="market-too-valuable"),
        pytest.param({"max_notional": D(50)}, ("buy", "limit", "0.001", "50000"), None, id="just-not-too-valuable"),
        pytest.param(
            {"order_types": ("limit",)}, ("buy", "market", "0.001", None), "ORDER_TYPE", id="no-market-orders"
        ),
        pytest.param({"order_types": ("limit",)}, ("buy", "limit", "0.001", "50000"), None, id="limit-orders-only"),
        pytest.param({"price_factor_down": D("0.8")}, ("buy", "limit", "0.001", "39999.99"), "PERCENT_PRICE", id="low"),
        pytest.param({"price_factor_down": D("0.8")}, ("buy", "limit", "0.001", "40000"), None, id="just-not-too-low"),
        pytest.param({"price_factor_up": D("1.2")}, ("sell", "limit", "0.001", "60000.01"), "PERCENT_PRICE", id="high"),
        pytest.param({"price_factor_up": D("1.2")}, ("sell", "limit", "0.001", "60000"), None, id="just-not-too-high"),
        pytest.param({"active": False}, ("buy", "limit", "0.001", "50000"), "MARKET_CLOSED", id="closed-market"),
    ],
)
def test_order_is_refused_by_a_filter_that_only_some_exchanges_have(
    told: dict[str, Any], order: tuple[Any, Any, str, str | None], proof: str | None
) -> None:
    kernel = bought(50_000, budget="1000", sell_order_type="market")
    kernel.feed(MarketRulesObserved(replace(RULES, **told)))
    answer = created(kernel, order_of(*order))
    assert (answer.proof if isinstance(answer, Rejected) else None) == proof


def test_sell_of_what_another_order_already_sells_is_refused() -> None:
    kernel = bought(50_000)
    answer = created(kernel, order_of("sell", "limit", "0.00100", "51000"))
    assert isinstance(answer, Rejected)
    assert answer.proof == "INSUFFICIENT_BALANCE"


def test_buy_with_money_that_another_order_holds_is_refused() -> None:
    kernel = Kernel(buy_order_type="limit", budget="150")
    kernel.price(50_000)
    answer = created(kernel, order_of("buy", "limit", "0.00100", "50000"))
    assert isinstance(answer, Rejected)
    assert answer.proof == "INSUFFICIENT_BALANCE"


def test_refusal_says_in_words_what_was_wrong() -> None:
    kernel = bought(50_000, sell_order_type="market")
    texts = [
        created(kernel, order_of("buy", "limit", "0.000001", "50000")).reason,
        created(kernel, order_of("buy", "limit", "0.001001", "50000")).reason,
        created(kernel, order_of("buy", "limit", "0.00009", "50000")).reason,
    ]
    assert texts == [
        "quantity 0.000001 is under 0.00001",
        "quantity 0.001001 is no multiple of 0.00001",
        "value 4.50000 is under 5",
    ]


@SPEC("a refused order leaves no trace but the refusal", section="Order protocol")
def test_refused_order_frees_its_money_and_opens_no_lot() -> None:
    kernel = Kernel()
    kernel.price(50_000, settled=False)
    kernel.feed(MarketRulesObserved(replace(RULES, min_notional=D(200))))
    assert tags(kernel.settle()) == ["order_sent", "order_rejected"]
    assert kernel.state.reserved == 0
    assert not kernel.state.lots
    assert "Order 1 rejected: value 100.00000 is under 200 (NOTIONAL)" in kernel.lines()


# --- fees ------------------------------------------------------------------------------------------------------------


@SPEC("market orders pay the taker fee, resting limits the maker fee", section="issue: Paper gateway")
def test_fees_are_those_of_taker_and_maker() -> None:
    kernel = bought(50_000, fees={"taker": "0.2", "maker": "0.05"})
    taker = one(kernel.told(), OrderFilled)
    assert (taker.liquidity, taker.fee, taker.fee_asset, taker.fee_quote) == ("taker", D("0.2"), "USD", D("0.2"))
    target = kernel.lot.target
    assert target is not None
    maker = one(kernel.price(52_000), OrderFilled)
    assert (maker.liquidity, maker.price) == ("maker", target)
    assert maker.fee == maker.fee_quote == target * D("0.002") * D("0.0005")


@SPEC("fees can be taken in base from what a buy gets", section="issue: Paper gateway")
def test_fee_in_base_is_taken_from_a_buy_and_in_quote_from_a_sale() -> None:
    kernel = bought(50_000, paper=IN_BASE, sell_order_type="market")
    fill = one(kernel.told(), OrderFilled)
    assert (fill.fee, fill.fee_asset, fill.fee_quote) == (D("0.000002"), "BTC", D("0.1"))
    assert kernel.state.cash_flow == -100
    sale = one(kernel.price(51_000), OrderFilled)
    assert (sale.fee_asset, sale.fee) == ("USD", D("0.00199") * 51_000 * D("0.001"))


# --- fills -----------------------------------------------------------------------------------------------------------


@SPEC("market orders trade at the price seen: ask for a buy, bid for a sale", section="issue: Paper gateway")
@pytest.mark.parametrize(
    ("bid", "ask", "at"),
    [(None, None, "50000"), ("49990", "50010", "50010"), ("49990", None, "50000"), (None, "50020", "50020")],
)
def test_market_buy_trades_at_the_ask(bid: str | None, ask: str | None, at: str) -> None:
    kernel = Kernel()
    assert one(kernel.price(50_000, bid=bid, ask=ask), OrderFilled).price == D(at)


@pytest.mark.parametrize(("bid", "at"), [(None, "51000"), ("50900", "50900")])
def test_market_sale_trades_at_the_bid(bid: str | None, at: str) -> None:
    kernel = bought(50_000, sell_order_type="market")
    assert one(kernel.price(51_000, bid=bid), OrderFilled).price == D(at)


@SPEC("a resting limit fills at its price when a later price crosses it", section="issue: Paper gateway")
@pytest.mark.parametrize(
    ("price", "bid", "ask", "fills"),
    [
        pytest.param("50000.00", None, None, True, id="last-at-the-limit"),
        pytest.param("49999.99", None, None, True, id="last-under-the-limit"),
        pytest.param("50000.01", None, None, False, id="last-over-the-limit"),
        pytest.param("50000.01", "49990", "50000.00", True, id="ask-at-the-limit"),
        pytest.param("49999.99", "49990", "50000.01", False, id="ask-over-the-limit"),
    ],
)
def test_resting_buy_fills_when_the_other_side_reaches_it(
    price: str, bid: str | None, ask: str | None, fills: bool
) -> None:
    kernel = Kernel(buy_order_type="limit")
    kernel.price(50_000, bid=49_990, ask=50_010)
    kernel.votes(yes=False)
    found = of(kernel.price(price, bid=bid, ask=ask), OrderFilled)
    assert [(fill.price, fill.liquidity) for fill in found] == ([(D(50_000), "maker")] if fills else [])


@pytest.mark.parametrize(
    ("price", "bid", "fills"),
    [("50601.11", None, True), ("50601.10", None, False), ("50601.00", "50601.11", True), ("50700", "50601.10", False)],
)
def test_resting_sale_fills_when_the_other_side_reaches_it(price: str, bid: str | None, fills: bool) -> None:
    kernel = bought(50_000)
    assert bool(of(kernel.price(price, bid=bid), OrderFilled)) is fills


@SPEC("a limit order that meets the other side of the book trades at once as taker", section="issue: Paper gateway")
@pytest.mark.parametrize(
    ("side", "limit", "trades"),
    [
        ("buy", "50010", [(D(50_010), "taker")]),
        ("buy", "50020", [(D(50_010), "taker")]),
        ("buy", "50009.99", []),
        ("sell", "49990", [(D(49_990), "taker")]),
        ("sell", "49980", [(D(49_990), "taker")]),
        ("sell", "49990.01", []),
    ],
)
def test_limit_order_at_the_other_side_trades_at_once(side: str, limit: str, trades: list[tuple[D, str]]) -> None:
    kernel = bought(50_000, sell_order_type="market")
    kernel.price(50_000, bid=49_990, ask=50_010)
    answer = created(kernel, order_of(side, "limit", "0.00100", limit))
    assert isinstance(answer, Accepted)
    assert [(fill.price, fill.liquidity) for fill in answer.fills] == trades


@pytest.mark.parametrize(("side", "limit"), [("buy", "50000"), ("sell", "50000")])
def test_limit_order_without_a_book_rests(side: str, limit: str) -> None:
    kernel = bought(50_000, sell_order_type="market")
    answer = created(kernel, order_of(side, "limit", "0.00100", limit))
    assert answer == Accepted("paper-k0a1b2c3d4e0000099")


@SPEC("only a price later than the acceptance fills a resting order", section="Order protocol")
def test_resting_order_is_not_filled_by_the_price_it_was_made_at() -> None:
    kernel = Kernel(buy_order_type="limit")
    assert tags(kernel.price(50_000), only="order") == ["order_requested", "order_sent", "order_accepted"]
    assert kernel.settle() == []
    assert tags(kernel.price(50_000, after_s=1), only="order_filled") == ["order_filled"]


def test_rule_of_one_fill_a_price_holds_across_a_restart() -> None:
    kernel = Kernel(buy_order_type="limit", paper=PaperSettings(fill_fraction=D("0.5")))
    kernel.prices(50_000, 49_990)
    kernel.restart()
    assert kernel.settle() == []
    assert kernel.order(1).filled == D("0.001")


@SPEC("an order can be filled in parts", section="issue: Paper gateway")
@pytest.mark.parametrize(
    ("fraction", "parts"),
    [
        ("1", ["0.002"]),
        ("0.5", ["0.001", "0.001"]),
        ("0.4", ["0.0008", "0.0008", "0.0004"]),
        ("0.001", ["0.00001"] * 6),
    ],
)
def test_fill_fraction_splits_a_resting_order_over_prices(fraction: str, parts: Sequence[str]) -> None:
    kernel = Kernel(buy_order_type="limit", paper=PaperSettings(fill_fraction=D(fraction)))
    kernel.price(50_000)
    kernel.votes(yes=False)
    fills = of([event for _ in range(6) for event in kernel.price(49_990)], OrderFilled)
    buys = [fill for fill in fills if fill.client_order_id == kernel.order(1).client_order_id]
    assert [fill.quantity for fill in buys] == [D(part) for part in parts]
    assert len({fill.trade_id for fill in buys}) == len(parts)


# --- a function of the log -------------------------------------------------------------------------------------------


@SPEC("create is idempotent by client order id", section="Order protocol")
def test_create_asked_again_gives_the_same_answer() -> None:
    kernel = Kernel()
    kernel.price(50_000, settled=False)
    (order,) = kernel.state.orders.values()
    assert kernel.gateway.repeats_create
    assert created(kernel, order) == created(kernel, order)


def test_answer_booked_twice_counts_once() -> None:
    kernel = bought(50_000)
    fill = one(kernel.told(), OrderFilled)
    before = kernel.state
    assert kernel.observe(fill, fill) == [fill, fill]
    assert kernel.state == before


def test_query_and_cancel_tell_what_the_log_knows() -> None:
    kernel = bought(50_000)
    order = kernel.order(2)
    name = order.client_order_id
    asked = done(kernel.gateway.query(kernel.state, order))
    cancelled = done(kernel.gateway.cancel(kernel.state, order))
    assert asked == OrderReport(name, f"paper-{name}", "open", D(0))
    assert cancelled == OrderReport(name, f"paper-{name}", "canceled", D(0))


@SPEC("balances are what the fills left; locked is what open orders hold", section="issue: Paper gateway")
def test_balances_follow_from_fills_and_open_orders() -> None:
    kernel = Kernel(budget="1000", smart_indicator_checks=False, buy_order_type="limit")
    assert done(kernel.gateway.balances(kernel.state)) == {"BTC": Balance(D(0)), "USD": Balance(D(1000))}
    kernel.price(50_000)
    assert done(kernel.gateway.balances(kernel.state))["USD"] == Balance(D("899.9"), D("100.1"))
    kernel.votes(yes=False)
    kernel.price(49_999)
    held = done(kernel.gateway.balances(kernel.state))
    assert held == {"BTC": Balance(D(0), D("0.002")), "USD": Balance(D("899.9"), D(0))}
    kernel.price(52_000)
    sold = D("0.002") * D("50601.11") * D("0.999")
    assert done(kernel.gateway.balances(kernel.state))["USD"] == Balance(D("899.9") + sold, D(0))


def test_rules_of_the_market_decide_what_is_refused() -> None:
    kernel = bought(50_000, rules=replace(RULES, quantity_step=D("0.001"), min_quantity=D("0.001")))
    kernel.feed(MarketRulesObserved(replace(RULES, min_quantity=D("0.002"))))
    answer = created(kernel, order_of("buy", "market", "0.001"))
    assert isinstance(answer, Rejected)
    assert answer.proof == "LOT_SIZE"
