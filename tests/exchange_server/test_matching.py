"""Orders meet the market as they would on the real exchange: fills, rests, expiries, fees, locks and ids."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exchange_server.accounts import Account
from tests.exchange_server.book import Side
from tests.exchange_server.errors import ApiError
from tests.exchange_server.exchange import Exchange
from tests.exchange_server.harness import quiet_script
from tests.exchange_server.orders import OrderRecord, Wish
from tests.exchange_server.script import MarketScript, Script, Visibility, Waves

START_MS = 1_700_000_000_000
ONE_LEVEL = {"levels": 1, "level_quantity": Decimal("0.5")}


def opened(**changes: Any) -> Exchange:
    return Exchange(quiet_script(start_ms=START_MS, manual_clock=True, **changes))


def place(
    exchange: Exchange, side: Side, kind: str, quantity: str, price: str | None = None, **more: Any
) -> OrderRecord:
    limit = None if price is None else Decimal(price)
    wish = Wish("BTCUSD", side, kind, more.pop("client_id", f"k{len(exchange.matching.records)}"), price=limit, **more)
    exchange.advance()
    return exchange.matching.place(trader(exchange), msgspec.structs.replace(wish, quantity=Decimal(quantity)))


def trader(exchange: Exchange) -> Account:
    return exchange.accounts["trader"]


def pass_time(exchange: Exchange, by_ms: int) -> None:
    exchange.clock.advance(by_ms)
    exchange.advance()


def events(exchange: Exchange) -> list[str]:
    return [str(event.event.get("x", event.event["e"])) for event in exchange.ledger.events]


def test_limit_order_larger_than_the_book_takes_rests_and_fills_at_the_next_step() -> None:
    exchange = opened(market=ONE_LEVEL)
    record = place(exchange, "BUY", "LIMIT", "0.7", "50010")
    assert (record.now.status, record.now.executed) == ("PARTIALLY_FILLED", Decimal("0.5"))
    assert trader(exchange).locked["USD"] == Decimal("0.2") * 50_010
    pass_time(exchange, 1_000)
    assert (record.now.status, record.now.executed) == ("FILLED", Decimal("0.7"))
    assert [(trade.price, trade.is_maker) for trade in record.trades] == [
        (Decimal("50000.01"), False),
        (Decimal(50_010), True),
    ]
    assert trader(exchange).locked["USD"] == 0
    told = ["NEW", "TRADE", "outboundAccountPosition", "TRADE", "outboundAccountPosition"]
    assert events(exchange) == told


def test_resting_order_is_filled_in_parts_while_the_price_stays_across() -> None:
    exchange = opened(market={"resting_fill": Decimal("0.3")})
    record = place(exchange, "SELL", "LIMIT", "0.7", "51000")
    pass_time(exchange, 5_000)
    assert record.now.status == "NEW"
    exchange.set_price("BTCUSD", Decimal(51_001))
    filled = [record.now.executed]
    for _ in range(2):
        pass_time(exchange, 1_000)
        filled.append(record.now.executed)
    assert filled == [Decimal("0.3"), Decimal("0.6"), Decimal("0.7")]
    assert {trade.price for trade in record.trades} == {Decimal(51_000)}


@pytest.mark.parametrize(
    ("kind", "more", "status", "executed"),
    [
        pytest.param("LIMIT", {"price": "50000.01", "time_in_force": "IOC"}, "EXPIRED", "0.5", id="ioc-takes-a-part"),
        pytest.param("LIMIT", {"price": "49000", "time_in_force": "IOC"}, "EXPIRED", "0", id="ioc-takes-nothing"),
        pytest.param("LIMIT", {"price": "50000.01", "time_in_force": "FOK"}, "EXPIRED", "0", id="fok-takes-nothing"),
        pytest.param("LIMIT_MAKER", {"price": "50000"}, "NEW", "0", id="maker-rests"),
        pytest.param("MARKET", {}, "EXPIRED", "0.5", id="market-empties-the-book"),
    ],
)
def test_order_of_a_kind_larger_than_the_book_ends_as_its_kind_does(
    kind: str, more: dict[str, Any], status: str, executed: str
) -> None:
    exchange = opened(market=ONE_LEVEL)
    record = place(exchange, "BUY", kind, "0.7", **more)
    assert (record.now.status, record.now.executed) == (status, Decimal(executed))
    assert trader(exchange).locked["USD"] == record.now.locked == (35_000 if status == "NEW" else 0)


def test_order_to_fill_or_kill_that_fits_is_filled() -> None:
    exchange = opened(market=ONE_LEVEL)
    assert place(exchange, "SELL", "LIMIT", "0.5", "49000", time_in_force="FOK").now.status == "FILLED"


@pytest.mark.parametrize(
    ("fee_asset", "side", "changes"),
    [
        pytest.param("received", "BUY", {"BTC": "0.0999", "USD": "-5000.001"}, id="base-of-what-was-bought"),
        pytest.param("received", "SELL", {"BTC": "-0.1", "USD": "4994.999001"}, id="quote-of-what-was-sold"),
        pytest.param("quote", "BUY", {"BTC": "0.1", "USD": "-5005.001001"}, id="quote-on-top-of-the-cost"),
        pytest.param("base", "SELL", {"BTC": "-0.1001", "USD": "4999.999"}, id="base-on-top-of-what-was-sold"),
        pytest.param("BNB", "BUY", {"BTC": "0.1", "USD": "-5000.001", "BNB": "-0.01"}, id="third-asset"),
        pytest.param("DOGE", "BUY", {"BTC": "0.0999", "USD": "-5000.001"}, id="third-asset-that-is-not-there"),
    ],
)
@pytest.mark.parametrize("kind", ["MARKET", "LIMIT"])
def test_fee_is_taken_from_the_asset_of_the_script(
    fee_asset: str, side: Side, changes: dict[str, str], kind: str
) -> None:
    exchange = opened(account={"fee_asset": fee_asset})
    before = dict(trader(exchange).free)
    limit = ("50000.01" if side == "BUY" else "49999.99") if kind == "LIMIT" else None
    place(exchange, side, kind, "0.1", limit)
    after = trader(exchange).free
    moved = {asset: after[asset] - before[asset] for asset in after if after[asset] != before[asset]}
    assert {asset: amount.quantize(Decimal("1e-6")) for asset, amount in moved.items()} == {
        asset: Decimal(amount).quantize(Decimal("1e-6")) for asset, amount in changes.items()
    }


def test_client_id_is_unique_among_open_orders_only() -> None:
    exchange = opened()
    for _ in range(2):
        assert place(exchange, "BUY", "MARKET", "0.1", client_id="twice").now.status == "FILLED"
    resting = place(exchange, "BUY", "LIMIT", "0.1", "40000", client_id="twice")
    with pytest.raises(ApiError, match="Duplicate order sent"):
        place(exchange, "BUY", "LIMIT", "0.1", "40000", client_id="twice")
    assert exchange.matching.find(trader(exchange), "BTCUSD", None, "twice") is resting
    exchange.matching.cancel(resting, "cancel")
    again = place(exchange, "BUY", "LIMIT", "0.1", "40000", client_id="twice")
    assert len(exchange.matching.records) == 4
    assert exchange.matching.find(trader(exchange), "BTCUSD", None, "twice") is again


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        pytest.param({"quantity": "0.1000000001"}, -1111, "Parameter 'quantity' has too much", id="precision"),
        pytest.param({"quantity": "0.100001"}, -1013, "Filter failure: LOT_SIZE", id="step"),
        pytest.param({"quantity": "9001"}, -1013, "Filter failure: LOT_SIZE", id="largest"),
        pytest.param({"quantity": "0"}, -1013, "Invalid quantity.", id="nothing"),
        pytest.param({"price": "40000.001"}, -1013, "Filter failure: PRICE_FILTER", id="tick"),
        pytest.param({"price": "260000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE", id="far-from-the-price"),
        pytest.param({"quantity": "0.0001"}, -1013, "Filter failure: NOTIONAL", id="notional"),
        pytest.param({"quantity": "4"}, -2010, "Account has insufficient balance", id="balance"),
    ],
)
def test_order_that_breaks_a_rule_is_refused_with_code_and_sentence(
    changes: dict[str, Any], code: int, message: str
) -> None:
    exchange = opened()
    with pytest.raises(ApiError, match=message) as caught:
        place(exchange, **{"side": "BUY", "kind": "LIMIT", "quantity": "0.1", "price": "40000", **changes})
    assert caught.value.code == code
    assert not exchange.matching.records


def test_market_order_is_measured_by_the_average_price_of_five_minutes() -> None:
    exchange = opened()
    exchange.set_price("BTCUSD", Decimal(1_000))
    assert place(exchange, "BUY", "MARKET", "0.001").now.status == "FILLED"
    pass_time(exchange, 10 * 60_000)
    with pytest.raises(ApiError, match="NOTIONAL"):
        place(exchange, "BUY", "MARKET", "0.001")


def test_open_orders_beyond_the_limit_of_the_market_are_refused() -> None:
    exchange = opened(market={"max_open_orders": 2})
    for _ in range(2):
        place(exchange, "BUY", "LIMIT", "0.1", "40000")
    with pytest.raises(ApiError, match="MAX_NUM_ORDERS"):
        place(exchange, "BUY", "LIMIT", "0.1", "40000")


def test_closed_market_refuses_orders_and_fills_nothing() -> None:
    exchange = opened()
    resting = place(exchange, "BUY", "LIMIT", "0.1", "49000")
    exchange.markets["BTCUSD"].status = "HALT"
    with pytest.raises(ApiError, match="Market is closed"):
        place(exchange, "BUY", "LIMIT", "0.1", "49000")
    exchange.set_price("BTCUSD", Decimal(48_000))
    assert resting.now.status == "NEW"
    exchange.markets["BTCUSD"].status = "TRADING"
    pass_time(exchange, 1_000)
    assert resting.now.status == "FILLED"


def test_order_and_its_trades_show_up_as_late_as_the_script_says() -> None:
    exchange = opened(visibility=Visibility(orders_late_ms=2_000, trades_late_ms=3_000))
    record = place(exchange, "BUY", "LIMIT", "0.1", "50000.01")
    seen = []
    for _ in range(4):
        order = exchange.seen(record)
        seen.append((order is not None and order.status, exchange.shows(record.trades[0])))
        pass_time(exchange, 1_000)
    assert seen == [(False, False), (False, False), ("FILLED", False), ("FILLED", True)]


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["BUY", "SELL"]),
        st.sampled_from(["MARKET", "LIMIT", "IOC", "cancel", "wait"]),
        st.integers(1, 60_000),
        st.integers(-300, 300),
    ),
    max_size=30,
)


@given(actions=ACTIONS, fee_asset=st.sampled_from(["received", "quote", "base", "BNB"]))
def test_balances_after_any_orders_are_what_the_trades_left(actions: list[Any], fee_asset: str) -> None:
    """Goal: no order creates or loses money, and locks belong to open orders. Method: sums over trades and orders."""
    wavy = MarketScript("BTC", "USD", Waves(Decimal(50_000)), level_quantity=Decimal("0.2"), levels=3)
    script = quiet_script(account={"fee_asset": fee_asset}, start_ms=START_MS, manual_clock=True)
    exchange = Exchange(msgspec.structs.replace(script, markets=(wavy, script.markets[2])))
    start = dict(trader(exchange).free)
    for side, kind, amount, offset in actions:
        pass_time(exchange, amount if kind == "wait" else 100)
        resting = exchange.matching.open_of(trader(exchange))
        if kind == "cancel" and resting:
            exchange.matching.cancel(resting[amount % len(resting)], "cancel")
        elif kind in {"MARKET", "LIMIT", "IOC"}:
            limit = None if kind == "MARKET" else str(exchange.markets["BTCUSD"].price + offset)
            tif = {"time_in_force": "IOC"} if kind == "IOC" else {}
            with suppress(ApiError):  # too small, or more than there is
                place(exchange, side, kind.replace("IOC", "LIMIT"), str(Decimal(amount) / 100_000), limit, **tif)
    expected = dict(start)
    for trade in exchange.matching.trades:
        sign = 1 if trade.side == "BUY" else -1
        expected["BTC"] += sign * trade.quantity
        expected["USD"] -= sign * trade.quote_quantity
        expected[trade.commission_asset] -= trade.commission
    account = trader(exchange)
    assert {asset: free + locked for asset, free, locked in account.rows(account.assets())} == expected
    for asset, side in (("USD", "BUY"), ("BTC", "SELL")):
        held = [r.now.locked for r in exchange.matching.open_of(account) if r.now.wish.side == side]
        assert account.locked.get(asset, Decimal(0)) == sum(held)
    for record in exchange.matching.records.values():
        assert record.now.executed == sum(trade.quantity for trade in record.trades) <= record.now.quantity


def test_same_script_and_seed_tell_the_same_story() -> None:
    def story(seed: str) -> tuple[list[Any], list[Any]]:
        exchange = Exchange(Script(seed=seed, start_ms=START_MS, manual_clock=True))
        place(exchange, "BUY", "LIMIT", "0.3", "49500")
        pass_time(exchange, 3_600_000)
        place(exchange, "SELL", "MARKET", "0.2")
        market = exchange.markets["BTCUSD"]
        now_ms = exchange.true_ms
        candles = market.candles.last("1h", 50, since_ms=None, until_ms=now_ms, now_ms=now_ms)
        return [*exchange.matching.trades], candles

    assert story("one") == story("one")
    assert story("one") != story("two")
