"""The simulated exchange by itself: what it does with orders, and what it shows of them.

Each test states the terms it needs; the rest is calm, and a tape says what befalls. Virtual time makes hours free.
"""

from decimal import Decimal

import pytest

from engine.core.market import TIMEFRAMES_MS
from engine.exchanges.port import Accepted, OrderReport, Rejected, Unknown
from engine.testing.simulation.exchange.prices import STEP_MS, PricePath
from engine.testing.simulation.exchange.terms import Terms
from tests.simulation.worlds import BTC, CENT, START_MS, ExchangeWorld, order, placed_and_cancelled, run

PATH_HOURS = 6


def test_create_of_a_market_order_fills_it_at_once_and_names_the_trades() -> None:
    world = ExchangeWorld()

    async def work() -> None:
        client = world.client()
        outcome = await client.create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms()))
        assert isinstance(outcome, Accepted)
        assert outcome.is_whole
        assert sum(fill.quantity for fill in outcome.fills) == Decimal("0.01")
        assert (await client.balances())["BTC"].total == Decimal("0.51")

    run(work)


def test_limit_order_rests_until_the_price_crosses_and_a_hint_says_so() -> None:
    world = ExchangeWorld()

    async def work() -> None:
        client = world.client()
        limit = world.price() * Decimal("0.997") // CENT * CENT
        resting = order(1, "buy", "0.01", sent_ms=world.now_ms(), limit=limit)
        assert await client.create(BTC, resting) == Accepted("5000001")
        assert [row.filled for row in await client.open_orders(BTC)] == [0]
        hint = await client.next_hint(BTC)
        assert hint.client_order_ids == {resting.client_order_id}
        report = await client.query(BTC, resting)
        assert isinstance(report, OrderReport)
        assert (report.status, report.filled) == ("filled", Decimal("0.01"))
        assert [fill.price for fill in report.fills] == [limit]
        assert world.price() <= limit + 10

    run(work)


def test_resting_order_may_fill_in_part_and_later_the_rest() -> None:
    world = ExchangeWorld(Terms(partial=0.5), played={"exchange/partial#0": 1})

    async def work() -> None:
        client = world.client()
        limit = world.price() * Decimal("0.999") // CENT * CENT
        resting = order(1, "buy", "0.01", sent_ms=world.now_ms(), limit=limit)
        await client.create(BTC, resting)
        await client.next_hint(BTC)
        report = await client.query(BTC, resting)
        assert isinstance(report, OrderReport)
        assert (report.status, report.filled) == ("open", Decimal("0.005"))
        await client.next_hint(BTC)
        report = await client.query(BTC, resting)
        assert isinstance(report, OrderReport)
        assert (report.status, len(report.fills)) == ("filled", 2)

    run(work)


def test_market_order_may_be_filled_in_part_and_then_expire() -> None:
    world = ExchangeWorld(Terms(expired=0.5), played={"exchange/expired#0": 1})

    async def work() -> None:
        client = world.client()
        sent = order(1, "buy", "0.01", sent_ms=world.now_ms())
        outcome = await client.create(BTC, sent)
        assert isinstance(outcome, Accepted)
        assert not outcome.is_whole
        report = await client.query(BTC, sent)
        assert isinstance(report, OrderReport)
        assert (report.status, report.filled) == ("expired", Decimal("0.005"))
        assert (await client.balances())["USD"].locked == 0

    run(work)


def test_order_may_be_taken_off_by_the_exchange_itself() -> None:
    world = ExchangeWorld(Terms(forced_cancel=0.5), played={"exchange/forced_cancel#0": 1})

    async def work() -> None:
        client = world.client()
        far = world.price() * 2 // CENT * CENT
        resting = order(1, "sell", "0.01", sent_ms=world.now_ms(), limit=far)
        await client.create(BTC, resting)
        await client.next_hint(BTC)
        report = await client.query(BTC, resting)
        assert isinstance(report, OrderReport)
        assert (report.status, report.filled) == ("canceled", Decimal(0))

    run(work)


@pytest.mark.parametrize(
    ("asset", "side", "expected", "amount"),
    [
        ("quote", "buy", "USD", "0.49"),
        ("base", "buy", "BTC", "0.00001"),
        ("base", "sell", "USD", "0.49"),
        ("BNB", "buy", "BNB", "0.0016"),
    ],
)
def test_fee_is_taken_in_the_asset_of_the_terms(asset: str, side: str, expected: str, amount: str) -> None:
    world = ExchangeWorld(Terms(fee_asset=asset))  # type: ignore[arg-type]

    async def work() -> None:
        sent = order(1, side, "0.01", sent_ms=world.now_ms())  # type: ignore[arg-type]
        outcome = await world.client().create(BTC, sent)
        assert isinstance(outcome, Accepted)
        (fill,) = outcome.fills
        assert fill.fee_asset == expected
        assert abs(fill.fee - Decimal(amount)) <= fill.fee / 20
        assert abs(fill.fee_quote - fill.price * Decimal("0.00001")) < CENT / 10

    run(work)


