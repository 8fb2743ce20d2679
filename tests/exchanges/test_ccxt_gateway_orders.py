"""Each fault of an order's request ends in the right outcome: proof, or unknown. The ledger knows the truth."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from engine.core.errors import RateLimitedError
from engine.exchanges.port import Accepted, NotSent, OrderReport, Rejected, Unknown
from tests.exchange_server.faults import Fault
from tests.exchange_server.harness import eventually, quiet_script, raw_client
from tests.exchange_server.server import running
from tests.exchanges.gateway_harness import MODES, SYMBOL, Mode, client, impatient, now_ms, order_of, placed

D = Decimal
HANG_MS = 300
both_ways = pytest.mark.parametrize("mode", MODES)


@both_ways
@pytest.mark.parametrize(
    ("fault", "is_placed", "outcome"),
    [
        pytest.param(Fault("drop", when="before"), 0, Unknown, id="dropped-before-matching"),
        pytest.param(Fault("drop"), 1, Unknown, id="dropped-after-matching"),
        pytest.param(Fault("hang", when="before"), 0, Unknown, id="hung-before-matching"),
        pytest.param(Fault("hang"), 1, Unknown, id="hung-after-matching"),
        pytest.param(Fault("late", answer_delay_ms=2 * HANG_MS), 1, Unknown, id="answered-too-late"),
        pytest.param(Fault("cut"), 1, Unknown, id="cut-body"),
        pytest.param(Fault("empty"), 1, Unknown, id="empty-body"),
        pytest.param(Fault("html"), 1, Unknown, id="web-page"),
        pytest.param(Fault("empty", when="before"), 0, Unknown, id="empty-body-not-placed"),
        pytest.param(Fault("html", when="before"), 0, Unknown, id="web-page-not-placed"),
        pytest.param(Fault("status", status=500), 1, Unknown, id="status-500"),
        pytest.param(Fault("status", status=502), 1, Unknown, id="status-502"),
        pytest.param(Fault("status", status=503, when="before"), 0, Unknown, id="status-503"),
        pytest.param(Fault("status", status=403, when="before"), 0, Unknown, id="firewall-403"),
        pytest.param(Fault("status", status=504), 1, Unknown, id="status-504"),
        pytest.param(Fault("error", code=-1006), 1, Unknown, id="code-1006-unknown"),
        pytest.param(Fault("error", code=-1007), 1, Unknown, id="code-1007-unknown"),
        pytest.param(Fault("error", code=-1008, status=503, when="before"), 0, Rejected, id="code-1008-overload"),
        pytest.param(Fault("rate_limit"), 0, Rejected, id="status-429"),
        pytest.param(Fault("ban"), 0, Rejected, id="status-418"),
    ],
)
def test_order_struck_by_a_fault_is_unknown_unless_the_exchange_proves_otherwise(
    mode: Mode, fault: Fault, is_placed: int, outcome: type
) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server, mode) as (link, account):
            await link.rules(SYMBOL)
            await link.time_ms()
            server.exchange.faults.add(fault)
            with impatient(link, HANG_MS if fault.kind in {"hang", "late"} else 5_000):
                answer = await account.create(SYMBOL, order_of())
            assert isinstance(answer, outcome), answer
            await eventually(lambda: server.exchange.ledger.requests[-1].fault is not None)
            await eventually(lambda: placed(server) == is_placed)
            assert server.exchange.ledger.calls["POST /api/v3/order"] == link.calls["create_order"] == 1

    asyncio.run(scenario())


@both_ways
@pytest.mark.parametrize(
    ("order", "proof"),
    [
        pytest.param(order_of(quantity="0.00001", limit="45000"), "-1013", id="notional"),
        pytest.param(order_of(quantity="0.001", limit="1"), "-1013", id="percent-price"),
        pytest.param(order_of(quantity="2.5", limit="45000"), "-2010", id="balance"),
        pytest.param(order_of(client_order_id="no blanks", limit="45000"), "-1100", id="id-with-a-blank"),
    ],
)
def test_order_that_the_exchange_refuses_is_rejected_with_its_code(mode: Mode, order: Any, proof: str) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server, mode) as (_, account):
            sent = order_of(order.client_order_id, order.side, str(order.quantity), str(order.limit_price))
            answer = await account.create(SYMBOL, sent)
            assert isinstance(answer, Rejected)
            assert answer.proof == proof
            assert placed(server) == 0

    asyncio.run(scenario())


def test_id_of_an_open_order_sent_again_is_never_rejected() -> None:
    """The order behind the refusal is live: a rejection would let the bot forget it."""

    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (_, account):
            order = order_of(limit="40000")
            assert isinstance(await account.create(SYMBOL, order), Accepted)
            assert isinstance(await account.create(SYMBOL, order), Unknown)
            assert placed(server) == 1

    asyncio.run(scenario())


def test_refusal_of_an_order_that_left_twice_is_no_proof() -> None:
    """What was refused is the second request; the first one was carried out."""

    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            await link.rules(SYMBOL)
            fetch = link.ccxt.fetch

            async def fetch_again(*request: Any) -> Any:
                try:
                    return await fetch(*request)
                except Exception:  # noqa: BLE001 - as a library does that repeats by itself
                    return await fetch(*request)

            link.ccxt.fetch = fetch_again
            server.exchange.faults.add(Fault("drop"), Fault("error", code=-1013, status=400, when="before"))
            assert isinstance(await account.create(SYMBOL, order_of()), Unknown)
            assert server.exchange.faults.struck() == [1, 1]
            assert placed(server) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(order_of(quantity="0.000001"), id="under-one-step"),
        pytest.param(order_of(quantity="0.0010001"), id="between-two-steps"),
        pytest.param(order_of(limit="40000.001"), id="between-two-ticks"),
        pytest.param(order_of(), id="kind-that-the-market-does-not-list"),
    ],
)
def test_order_that_cannot_leave_as_it_is_written_is_not_sent(order: Any) -> None:
    async def scenario() -> None:
        script = quiet_script(market={"order_types": ("LIMIT",)})
        async with running(script) as server, client(server) as (_, account):
            assert isinstance(await account.create(SYMBOL, order), NotSent)
            assert not server.exchange.ledger.calls["POST /api/v3/order"]

    asyncio.run(scenario())


def test_order_while_the_exchange_cannot_be_reached_before_it_leaves_is_not_sent() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (_, account):
            server.exchange.faults.add(Fault("drop", on="GET /api/v3/time", times=None))
            assert isinstance(await account.create(SYMBOL, order_of()), NotSent)
            server.exchange.faults.clear()
            assert isinstance(await account.create(SYMBOL, order_of()), Accepted)

    asyncio.run(scenario())


def test_order_to_a_closed_port_is_unknown_because_nothing_proves_that_it_never_arrived() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            await link.rules(SYMBOL)
            await link.time_ms()
            await server.stop()
            assert isinstance(await account.create(SYMBOL, order_of()), Unknown)

    asyncio.run(scenario())


@pytest.mark.parametrize(("kind", "wait_ms"), [("rate_limit", 7_000), ("ban", 7_000)])
def test_exchange_that_wants_silence_is_left_alone_until_then(kind: Any, wait_ms: int) -> None:
    async def scenario() -> None:
        clock = [now_ms()]
        async with (
            running(quiet_script()) as server,
            client(server, clock_ms=lambda: clock[0]) as (link, account),
        ):
            await link.rules(SYMBOL)
            server.exchange.faults.add(Fault(kind, on="GET /api/v3/ticker/24hr", retry_after_s=wait_ms // 1_000))
            with pytest.raises(RateLimitedError) as caught:
                await link.ticker(SYMBOL)
            assert caught.value.until_ms == link.blocked_until_ms == clock[0] + wait_ms
            asked = sum(server.exchange.ledger.calls.values())
            with pytest.raises(RateLimitedError):
                await link.ticker(SYMBOL)
            assert isinstance(await account.create(SYMBOL, order_of()), NotSent)
            assert isinstance(await account.query(SYMBOL, order_of()), Unknown)
            assert sum(server.exchange.ledger.calls.values()) == asked
            clock[0] += wait_ms
            if kind == "rate_limit":
                await link.ticker(SYMBOL)

    asyncio.run(scenario())


def test_silence_restored_from_the_log_is_kept() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            link.blocked_until_ms = now_ms() + 60_000
            with pytest.raises(RateLimitedError):
                await link.rules(SYMBOL)
            assert isinstance(await account.create(SYMBOL, order_of()), NotSent)
            assert not server.exchange.ledger.calls

    asyncio.run(scenario())


def test_refusal_for_too_many_orders_without_a_time_is_silence_for_a_minute() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            server.exchange.limits.limits = quiet_script().limits.__class__(orders_per_10s=0)
            assert isinstance(await account.create(SYMBOL, order_of()), Rejected)
            assert 59_000 < link.blocked_until_ms - now_ms() <= 60_000

    asyncio.run(scenario())


@both_ways
@pytest.mark.parametrize("skew_ms", [-60_000, 60_000])
def test_order_to_an_exchange_with_a_skewed_clock_is_signed_with_its_time(mode: Mode, skew_ms: int) -> None:
    async def scenario() -> None:
        async with running(quiet_script(skew_ms=skew_ms)) as server, client(server, mode) as (link, account):
            order = order_of()
            assert isinstance(await account.create(SYMBOL, order), Accepted)
            note = next(n for n in server.exchange.ledger.requests if n.method == "POST")
            assert order.sent_ms is not None
            assert link.offset_ms is not None
            assert abs(link.offset_ms - skew_ms) < 500
            assert int(note.parameters["timestamp"]) == order.sent_ms + link.offset_ms
            assert note.parameters["recvWindow"] == str(account.valid_ms) == "5000"

    asyncio.run(scenario())


def test_order_that_leaves_after_its_window_is_void() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            answer = await account.create(SYMBOL, order_of(sent_ms=now_ms() - 6_000))
            assert isinstance(answer, Rejected)
            assert answer.proof == "-1021"
            assert placed(server) == 0
            assert link.offset_ms is None, "the clock is measured again before the next signed call"

    asyncio.run(scenario())


def test_create_that_is_cancelled_leaves_its_request_alone() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account):
            await link.time_ms()
            await link.rules(SYMBOL)
            server.exchange.faults.add(Fault("late", delay_ms=150))
            order = order_of()
            creating = asyncio.ensure_future(account.create(SYMBOL, order))
            await eventually(lambda: server.exchange.ledger.calls["POST /api/v3/order"] == 1)
            creating.cancel()
            with pytest.raises(asyncio.CancelledError):
                await creating
            await eventually(lambda: server.exchange.ledger.requests[-1].answered_ms is not None)
            assert placed(server) == 1
            assert await account.query(SYMBOL, order) is not None

    asyncio.run(scenario())


def test_accepted_order_names_its_fills_when_they_are_all_known() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (_, account):
            taken = await account.create(SYMBOL, order_of("kmarket", quantity="0.7"))
            rests = await account.create(SYMBOL, order_of("klimit", limit="40000"))
            assert isinstance(taken, Accepted)
            assert (taken.is_whole, sum(fill.quantity for fill in taken.fills)) == (True, D("0.7"))
            assert len(taken.fills) > 1
            assert {(fill.fee_asset, fill.liquidity) for fill in taken.fills} == {("BTC", "taker")}
            assert all(fill.fee_quote == fill.fee * fill.price for fill in taken.fills)
            assert isinstance(rests, Accepted)
            assert (rests.is_whole, rests.fills) == (True, ())

    asyncio.run(scenario())


def test_sale_pays_its_fee_in_quote() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (_, account):
            answer = await account.create(SYMBOL, order_of(side="sell"))
            assert isinstance(answer, Accepted)
            (fill,) = answer.fills
            assert (fill.fee_asset, fill.fee) == ("USD", fill.fee_quote)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_listed", [True, False])
def test_fee_in_a_third_asset_is_valued_by_its_price_or_marked_as_not_valued(is_listed: bool) -> None:
    async def scenario() -> None:
        async with running(quiet_script(account={"fee_asset": "BNB"})) as server, client(server) as (link, account):
            await link.rules(SYMBOL)
            if not is_listed:
                del link.ccxt.markets["BNB/USD"]
            answers = [await account.create(SYMBOL, order_of(f"k{number}")) for number in range(2)]
            for answer in answers:
                assert isinstance(answer, Accepted)
                assert (answer.is_whole, len(answer.fills)) == (True, 1)
                for fill in answer.fills:
                    assert (fill.fee_asset, fill.fee_quote) == ("BNB", fill.fee * 500 if is_listed else 0)
                    assert (fill.is_valued, fill.fee > 0) == (is_listed, True)
            assert link.calls["fetch_ticker"] == int(is_listed), "the price is kept"
            report = await account.query(SYMBOL, order_of("k0"))
            assert isinstance(report, OrderReport)
            assert report.fills[0].is_valued is is_listed

    asyncio.run(scenario())


def test_market_order_that_expired_half_filled_is_to_be_looked_up() -> None:
    async def scenario() -> None:
        market = {"levels": 1, "level_quantity": D("0.5")}
        async with running(quiet_script(market=market)) as server, client(server) as (_, account):
            order = order_of(quantity="0.7")
            answer = await account.create(SYMBOL, order)
            assert isinstance(answer, Accepted)
            assert (answer.is_whole, [fill.quantity for fill in answer.fills]) == (False, [D("0.5")])
            report = await account.query(SYMBOL, order)
            assert report is not None
            assert not isinstance(report, Unknown)
            assert (report.status, report.filled) == ("expired", D("0.5"))

    asyncio.run(scenario())


def test_retries_are_off_in_the_library_itself() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account), raw_client(server):
            link.ccxt.options["maxRetriesOnFailure"] = 1
            with pytest.raises(AssertionError):
                await account.create(SYMBOL, order_of())
            assert placed(server) == 0

    asyncio.run(scenario())
