"""What an account says of orders, trades and itself, also when answers come late, twice, not at all or from a page."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.errors import CredentialsError, EngineError, RateLimitedError, UnreachableError
from engine.core.events import Balance
from engine.exchanges.ccxt_account import CcxtAccount
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.credentials import Credentials, Secret
from engine.exchanges.port import Accepted, OrderReport, Unknown
from engine.exchanges.venues import Pages
from tests.exchange_server.faults import Fault
from tests.exchange_server.harness import eventually, quiet_script
from tests.exchange_server.script import AccountScript, Visibility
from tests.exchange_server.server import Server, running
from tests.exchanges.gateway_harness import (
    CANARY_KEY,
    CANARY_SECRET,
    MODES,
    SYMBOL,
    LocalVenue,
    Mode,
    client,
    impatient,
    now_ms,
    order_of,
    placed,
)

D = Decimal
both_ways = pytest.mark.parametrize("mode", MODES)
Read = Callable[[CcxtConnection, CcxtAccount], Awaitable[Any]]
READS: dict[str, tuple[str, Read]] = {
    "rules": ("GET /api/v3/exchangeInfo", lambda link, _: link.rules(SYMBOL, refresh=True)),
    "time": ("GET /api/v3/time", lambda link, _: link.time_ms()),
    "ticker": ("GET /api/v3/ticker/24hr", lambda link, _: link.ticker(SYMBOL)),
    "candles": ("GET /api/v3/klines", lambda link, _: link.candles(SYMBOL, "1m", now_ms() - 600_000, now_ms())),
    "balances": ("GET /api/v3/account", lambda _, account: account.balances()),
    "identify": ("GET /api/v3/account", lambda _, account: account.identify()),
    "open-orders": ("GET /api/v3/openOrders", lambda _, account: account.open_orders(SYMBOL)),
    "trades": ("GET /api/v3/myTrades", lambda _, account: account.trades(SYMBOL, 0)),
    "placed-order": ("GET /api/v3/order", lambda _, account: account.placed_order(SYMBOL, "5000000")),
    "client-order-id": ("GET /api/v3/order", lambda _, account: account.client_order_id_of(SYMBOL, "5000000")),
}
FAULTS = {
    "drop": Fault("drop", times=None),
    "hang": Fault("hang", times=None),
    "cut": Fault("cut", times=None),
    "empty": Fault("empty", times=None),
    "html": Fault("html", times=None),
    "500": Fault("status", status=500, times=None),
    "403": Fault("status", status=403, times=None),
    "code-1007": Fault("error", times=None),
}


def report_of(answer: object) -> OrderReport:
    """Take an answer for a report."""
    assert isinstance(answer, OrderReport), answer
    return answer


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("kind", FAULTS)
def test_read_that_gets_no_sensible_answer_raises_and_works_again_afterwards(name: str, kind: str) -> None:
    path, read = READS[name]

    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            await account.create(SYMBOL, order_of())
            server.exchange.faults.add(replace(FAULTS[kind], on=path))
            with impatient(link), pytest.raises(UnreachableError) as caught:
                await read(link, account)
            assert not isinstance(caught.value, RateLimitedError)
            assert "signature" not in str(caught.value)
            server.exchange.faults.clear()
            await read(link, account)

    asyncio.run(scenario())


def test_faults_hold_neither_secrets_nor_addresses() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            await link.time_ms()
            await link.rules(SYMBOL)
            texts: list[str] = []
            for fault in FAULTS.values():
                changed = {name: getattr(fault, name) for name in ("kind", "status", "code", "times")}
                server.exchange.faults.add(Fault(on="*", message=f"{CANARY_KEY} {CANARY_SECRET}", **changed))
                with impatient(link):
                    answers = await account.create(SYMBOL, order_of()), await account.query(SYMBOL, order_of())
                    with pytest.raises(EngineError) as caught:
                        await account.balances()
                texts += map(repr, answers)
                texts.append(str(caught.value))
                assert caught.value.__cause__ is None
                assert caught.value.__context__ is None, "a traceback would show the address with its signature"
                server.exchange.faults.clear()
            text = " ".join([*texts, repr(link), repr(account), str(vars(account))])
        assert len(texts) == 3 * len(FAULTS)
        for canary in (CANARY_KEY, CANARY_SECRET, "signature=", "http://", "timestamp="):
            assert canary not in text, text

    asyncio.run(scenario())


@both_ways
def test_key_revoked_after_a_success_is_told_from_a_rate_limit(mode: Mode) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server, mode) as (link, account):
            await account.balances()
            server.exchange.accounts["trader"].revoked = True
            with pytest.raises(CredentialsError):
                await account.balances()
            assert not link.blocked_until_ms
            await link.ticker(SYMBOL)

    asyncio.run(scenario())


@pytest.mark.parametrize("keys", [("unknown", CANARY_SECRET), (CANARY_KEY, "wrong"), ("bad-key!", CANARY_SECRET)])
def test_wrong_keys_are_named_as_such(keys: tuple[str, str]) -> None:
    async def scenario() -> None:
        credentials = Credentials(Secret(keys[0]), Secret(keys[1]))
        async with running(quiet_script()) as server, client(server, credentials=credentials) as (_, account):
            with pytest.raises(CredentialsError) as caught:
                await account.balances()
            assert keys[0] not in str(caught.value)

    asyncio.run(scenario())


@both_ways
def test_clock_that_jumps_is_measured_again_once(mode: Mode) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server, mode) as (link, account):
            await account.balances()
            server.exchange.clock.skew_ms = 60_000
            await account.balances()
            assert link.calls["fetch_time"] == 2
            assert link.calls["fetch_balance"] == 3
            server.exchange.faults.add(Fault("error", on="GET /api/v3/account", code=-1021, status=400, times=None))
            with pytest.raises(UnreachableError):
                await account.balances()
            assert link.calls["fetch_balance"] == 5

    asyncio.run(scenario())


# --- looking up ------------------------------------------------------------------------------------------------------


@both_ways
def test_order_that_shows_up_late_is_absent_at_first_and_then_found(mode: Mode) -> None:
    async def scenario() -> None:
        script = quiet_script(visibility=Visibility(orders_late_ms=60_000, trades_late_ms=60_000))
        async with running(script) as server, client(server, mode) as (_, account):
            order = order_of()
            await account.create(SYMBOL, order)
            assert await account.query(SYMBOL, order) is None
            server.exchange.visibility = Visibility(trades_late_ms=60_000)
            report = report_of(await account.query(SYMBOL, order))
            assert (report.status, report.filled, report.fills) == ("filled", D("0.001"), ())
            server.exchange.visibility = Visibility()
            report = report_of(await account.query(SYMBOL, order))
            assert sum(fill.quantity for fill in report.fills) == report.filled == D("0.001")

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", FAULTS)
def test_look_up_that_fails_is_unknown_and_never_absent(kind: str) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            order = order_of()
            await account.create(SYMBOL, order)
            server.exchange.faults.add(replace(FAULTS[kind], on="GET /api/v3/order"))
            with impatient(link):
                assert isinstance(await account.query(SYMBOL, order), Unknown)

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", FAULTS)
def test_order_that_is_found_is_known_although_its_trades_cannot_be_listed(kind: str) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            order = order_of()
            accepted = await account.create(SYMBOL, order)
            assert isinstance(accepted, Accepted)
            server.exchange.faults.add(replace(FAULTS[kind], on="GET /api/v3/myTrades"))
            with impatient(link, timeout_ms=2_000):  # the look at the order itself must be answered
                report = report_of(await account.query(SYMBOL, order))
            assert (report.status, report.filled, report.fills) == ("filled", D("0.001"), ())
            assert report.exchange_order_id == accepted.exchange_order_id
            assert report.missing
            server.exchange.faults.clear()
            assert report_of(await account.query(SYMBOL, order)).missing is None

    asyncio.run(scenario())


def test_partial_fills_are_reported_trade_by_trade() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            order = order_of(limit="40000")
            await account.create(SYMBOL, order)
            (record,) = server.exchange.matching.records.values()
            server.exchange.matching.fill(record, D(40_000), D("0.0004"))
            report = report_of(await account.query(SYMBOL, order))
            assert (report.status, report.filled) == ("open", D("0.0004"))
            assert [(fill.quantity, fill.liquidity) for fill in report.fills] == [(D("0.0004"), "maker")]
            asked = link.calls["fetch_my_trades"]
            known = order_of(limit="40000", filled=D("0.0004"))
            assert report_of(await account.query(SYMBOL, known)).fills == ()
            assert link.calls["fetch_my_trades"] == asked, "nothing new, nothing to ask"
            server.exchange.matching.fill(record, D(40_000), D("0.0006"))
            report = report_of(await account.query(SYMBOL, order))
            assert (report.status, [fill.quantity for fill in report.fills]) == ("filled", [D("0.0004"), D("0.0006")])
            server.exchange.faults.add(Fault("repeat_rows", on="GET /api/v3/myTrades"))
            assert report_of(await account.query(SYMBOL, order)) == report
            server.exchange.faults.add(Fault("shuffle_rows", on="GET /api/v3/myTrades"))
            assert report_of(await account.query(SYMBOL, order)) == report

    asyncio.run(scenario())


# --- cancelling ------------------------------------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize("when", ["before", "after"])
def test_cancellation_whose_answer_is_lost_ends_in_how_the_order_stands(mode: Mode, when: Any) -> None:
    """The HTTP client repeats a DELETE by itself, so that a success comes back as a refusal."""

    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server, mode) as (_, account):
            order = order_of(limit="40000")
            await account.create(SYMBOL, order)
            server.exchange.faults.add(Fault("drop", on="DELETE *", when=when, times=1 if when == "after" else None))
            report = report_of(await account.cancel(SYMBOL, order))
            assert report.status == ("canceled" if when == "after" else "open")
            assert report.filled == 0

    asyncio.run(scenario())


def test_cancellation_that_comes_after_the_fill_reports_the_fill() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (_, account):
            order = order_of(limit="40000")
            await account.create(SYMBOL, order)
            (record,) = server.exchange.matching.records.values()
            server.exchange.matching.fill(record, D(40_000), D("0.001"))
            report = report_of(await account.cancel(SYMBOL, order))
            assert (report.status, len(report.fills)) == ("filled", 1)

    asyncio.run(scenario())


def test_cancellation_of_a_partly_filled_order_keeps_what_was_filled() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (_, account):
            order = order_of(limit="40000")
            await account.create(SYMBOL, order)
            (record,) = server.exchange.matching.records.values()
            server.exchange.matching.fill(record, D(40_000), D("0.0004"))
            report = report_of(await account.cancel(SYMBOL, order))
            assert (report.status, report.filled, len(report.fills)) == ("canceled", D("0.0004"), 1)
            assert await account.cancel(SYMBOL, order_of("knever")) is None

    asyncio.run(scenario())


# --- the account -----------------------------------------------------------------------------------------------------


def test_account_tells_what_it_holds_and_what_is_open_and_who_ordered_it() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (_, account):
            accepted = await account.create(SYMBOL, order_of("kours", limit="40000"))
            assert isinstance(accepted, Accepted)
            held = await account.balances()
            assert held["USD"] == Balance(D(99_960), D(40))
            assert held["BTC"] == Balance(D(1))
            (order,) = await account.open_orders(SYMBOL)
            assert (order.client_order_id, order.filled) == ("kours", D(0))
            assert order.exchange_order_id == accepted.exchange_order_id
            assert await account.client_order_id_of(SYMBOL, accepted.exchange_order_id) == "kours"
            assert await account.client_order_id_of(SYMBOL, "1") is None
            placed = await account.placed_order(SYMBOL, accepted.exchange_order_id)
            assert placed is not None
            assert (placed.client_order_id, placed.exchange_order_id) == ("kours", accepted.exchange_order_id)
            assert (placed.side, placed.kind) == ("buy", "limit")
            assert (placed.quantity, placed.limit_price) == (D("0.001"), D(40_000))
            assert placed.placed_ms is not None
            assert abs(now_ms() - placed.placed_ms) < 5_000
            assert await account.placed_order(SYMBOL, "1") is None
            assert await account.open_orders("BTC/USDT") == ()

    asyncio.run(scenario())


def test_trades_of_many_pages_come_once_and_in_order() -> None:
    venue = LocalVenue(id="binanceus", pages=Pages("next id", "fromId", 3, order="orderId", is_exact=True))

    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server, venue=venue) as (link, account):
            since_ms = now_ms() - 1_000
            for number in range(8):
                await account.create(SYMBOL, order_of(f"k{number}"))
            trades = await account.trades(SYMBOL, since_ms)
            truth = [str(trade.trade_id) for trade in server.exchange.matching.trades]
            assert [trade.trade_id for trade in trades] == truth
            assert [fill.trade_id for fill in await account.fills(SYMBOL, trades[2:4])] == truth[2:4]
            assert link.calls["fetch_my_trades"] == 3
            assert [trade.exchange_order_id for trade in trades] == [str(5_000_000 + number) for number in range(8)]

    asyncio.run(scenario())


def test_identity_is_the_accounts_own_and_never_shows_it() -> None:
    async def scenario() -> None:
        accounts = tuple(AccountScript(name=name, api_key=name, secret=name) for name in ("first", "second"))
        async with running(quiet_script().__class__(accounts=accounts)) as server:
            found = []
            for name in ("first", "second", "second"):
                keys = Credentials(Secret(name), Secret(name))
                async with client(server, credentials=keys) as (_, account):
                    found.append(await account.identify())
        assert {one.basis for one in found} == {"account"}
        assert [one.may_trade for one in found] == [True] * 3
        assert found[0].fingerprint != found[1].fingerprint == found[2].fingerprint
        assert "1000" not in found[0].fingerprint

    asyncio.run(scenario())


@pytest.mark.parametrize(("venue", "may_withdraw"), [("binanceus", None), ("binance", True)])
def test_right_to_withdraw_is_told_where_the_exchange_tells_it(venue: str, may_withdraw: bool | None) -> None:
    async def scenario() -> None:
        script = quiet_script(account={"may_withdraw": True})
        async with running(script) as server, client(server, venue=venue) as (_, account):
            assert (await account.identify()).may_withdraw is may_withdraw

    asyncio.run(scenario())


def test_orders_under_way_are_given_a_moment_when_the_connection_closes() -> None:
    async def scenario(server: Server) -> None:
        async with client(server) as (link, account):
            await link.time_ms()
            await link.rules(SYMBOL)
            server.exchange.faults.add(Fault("late", answer_delay_ms=100))
            creating = asyncio.ensure_future(account.create(SYMBOL, order_of()))
            await eventually(lambda: placed(server) == 1)
        assert isinstance(await creating, Accepted)

    async def both() -> None:
        async with running(quiet_script()) as server:
            await scenario(server)

    asyncio.run(both())