@pytest.mark.parametrize(("free", "expected"), [("0.011", "BTC"), ("0.01", "USD")])
def test_fee_of_a_sale_is_taken_in_base_only_where_the_terms_say_so_and_so_much_is_free(
    free: str, expected: str
) -> None:
    world = ExchangeWorld(Terms(fee_asset="base", sale_fee_asset="base", wallet={"USD": "100000", "BTC": free}))

    async def work() -> None:
        client, sold = world.client(), order(1, "sell", "0.01", sent_ms=world.now_ms())
        await client.create(BTC, sold)
        (placed,) = world.exchange.matching.orders.values()
        (trade,) = placed.trades
        assert trade.fee_asset == expected
        held = Decimal(free) - Decimal("0.01") - (trade.fee if expected == "BTC" else 0)
        assert world.exchange.wallet.free("BTC") == held

    run(work)


@pytest.mark.parametrize(
    ("side", "quantity", "limit", "code"),
    [
        ("buy", "0.000015", None, "-1013"),
        ("buy", "0.00001", None, "-1013"),
        ("buy", "0.01", Decimal("40000.001"), "-1013"),
        ("buy", "5", None, "-2010"),
        ("sell", "0.6", None, "-2010"),
    ],
    ids=["step", "notional", "tick", "quote", "base"],
)
def test_order_against_the_rules_is_refused_with_proof(
    side: str, quantity: str, limit: Decimal | None, code: str
) -> None:
    world = ExchangeWorld()

    async def work() -> None:
        sent = order(1, side, quantity, sent_ms=world.now_ms(), limit=limit)  # type: ignore[arg-type]
        outcome = await world.client().create(BTC, sent)
        assert isinstance(outcome, Rejected)
        assert outcome.proof == code
        assert not world.history("order")

    run(work)


def test_rules_of_a_market_may_change_and_are_news_once_they_are_asked_for_again() -> None:
    played = {"exchange/rules_step#0": 1, "exchange/rules_step/begin#0": 60_000}
    world = ExchangeWorld(Terms(rules_step=0.5), played=played)

    async def work() -> None:
        client = world.client()
        before = await client.rules(BTC)
        await world.until(70)
        assert await client.rules(BTC) == before
        outcome = await client.create(BTC, order(1, "buy", "0.01001", sent_ms=world.now_ms()))
        assert isinstance(outcome, Rejected)
        assert outcome.proof == "-1013"
        after = await client.rules(BTC, refresh=True)
        assert (after.quantity_step, after.min_notional) == (before.quantity_step * 10, before.min_notional * 2)
        assert isinstance(await client.create(BTC, order(2, "buy", "0.0101", sent_ms=world.now_ms())), Accepted)
        await world.until(700)
        assert await client.rules(BTC, refresh=True) == before

    run(work)


@pytest.mark.parametrize(("ids_unique", "is_taken"), [("open", True), ("ever", False)])
def test_client_order_id_of_an_order_that_has_ended_may_be_free_again(ids_unique: str, is_taken: bool) -> None:
    world = ExchangeWorld(Terms(ids_unique=ids_unique))  # type: ignore[arg-type]

    async def work() -> None:
        client = world.client()
        sent = order(1, "buy", "0.01", sent_ms=world.now_ms())
        assert isinstance(await client.create(BTC, sent), Accepted)
        assert isinstance(await client.create(BTC, sent), Accepted if is_taken else Unknown)

    run(work)


def test_cancel_may_lose_the_race_against_a_fill() -> None:
    world = ExchangeWorld(Terms(cancel_race=0.5), played={"exchange/cancel_race#0": 1})

    async def work() -> None:
        client = world.client()
        _, report = await placed_and_cancelled(world, client)
        assert (report.status, report.filled, len(report.fills)) == ("filled", Decimal("0.01"), 1)

    run(work)


