"""What is read off the wire, what may be told of it, and rows of exchanges that work otherwise than Binance."""

import asyncio
from collections import Counter
from typing import Any, Literal

import pytest

from engine.core.errors import ConfigError, RateLimitedError, UnreachableError
from engine.exchanges.faults import OrderAbsentError, Scrubber, described, fault_of
from engine.exchanges.port import Accepted, OrderReport, Unknown
from engine.exchanges.streams import Pump
from engine.exchanges.venues import Call
from engine.exchanges.wire import Answer, Record, current, recorded
from tests.exchange_server.faults import Fault
from tests.exchange_server.harness import quiet_script
from tests.exchange_server.server import running
from tests.exchanges.gateway_harness import SYMBOL, LocalVenue, client, now_ms, order_of, placed

SCRUB = Scrubber("key-canary", "secret-canary", "")


def record_of(answer: Answer | None, method: str = "GET") -> Record:
    """Give the record of a call that got this answer."""
    record = Record()
    record.leaving(method, 0)
    if answer is not None:
        record.answered(answer, 0)
    return record


def error_of(name: str, text: str = "") -> Exception:
    """Make an error of a class of that name."""
    return type(name, (Exception,), {})(text)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("answer", "silence_ms"),
    [
        pytest.param(Answer(200, "{}"), None, id="all-is-well"),
        pytest.param(Answer(200, "{}", {"retry-after": "5"}), None, id="header-without-an-error"),
        pytest.param(Answer(500, ""), None, id="another-error"),
        pytest.param(Answer(429, ""), 60_000, id="no-time-told"),
        pytest.param(Answer(429, "", {"retry-after": "7"}), 7_000, id="seconds"),
        pytest.param(Answer(503, "", {"retry-after": "7"}), 7_000, id="seconds-of-another-error"),
        pytest.param(Answer(429, "", {"retry-after": "0"}), 0, id="at-once"),
        pytest.param(Answer(429, "", {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}), 60_000, id="a-date"),
        pytest.param(Answer(429, "", {"retry-after": "-5"}), 60_000, id="a-negative-time"),
        pytest.param(Answer(418, "", {"retry-after": "9" * 20}), 3 * 86_400_000, id="for-ever"),
        pytest.param(Answer(429, "", {"retry-after": "7200"}), 7_200_000, id="hours-of-a-limit"),
        pytest.param(Answer(503, "", {"retry-after": "7200"}), 300_000, id="hours-of-a-maintenance-page"),
        pytest.param(
            Answer(503, "banned until 1700009000000.", {"retry-after": "soon"}), 60_000, id="no-ban-but-words"
        ),
        pytest.param(Answer(418, '{"msg":"IP banned until 1700000300000."}'), 300_000, id="ban-in-words"),
        pytest.param(Answer(418, '{"msg":"IP banned until 1600000000000."}'), 60_000, id="ban-that-is-over"),
    ],
)
def test_silence_is_as_long_as_the_exchange_says(answer: Answer, silence_ms: int | None) -> None:
    assert answer.silence_ms(1_700_000_000_000) == silence_ms


@pytest.mark.parametrize(
    "body", ["", "<html>", "[1]", "null", '{"code":{}}', '{"code":1.5}', '{"msg":5}', "{", "\ud800"]
)
def test_answer_without_sense_names_neither_code_nor_words(body: str) -> None:
    answer = Answer(400, body)
    assert (answer.code, answer.message) == (None, "")


