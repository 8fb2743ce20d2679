"""Each fault of an order's request ends in ccxt as it does with the real exchange, and the ledger knows the truth."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.exchange_server.faults import Fault
from tests.exchange_server.harness import MODES, Mode, ccxt_client, eventually, placed, quiet_script, refused
from tests.exchange_server.script import Visibility
from tests.exchange_server.server import running

both_ways = pytest.mark.parametrize("mode", MODES)
HANG_MS = 300


async def buy(exchange: Any) -> Any:
    return await exchange.create_order("BTC/USD", "market", "buy", "0.001", None, {"clientOrderId": "kfault"})


@both_ways
@pytest.mark.parametrize(
    ("fault", "is_placed", "error"),
    [
        pytest.param(Fault("drop", when="before"), 0, "ExchangeNotAvailable", id="dropped-before-matching"),
        pytest.param(Fault("drop"), 1, "ExchangeNotAvailable", id="dropped-after-matching"),
        pytest.param(Fault("hang", when="before"), 0, "RequestTimeout", id="hung-before-matching"),
        pytest.param(Fault("hang"), 1, "RequestTimeout", id="hung-after-matching"),
        pytest.param(Fault("late", answer_delay_ms=2 * HANG_MS), 1, "RequestTimeout", id="answered-too-late"),
        pytest.param(Fault("cut"), 1, "ExchangeError", id="cut-body"),
        pytest.param(Fault("status", status=500), 1, "ExchangeNotAvailable", id="status-500"),
        pytest.param(Fault("status", status=502), 1, "ExchangeNotAvailable", id="status-502"),
        pytest.param(Fault("status", status=503, when="before"), 0, "ExchangeNotAvailable", id="status-503"),
        pytest.param(Fault("status", status=403, when="before"), 0, "ExchangeNotAvailable", id="firewall-403"),
        pytest.param(Fault("status", status=504), 1, "RequestTimeout", id="status-504"),
        pytest.param(Fault("error", code=-1006), 1, "OperationFailed", id="code-1006-unknown"),
        pytest.param(Fault("error", code=-1007), 1, "RequestTimeout", id="code-1007-unknown"),
        pytest.param(Fault("rate_limit"), 0, "DDoSProtection", id="status-429"),
        pytest.param(Fault("ban"), 0, "DDoSProtection", id="status-418"),
    ],
)
def test_order_struck_by_a_fault_raises_what_ccxt_makes_of_it(
    mode: Mode, fault: Fault, is_placed: int, error: str
) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode) as exchange:
            await exchange.load_markets()
            exchange.timeout = HANG_MS if fault.kind in {"hang", "late"} else 5_000
            server.exchange.faults.add(fault)
            with refused(error):
                await buy(exchange)
            await eventually(lambda: server.exchange.ledger.requests[-1].fault is not None)
            await eventually(lambda: placed(server) == is_placed)
            note = server.exchange.ledger.requests[-1]
            assert (note.fault, note.carried_out_ms is not None) == (fault.kind, bool(is_placed))

    asyncio.run(scenario())


@both_ways
@pytest.mark.parametrize("kind", ["empty", "html"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_answer_without_sense_is_taken_by_ccxt_for_an_order_without_id(mode: Mode, kind: Any, when: Any) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode) as exchange:
            await exchange.load_markets()
            server.exchange.faults.add(Fault(kind, when=when))
            order = await buy(exchange)
            assert (order["id"], order["status"], order["clientOrderId"]) == (None, None, None)
            assert placed(server) == (when == "after")

    asyncio.run(scenario())


@pytest.mark.parametrize(("mode", "error"), [("plain", "ExchangeError"), ("real-names", "OperationFailed")])
def test_overload_error_depends_on_the_address_in_ccxt(mode: Mode, error: str) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode) as exchange:
            await exchange.load_markets()
            server.exchange.faults.add(Fault("error", code=-1008, status=503, when="before"))
            with refused(error):
                await buy(exchange)
            assert placed(server) == 0

    asyncio.run(scenario())


@both_ways
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"quantity": "0.0000101"}, "InvalidOrder", id="lot-size"),
        pytest.param({"price": "45000.001"}, "InvalidOrder", id="price-filter"),
        pytest.param({"quantity": "0.00001"}, "BadRequest", id="notional"),
        pytest.param({"price": "1"}, "InvalidOrder", id="percent-price"),
        pytest.param({"quantity": "3"}, "InsufficientFunds", id="balance"),
        pytest.param({"symbol": "BTCEUR"}, "BadSymbol", id="unknown-symbol"),
        pytest.param({"type": "LIMIT_MAKER", "price": "50001"}, "OrderImmediatelyFillable", id="maker-would-take"),
        pytest.param({"newClientOrderId": "kopen"}, "InvalidOrder", id="id-of-an-open-order"),
        pytest.param({"newClientOrderId": "no blanks"}, "BadRequest", id="id-with-a-blank"),
        pytest.param({"timestamp": 1_000}, "InvalidNonce", id="old-timestamp"),
        pytest.param({"timestamp": 9_999_999_999_999}, "InvalidNonce", id="timestamp-ahead"),
    ],
)
def test_order_that_the_exchange_refuses_raises_the_matching_error(
    mode: Mode, changes: dict[str, Any], error: str
) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode) as exchange:
            await exchange.load_markets()
            good = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "45000"}
            await exchange.private_post_order({**good, "timeInForce": "GTC", "newClientOrderId": "kopen"})
            bad = {**good, **changes}
            if bad["type"] == "LIMIT":
                bad["timeInForce"] = "GTC"
            with refused(error):
                await exchange.private_post_order(bad)
            assert placed(server) == 1

    asyncio.run(scenario())


@both_ways
@pytest.mark.parametrize(
    ("credentials", "error"),
    [
        pytest.param({"secret": "wrong"}, "AuthenticationError", id="wrong-secret"),
        pytest.param({"apiKey": "bad-key!"}, "AuthenticationError", id="key-of-no-format"),
        pytest.param({"apiKey": "unknown"}, "AuthenticationError", id="unknown-key"),
    ],
)
def test_wrong_credentials_raise_authentication_errors(mode: Mode, credentials: dict[str, Any], error: str) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode, **credentials) as exchange:
            await exchange.load_markets()
            with refused(error):
                await exchange.fetch_balance()

    asyncio.run(scenario())


@both_ways
def test_key_revoked_after_a_success_looks_like_a_rate_limit_to_ccxt(mode: Mode) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode) as exchange:
            await exchange.load_markets()
            await exchange.fetch_balance()
            server.exchange.accounts["trader"].revoked = True
            with refused("DDoSProtection"):
                await exchange.fetch_balance()

    asyncio.run(scenario())


@both_ways
def test_skewed_clock_refuses_orders_until_ccxt_corrects_for_it(mode: Mode) -> None:
    async def scenario() -> None:
        async with running(quiet_script(skew_ms=60_000)) as server, ccxt_client(server, mode) as exchange:
            await exchange.load_markets()
            with refused("InvalidNonce"):
                await buy(exchange)
            assert placed(server) == 0
            await exchange.load_time_difference()
            await buy(exchange)
            assert placed(server) == 1

    asyncio.run(scenario())


@both_ways
@pytest.mark.parametrize(("window_ms", "is_placed"), [(5_000, 0), (60_000, 1)], ids=["window-over", "window-open"])
def test_order_delivered_after_the_client_gave_up_counts_only_within_its_window(
    mode: Mode, window_ms: int, is_placed: int
) -> None:
    """The window is looked at when the request is matched, which happens although nobody waits any more."""

    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode) as exchange:
            exchange.options["recvWindow"] = window_ms
            await exchange.load_markets()
            exchange.timeout = 500
            server.exchange.faults.add(Fault("late", delay_ms=30_000))
            with refused("RequestTimeout"):
                await buy(exchange)
            server.exchange.clock.advance(30_000)
            (note,) = (each for each in server.exchange.ledger.requests if each.method == "POST")
            await eventually(lambda: note.carried_out_ms is not None)
            assert placed(server) == is_placed
            assert note.code == (None if is_placed else -1021)
            assert note.answered_ms is None

    asyncio.run(scenario())


@both_ways
def test_order_that_shows_up_late_is_not_found_at_first(mode: Mode) -> None:
    async def scenario() -> None:
        script = quiet_script(visibility=Visibility(orders_late_ms=60_000, trades_late_ms=60_000))
        async with running(script) as server, ccxt_client(server, mode) as exchange:
            await exchange.load_markets()
            await buy(exchange)
            named = {"clientOrderId": "kfault"}
            with refused("OrderNotFound"):
                await exchange.fetch_order(None, "BTC/USD", named)
            assert await exchange.fetch_my_trades("BTC/USD") == []
            server.exchange.visibility = Visibility()
            assert (await exchange.fetch_order(None, "BTC/USD", named))["status"] == "closed"
            assert len(await exchange.fetch_my_trades("BTC/USD")) == 1

    asyncio.run(scenario())


@both_ways
def test_cancellation_whose_answer_is_lost_is_sent_again_below_ccxt(mode: Mode) -> None:
    """The HTTP client repeats a DELETE on a kept connection by itself, so that a success comes back as a refusal."""

    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode) as exchange:
            await exchange.load_markets()
            order = await exchange.create_order("BTC/USD", "limit", "buy", "0.001", "40000")
            server.exchange.faults.add(Fault("drop", on="DELETE *"))
            with refused("OrderNotFound"):
                await exchange.cancel_order(order["id"], "BTC/USD")
            assert server.exchange.ledger.calls["DELETE /api/v3/order"] == 2
            assert (await exchange.fetch_order(order["id"], "BTC/USD"))["status"] == "canceled"

    asyncio.run(scenario())


@both_ways
def test_retries_of_ccxt_itself_place_an_order_twice(mode: Mode) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode) as exchange:
            exchange.options["maxRetriesOnFailure"] = 1
            await exchange.load_markets()
            server.exchange.faults.add(Fault("drop"))
            await buy(exchange)
            assert placed(server) == 2

    asyncio.run(scenario())


def test_closed_port_raises_the_same_error_as_a_lost_answer() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, "plain") as exchange:
            await exchange.load_markets()
            await server.stop()
            with refused("ExchangeNotAvailable"):
                await buy(exchange)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("repeat_rows", [0, 0, 1, 1, 2, 2, 3, 3]),
        ("lose_rows", [0, 1, 3]),
    ],
)
def test_rows_of_a_list_come_as_the_fault_says(kind: Any, numbers: list[int]) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, "plain") as exchange:
            await exchange.load_markets()
            for _ in range(4):
                await buy(exchange)
            whole = [row["id"] for row in await exchange.private_get_mytrades({"symbol": "BTCUSD"})]
            server.exchange.faults.add(Fault(kind, on="GET /api/v3/myTrades"))
            faulty = [row["id"] for row in await exchange.private_get_mytrades({"symbol": "BTCUSD"})]
            assert faulty == [whole[number] for number in numbers]
            server.exchange.faults.add(Fault("shuffle_rows", on="GET /api/v3/myTrades"))
            shuffled = [row["id"] for row in await exchange.private_get_mytrades({"symbol": "BTCUSD"})]
            assert shuffled != whole
            assert sorted(shuffled) == whole

    asyncio.run(scenario())


def test_fault_in_a_script_is_read_from_json() -> None:
    fault = Fault("late", delay_ms=3_000, times=None, rate=0.01)
    assert msgspec.json.decode(msgspec.json.encode(fault), type=Fault) == fault