def test_late_fill_of_a_cancelled_order_shows_in_the_trades_alone() -> None:
    played = {"exchange/late_fill#0": 1, "exchange/late_fill/sort#0": 1}
    world = ExchangeWorld(Terms(late_fill=0.5), played=played)

    async def work() -> None:
        client = world.client()
        resting, report = await placed_and_cancelled(world, client)
        assert (report.status, report.filled, report.fills) == ("canceled", Decimal(0), ())
        await world.until(10)
        later = await client.query(BTC, resting)
        assert isinstance(later, OrderReport)
        assert later.filled == 0
        (trade,) = await client.trades(BTC, START_MS)
        (fill,) = await client.fills(BTC, [trade])
        assert (trade.exchange_order_id, fill.quantity) == (later.exchange_order_id, Decimal("0.005"))

    run(work)


def test_end_of_a_cancelled_order_may_count_a_fill_whose_trade_comes_later() -> None:
    world = ExchangeWorld(Terms(late_fill=0.5), played={"exchange/late_fill#0": 1})

    async def work() -> None:
        client = world.client()
        resting, report = await placed_and_cancelled(world, client)
        assert (report.status, report.filled, report.fills) == ("canceled", Decimal("0.005"), ())
        await world.until(10)
        later = await client.query(BTC, resting)
        assert isinstance(later, OrderReport)
        assert [fill.quantity for fill in later.fills] == [Decimal("0.005")]

    run(work)


def test_order_that_shows_up_late_is_unknown_until_then() -> None:
    world = ExchangeWorld(Terms(order_late=0.5), played={"exchange/order_late#0": 1, "exchange/order_late/wait#0": 3})

    async def work() -> None:
        client = world.client()
        far = order(1, "sell", "0.01", sent_ms=world.now_ms(), limit=world.price() * 2 // CENT * CENT)
        assert isinstance(await client.create(BTC, far), Accepted)
        assert await client.query(BTC, far) is None
        assert await client.open_orders(BTC) == ()
        await world.until(16)
        assert isinstance(await client.query(BTC, far), OrderReport)
        assert len(await client.open_orders(BTC)) == 1

    run(work)


def test_user_of_the_account_trades_and_moves_money_by_hand() -> None:
    played = {"exchange/foreign_order#0": 1, "exchange/foreign_transfer#0": 1, "exchange/foreign_transfer/what#0": 2}
    world = ExchangeWorld(Terms(foreign_order=0.5, foreign_transfer=0.5), played=played)

    async def work() -> None:
        client = world.client()
        await world.until(181)
        (trade,) = await client.trades(BTC, START_MS)
        assert await client.client_order_id_of(BTC, trade.exchange_order_id) == "web_000001"
        assert (await client.balances())["BTC"].total == Decimal("0.515")

    run(work)


def test_price_is_a_function_of_seed_and_time_whatever_was_asked_before() -> None:
    one, other = PricePath(0.25, 5_000_000), PricePath(0.25, 5_000_000)
    times = [START_MS + minute * 60_000 for minute in range(PATH_HOURS * 60)]
    forward = [one.at(ms) for ms in times]
    assert [other.at(ms) for ms in reversed(times)][::-1] == forward
    assert [PricePath(0.75, 5_000_000).at(ms) for ms in times] != forward
    assert 0.01 < (max(forward) - min(forward)) / 5_000_000 < 0.3


@pytest.mark.parametrize("down", [True, False])
def test_crossing_is_where_a_walk_along_the_path_would_find_it(down: bool) -> None:
    path = PricePath(0.5, 5_000_000)
    for minute in range(0, PATH_HOURS * 60, 7):
        from_ms = START_MS + minute * 60_000
        limit = path.at(from_ms) + (-20_000 if down else 20_000)
        found_ms, is_met = path.crossing(limit, from_ms, down=down)
        beyond = [ms for ms in range(from_ms, found_ms + 1, STEP_MS) if _is_beyond(path.at(ms), limit, down=down)]
        assert beyond == ([found_ms] if is_met else [])


def _is_beyond(price: int, limit: int, *, down: bool) -> bool:
    return price <= limit if down else price >= limit


@pytest.mark.parametrize("timeframe", ["1m", "5m", "1h"])
def test_candles_hold_the_prices_of_their_time_and_are_closed(timeframe: str) -> None:
    world = ExchangeWorld()
    length_ms = TIMEFRAMES_MS[timeframe]

    async def work() -> None:
        client = world.client()
        await world.until(1_000)
        candles = await client.candles(BTC, timeframe, START_MS - 1_200 * length_ms, world.now_ms())
        assert [candle.open_ms for candle in candles] == list(
            range(START_MS - 1_200 * length_ms, world.now_ms() // length_ms * length_ms, length_ms)
        )
        path = world.exchange.markets[BTC].path
        for candle in candles[-50:]:
            assert candle.open == path.at(candle.open_ms) * CENT
            assert candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high

    run(work)