def test_record_follows_a_call_into_its_tasks_and_no_further() -> None:
    async def scenario() -> None:
        with recorded() as outer:
            assert await asyncio.ensure_future(asyncio.to_thread(current)) is outer
            with recorded() as inner:
                assert current() is inner
            assert current() is outer
        assert current() is None

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("error", "record", "expected"),
    [
        pytest.param("OrderNotFound", record_of(Answer(400, '{"code":-2013}')), OrderAbsentError, id="absent-by-word"),
        pytest.param("OrderNotFound", record_of(None), UnreachableError, id="absent-by-nobodys-word"),
        pytest.param("ExchangeNotAvailable", record_of(Answer(403, "<html>")), UnreachableError, id="firewall"),
        pytest.param("OnMaintenance", record_of(Answer(503, "{}")), UnreachableError, id="maintenance"),
        pytest.param("BadSymbol", record_of(Answer(400, '{"code":-1121}')), ConfigError, id="market-not-traded"),
        pytest.param("TypeError", record_of(Answer(200, "{}")), UnreachableError, id="nonsense"),
    ],
)
def test_error_means_what_the_wire_proves(error: str, record: Record, expected: type) -> None:
    raised = error_of(error, "https://x?signature=1")
    fault = fault_of(raised, record, SCRUB, exchange="here", silent_until_ms=0, is_key=False)
    assert type(fault) is expected
    assert "signature" not in str(fault)


def test_error_while_the_exchange_wants_silence_says_until_when() -> None:
    fault = fault_of(
        error_of("DDoSProtection"), record_of(None), SCRUB, exchange="here", silent_until_ms=5, is_key=False
    )
    assert isinstance(fault, RateLimitedError)
    assert fault.until_ms == 5


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("GET https://api.x/y?a=1&signature=abc failed", "GET <address> failed"),
        ("to wss://x.y/z now", "to <address> now"),
        ("with key-canary and secret-canary", "with <hidden> and <hidden>"),
        ('{"apiKey": "abc", "signature":"def"}', '{"apiKey": "<hidden>", "signature":"<hidden>"}'),
        ("Invalid API-key, IP, or permissions", "Invalid API-key, IP, or permissions"),
        ("Signature for this request is not valid.", "Signature for this request is not valid."),
        ("X-MBX-APIKEY: abc", "X-MBX-APIKEY: <hidden>"),
        ("a=1&signature=abc&b=2", "a=1&signature=<hidden>&b=2"),
        ("two\nlines", "two lines"),
        ("x" * 300, "x" * 197 + "..."),
    ],
)
def test_text_is_scrubbed_of_whatever_must_not_be_seen(text: str, shown: str) -> None:
    assert SCRUB(text) == shown
    assert described(ValueError(text), Record(), SCRUB).startswith("ValueError")


def test_text_of_an_error_on_the_wire_is_the_exchanges_own() -> None:
    answer = Answer(400, '{"code":-1013,"msg":"Filter failure: NOTIONAL key-canary"}')
    told = described(error_of("BadRequest", "https://x?signature=abc"), record_of(answer), SCRUB)
    assert told == "BadRequest: HTTP 400, code -1013 (Filter failure: NOTIONAL <hidden>)"


# --- pumps -----------------------------------------------------------------------------------------------------------


def test_pump_keeps_what_came_before_it_broke() -> None:
    async def scenario() -> None:
        answers: list[Any] = [1, None, 2, OSError("broken")]

        async def wait() -> int | None:
            answer = answers.pop(0)
            if isinstance(answer, OSError):
                raise answer
            return answer  # type: ignore[no-any-return]

        pump = Pump(wait, lambda one, other: one + other)
        assert await pump.next() == 3
        for _ in range(2):
            with pytest.raises(OSError, match="broken"):
                await pump.next()
        await pump.stop()

    asyncio.run(scenario())


# --- other rows ------------------------------------------------------------------------------------------------------


class ClockVenue(LocalVenue, frozen=True, kw_only=True):
    """An exchange whose library signs with its own clock alone."""

    clock: Literal["params", "nonce", "seconds"] = "nonce"

    def create_params(self, client_order_id: str, signed_ms: int) -> dict[str, Any]:
        """Name our id only."""
        del signed_ms
        return {"clientOrderId": client_order_id}


