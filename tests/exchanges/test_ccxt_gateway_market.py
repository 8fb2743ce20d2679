"""What a real exchange says of its markets: rules, time, candles, and where the requests may go at all."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from engine.core.errors import ConfigError, CredentialsError, UnreachableError
from engine.exchanges.addresses import leaves
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.port import Accepted
from engine.exchanges.readings import candle_of, exact_number, order_of, rules_of
from tests.exchange_server.faults import Fault
from tests.exchange_server.harness import quiet_script
from tests.exchange_server.script import MarketScript, Script, Waves
from tests.exchange_server.server import running
from tests.exchanges.gateway_harness import MODES, SYMBOL, LocalVenue, Mode, client, keyless, now_ms
from tests.exchanges.gateway_harness import order_of as order_of_account

D = Decimal
MINUTE_MS = 60_000
both_ways = pytest.mark.parametrize("mode", MODES)


@both_ways
def test_rules_are_those_of_the_market_in_exact_numbers(mode: Mode) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, keyless(server, mode) as link:
            rules = await link.rules(SYMBOL)
            assert (rules.symbol, rules.base, rules.quote) == ("BTC/USD", "BTC", "USD")
            assert [str(n) for n in (rules.price_tick, rules.quantity_step, rules.min_notional)] == [
                "0.01",
                "0.00001",
                "10",
            ]
            assert (rules.min_quantity, rules.max_quantity) == (D("0.00001"), D(9000))
            assert (rules.price_factor_up, rules.price_factor_down) == (D(5), D("0.2"))
            assert rules.order_types == ("limit", "limit_maker", "market")
            assert (rules.maker_percent, rules.taker_percent) == (D("0.1"), D("0.1"))
            assert link.calls["load_markets"] == 1
            await asyncio.gather(*(link.rules(SYMBOL) for _ in range(3)))
            assert link.calls["load_markets"] == 1
            await link.rules(SYMBOL, refresh=True)
            assert link.calls["load_markets"] == 2

    asyncio.run(scenario())


def test_order_does_not_wait_while_the_markets_are_loaded_again() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            await link.time_ms()
            await link.rules(SYMBOL)
            server.exchange.faults.add(Fault("late", on="GET /api/v3/exchangeInfo", answer_delay_ms=3_000))
            loading = asyncio.ensure_future(link.rules(SYMBOL, refresh=True))
            await asyncio.sleep(0.1)
            async with asyncio.timeout(2):
                assert isinstance(await account.create(SYMBOL, order_of_account()), Accepted)
            assert not loading.done()
            await loading

    asyncio.run(scenario())


def test_exchange_that_does_not_tell_its_time_is_asked_for_a_price_instead() -> None:
    async def scenario() -> None:
        async with running(quiet_script(skew_ms=5_000)) as server, client(server) as (link, _):
            link.ccxt.has["fetchTime"] = False
            assert not link.tells_time
            assert abs(await link.time_ms() - now_ms()) < 1_000
            assert link.offset_ms == 0
            assert link.calls == {"load_markets": 1, "fetch_ticker": 1}
        with pytest.raises(UnreachableError):
            await link.time_ms()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("symbol", "words"),
    [("BTC/USDC", "BTC/USD"), ("BTCUSD", "BTC/USD"), ("DOGE/EUR", "no such market; it has 3 others, such as BTC/USD")],
)
def test_unknown_symbol_is_refused_with_near_ones(symbol: str, words: str) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, _):
            with pytest.raises(ConfigError, match=words) as caught:
                await link.rules(symbol)
            assert not isinstance(caught.value, CredentialsError)

    asyncio.run(scenario())


def test_market_that_does_not_trade_now_is_refused() -> None:
    async def scenario() -> None:
        async with running(quiet_script(market={"status": "BREAK"})) as server, client(server) as (link, _):
            with pytest.raises(ConfigError, match="does not trade it now"):
                await link.rules(SYMBOL)
            assert (await link.rules("BNB/USD")).quantity_step == D("0.001")

    asyncio.run(scenario())


@pytest.mark.parametrize("missing", ["price", "amount"])
def test_market_without_tick_or_step_is_refused(missing: str) -> None:
    precision = {"price": "0.01", "amount": "0.001", missing: None}
    with pytest.raises(ConfigError, match="tells no price tick or quantity step"):
        rules_of({"symbol": SYMBOL, "base": "BTC", "quote": "USD", "precision": precision})


def test_answer_that_lists_no_markets_is_no_reason_to_doubt_the_symbol() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, _):
            server.exchange.faults.add(Fault("cut", on="GET /api/v3/exchangeInfo"))
            with pytest.raises(UnreachableError):
                await link.rules(SYMBOL)
            markets = server.exchange.markets
            server.exchange.markets = {}
            with pytest.raises(UnreachableError):
                await link.rules(SYMBOL)
            server.exchange.markets = markets
            await link.rules(SYMBOL)

    asyncio.run(scenario())


@both_ways
def test_candles_are_closed_ones_in_pages_and_exact(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.exchanges.ccxt_gateway.CANDLES_A_PAGE", 100)

    async def scenario() -> None:
        script = Script(markets=(MarketScript("BTC", "USD", Waves(D(50_000))),))
        async with running(script) as server, keyless(server, mode) as link:
            server.exchange.clock.skew_ms = MINUTE_MS // 2 - now_ms() % MINUTE_MS  # a minute's last candle is settled
            until_ms = await link.time_ms()
            current_ms = until_ms // MINUTE_MS * MINUTE_MS
            since_ms = current_ms - 250 * MINUTE_MS
            candles = await link.candles(SYMBOL, "1m", since_ms, until_ms)
            assert [candle.open_ms for candle in candles] == [since_ms + n * MINUTE_MS for n in range(250)]
            assert link.calls["fetch_ohlcv"] == 3
            assert all(isinstance(value, Decimal) for value in (candles[0].open, candles[0].volume))
            assert all(candle.low <= candle.close <= candle.high for candle in candles)
            assert await link.candles(SYMBOL, "1m", current_ms, until_ms) == []
            (hour, *_) = await link.candles(SYMBOL, "1h", until_ms - 3 * 3_600_000, until_ms)
            assert hour.open_ms % 3_600_000 == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("ahead_ms", [900, -900, 0])
def test_candle_is_closed_by_the_clock_of_the_exchange_and_not_by_ours(ahead_ms: int) -> None:
    """A candle that is taken a moment too early would stay unfinished for ever."""
    until_ms = 1_700_000_040_000
    at_ms = until_ms + MINUTE_MS // 2

    async def scenario() -> None:
        script = quiet_script(start_ms=at_ms, manual_clock=True)
        async with running(script) as server, keyless(server, clock_ms=lambda: at_ms + ahead_ms) as link:
            for late_ms, newest in ((-900, 2), (300, 2), (1_500, 1)):
                server.exchange.clock.skew_ms = until_ms + late_ms - at_ms
                await link.time_ms()
                found = await link.candles(SYMBOL, "1m", until_ms - 3 * MINUTE_MS, until_ms)
                assert found[-1].open_ms == until_ms - newest * MINUTE_MS, late_ms

    asyncio.run(scenario())


def test_time_told_by_the_exchange_corrects_the_clock() -> None:
    async def scenario() -> None:
        async with running(quiet_script(skew_ms=90_000)) as server, client(server) as (link, _):
            assert link.exchange_ms() - now_ms() < 1_000
            told = await link.time_ms()
            assert abs(told - now_ms() - 90_000) < 1_000
            assert abs(link.exchange_ms() - told) < 1_000

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://192.0.2.1:8600",
        "https://api.binance.us",
        "http://127.0.0.1.example.com:8600",
        "http://127.0.0.1",
        "http://127.0.0.1:8600@192.0.2.1:80",
        "http://user@127.0.0.1:8600",
        "http://127.0.0.1:8600/api",
        "127.0.0.1:8600",
        "http://[::1",
        "",
    ],
)
def test_endpoint_beyond_this_machine_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="keys would travel there"):
        CcxtConnection(LocalVenue(id="binanceus"), clock_ms=now_ms, endpoint=endpoint)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:8600", "http://localhost:8600/", "http://[::1]:8600"])
@pytest.mark.parametrize("venue", ["binanceus", "kraken", "coinbase"])
def test_endpoint_on_this_machine_takes_every_address(endpoint: str, venue: str) -> None:
    async def scenario() -> None:
        link = CcxtConnection(LocalVenue(id=venue), clock_ms=now_ms, endpoint=endpoint)
        found = leaves(link.ccxt.urls["api"])
        assert found
        assert {leaf.partition("://")[2].partition("/")[0] for leaf in found} == {endpoint[7:].rstrip("/")}
        assert {leaf.partition("://")[0] for leaf in found} <= {"http", "ws"}
        await link.close()

    asyncio.run(scenario())


def test_closed_connection_asks_nothing_any_more() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            await link.rules(SYMBOL)
            await link.close()
            asked = sum(server.exchange.ledger.calls.values())
            for call in (link.time_ms(), link.ticker(SYMBOL), link.next_ticker(SYMBOL), account.balances()):
                with pytest.raises(UnreachableError):
                    await call
            assert sum(server.exchange.ledger.calls.values()) == asked

    asyncio.run(scenario())


# --- readings of rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ("50000.00", "50000"),
        ("0.00000000", "0"),
        ("1e-8", "1E-8"),
        (7, "7"),
        ("0." + "0" * 30, "0"),
        ("0.1" + "0" * 30, "0.1"),
        ("0." + "0" * 18 + "1", None),
        ("1e16", None),
        ("NaN", None),
        ("Infinity", None),
        ("1e999999999", None),
        ("9" * 80, None),
        (True, None),
        (1.5, None),
        (None, None),
        ("", None),
        ("<html>", None),
    ],
)
def test_number_is_exact_and_bounded_or_none(told: Any, number: str | None) -> None:
    found = exact_number(told)
    assert (None if found is None else str(found)) == number


@pytest.mark.parametrize(
    ("changes", "standing"),
    [
        ({"status": "open"}, "open"),
        ({"status": "canceling"}, "open"),
        ({"status": "PENDING_NEW"}, "open"),
        ({"status": "closed", "filled": "1"}, "filled"),
        ({"status": "closed", "filled": "0.4"}, "canceled"),
        ({"status": "rejected"}, "canceled"),
        ({"status": "canceled", "filled": "0.4", "cost": "-1", "average": "-500"}, "canceled"),
        ({"status": "expired"}, "expired"),
        ({"status": None}, None),
        ({"status": "sleeping"}, None),
        ({"status": "open", "filled": None}, None),
        ({"status": "open", "filled": "1.1"}, None),
        ({"status": "open", "filled": "-1"}, None),
        ({"status": "open", "id": None}, None),
    ],
)
def test_order_stands_as_the_exchange_says_or_makes_no_sense(changes: dict[str, Any], standing: str | None) -> None:
    row = {"id": "7", "clientOrderId": "k", "filled": "0", "amount": "1", **changes}
    if standing is None:
        with pytest.raises(UnreachableError):
            order_of(row)
    else:
        assert order_of(row).status == standing


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([60_000, "2", "1", "1", "1", "1"], "impossible candle at 60000"),
        ([60_000, "1", "1", "1", "1", "-1"], "impossible candle"),
        ([60_000, "1", "1", "0", "1", "1"], "impossible candle"),
        ([60_000, "1", "1", "1", None, "1"], "without time or numbers"),
        ([60_000, "1", "1", "1", "1"], "without time or numbers"),
        (["x", "1", "1", "1", "1", "1"], "without time or numbers"),
        ([60_000, 1.0, 1.0, 1.0, 1.0, 1.0], "without time or numbers"),
    ],
)
def test_impossible_candle_makes_no_sense(row: list[Any], words: str) -> None:
    with pytest.raises(UnreachableError, match=words):
        candle_of(row)