class ListVenue(LocalVenue, frozen=True, kw_only=True):
    """An exchange that finds orders in lists only, and cancels by its own id only."""

    full_at: int = 500

    @property
    def cancels_by_exchange_id(self) -> bool:
        """Tell that our id is of no use there."""
        return True

    def look_ups(
        self, symbol: str, client_order_id: str, exchange_order_id: str | None, since_ms: int
    ) -> tuple[Call, ...]:
        """Look through the open orders and then through all."""
        del client_order_id, exchange_order_id
        full = FullCall if self.full_at < 500 else Call
        return (
            Call("fetch_open_orders", (symbol,), lists=True),
            full("fetch_orders", (symbol, since_ms - 1_000, self.full_at), lists=True),
        )

    def cancel(self, symbol: str, client_order_id: str, exchange_order_id: str | None) -> Call:
        """Name the exchange's id."""
        assert exchange_order_id is not None, f"{client_order_id} is looked up first"
        return Call("cancel_order", (exchange_order_id, symbol))


class FullCall(Call, frozen=True):
    """A list that proves nothing once it is full."""

    full: int | None = 1


def test_order_is_signed_with_its_own_time_where_the_library_takes_it_from_its_clock() -> None:
    async def scenario() -> None:
        venue = ClockVenue(id="binanceus")
        async with running(quiet_script(skew_ms=30_000)) as server, client(server, venue=venue) as (link, account):
            order = order_of(sent_ms=now_ms() - 2_000)
            assert isinstance(await account.create(SYMBOL, order), Accepted)
            note = next(n for n in server.exchange.ledger.requests if n.method == "POST")
            assert order.sent_ms is not None
            assert link.offset_ms is not None
            assert int(note.parameters["timestamp"]) == order.sent_ms + link.offset_ms
            await account.balances()
            note = server.exchange.ledger.requests[-1]
            assert abs(int(note.parameters["timestamp"]) - now_ms() - link.offset_ms) < 1_000

    asyncio.run(scenario())


def test_order_is_found_in_lists_and_cancelled_by_the_id_found_there() -> None:
    async def scenario() -> None:
        venue = ListVenue(id="binanceus")
        async with running(quiet_script()) as server, client(server, venue=venue) as (link, account):
            rests, done = order_of("krests", limit="40000"), order_of("kdone")
            for order in (rests, done):
                await account.create(SYMBOL, order)
            found = [await account.query(SYMBOL, order) for order in (rests, done)]
            assert [one.status for one in found if isinstance(one, OrderReport)] == ["open", "filled"]
            canceled = await account.cancel(SYMBOL, rests)
            assert isinstance(canceled, OrderReport)
            assert canceled.status == "canceled"
            assert await account.query(SYMBOL, order_of("knever")) is None
            assert await account.cancel(SYMBOL, order_of("knever")) is None
            assert link.calls["cancel_order"] == 1
            server.exchange.faults.add(Fault("html", on="GET /api/v3/allOrders", times=None))
            assert isinstance(await account.query(SYMBOL, order_of("knever")), Unknown)

    asyncio.run(scenario())


def test_list_that_may_go_on_elsewhere_proves_nothing() -> None:
    async def scenario() -> None:
        venue = ListVenue(id="binanceus", full_at=1)
        async with running(quiet_script()) as server, client(server, venue=venue) as (_, account):
            await account.create(SYMBOL, order_of("kdone"))
            assert isinstance(await account.query(SYMBOL, order_of("knever")), Unknown)

    asyncio.run(scenario())


def test_calls_are_counted_where_the_caller_wants_them() -> None:
    async def scenario() -> None:
        calls: Counter[str] = Counter()
        async with running(quiet_script()) as server, client(server, calls=calls) as (_, account):
            await account.create(SYMBOL, order_of())
            assert placed(server) == 1
        assert calls == {"load_markets": 1, "fetch_time": 1, "create_order": 1}

    asyncio.run(scenario())
