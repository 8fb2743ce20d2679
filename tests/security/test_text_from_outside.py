"""Hostile text from an exchange: it steers no terminal, fills no memory, ends no engine, and stays out of the log."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.render import as_json, clean
from engine.core.errors import EngineError, UnreachableError
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.credentials import Credentials, Secret
from engine.exchanges.faults import Scrubber, described
from engine.exchanges.readings import id_of, order_of, rules_of, trade_of
from engine.exchanges.trade_pages import all_trades
from engine.exchanges.venues import venue_of
from engine.exchanges.wire import Answer, Record
from tests.cli.outside_world import World
from tests.cli.terminal import Result, bot_file, krypto
from tests.exchange_server.faults import Fault
from tests.exchange_server.process import ServerProcess, server_process
from tests.exchange_server.script import AccountScript
from tests.live.harness import ALWAYS, live_script

SPEC = pytest.mark.spec
HOSTILE = {
    "colours": "\x1b[31mred\x1b[0m",
    "clear the screen": "\x1b[2J\x1b[H",
    "write the clipboard (OSC 52)": "\x1b]52;c;ZXZpbA==\x07",
    "set the title": "\x1b]0;owned\x1b\\",
    "a link": "\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "one-byte controls (C1)": "\x9b2J\x9d52;c;ZQ==\x9c\x90q\x9c",
    "bell, backspace, delete": "\x07\x08\x7f",
    "a line of its own": "\n2026-01-01 00:00:00  [Bot-bot] Sold lot 1\r\n",
    "back to the start": "\rOK\x0b\x0c",
    "bidi overrides": "\u202etxt.exe\u202c\u2066x\u2069\u200f",
    "separators": "\u2028\u2029\x85",
    "invisible": "\u200b\u2060\ufeff\u00ad\U000e0041",
}
EVERYTHING = "".join(HOSTILE.values())
FORBIDDEN = {character for character in EVERYTHING if not character.isprintable()} - {"\n"}


def _is_calm(text: str) -> bool:
    """Tell whether a text is such as a terminal only shows."""
    return all(line.isprintable() for line in text.split("\n"))


def test_list_of_hostile_texts_holds_what_must_not_be_shown() -> None:
    assert all(not _is_calm(text) or "\n" in text for text in HOSTILE.values())
    assert {"\x1b", "\x07", "\x9b", "\x9d", "\x7f", "\u202e", "\u2066", "\r"} <= FORBIDDEN


# --- what every output goes through


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_made_clean_is_one_line_that_a_terminal_only_shows(text: str) -> None:
    assert clean(text).isprintable()
    assert Scrubber()(text).isprintable()


@SPEC("JSON for machines escapes what a terminal would obey, and means the same", section="Text from outside")
@given(text=st.text() | st.sampled_from(list(HOSTILE.values())))
def test_json_shows_on_any_terminal_and_reads_back_equal(text: str) -> None:
    shown = as_json({"a": [text], text: Decimal("1.50")})
    assert shown.isprintable()
    assert json.loads(shown) == {"a": [text], text: 1.5}


# --- what is read off an exchange


@SPEC("names that an exchange gives are short and printable, or they are not taken", section="Text from outside")
@pytest.mark.parametrize("name", [*HOSTILE.values(), "x" * 129, "", "\ud800", True, None, 1.5, ["a"], {"a": 1}])
def test_id_that_cannot_be_is_not_taken(name: Any) -> None:
    with pytest.raises(UnreachableError) as caught:
        id_of({"id": name}, "an order")
    assert str(caught.value).isprintable()
    fee = {"cost": "1", "currency": name}
    with pytest.raises(UnreachableError) as caught:
        trade_of({"id": "1", "price": "1", "amount": "1", "fee": fee, "fees": [fee]})
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("status", [EVERYTHING, "x" * 1_000_000, "\ud800"])
def test_status_that_nobody_knows_is_told_in_a_short_line(status: str) -> None:
    with pytest.raises(UnreachableError, match="unknown status") as caught:
        order_of({"id": "1", "filled": "0", "amount": "1", "status": status})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("kinds", [5, "LIMIT", {"LIMIT": 1}, ["LIMIT"] * 100_000, [EVERYTHING, "x" * 10_000, None, []]])
def test_kinds_of_orders_that_cannot_be_are_left_out_of_the_rules(kinds: Any) -> None:
    market = {"symbol": "A/B", "base": "A", "quote": "B", "precision": {"price": "0.1", "amount": "0.1"}}
    rules = rules_of({**market, "info": {"orderTypes": kinds, "filters": kinds}})
    assert len(msgspec.json.encode(rules)) < 1_000
    assert all(kind.isprintable() for kind in rules.order_types)


def test_number_of_a_page_with_five_thousand_digits_is_no_number() -> None:
    async def ask(*_: Any) -> list[dict[str, Any]]:
        return [{"id": "1", "info": {"id": "9" * 5_000}}]

    pages = venue_of("kraken").pages
    assert pages is not None
    older = msgspec.structs.replace(pages, by="older id", field="before", key="id", limit=None, mixed=False)
    with pytest.raises(UnreachableError, match="no numbers"):
        asyncio.run(all_trades(ask, older, "A/B", 0, None))


BODIES = {
    "nested arrays": b"[" * 100_000,
    "nested objects": b'{"a":' * 100_000,
    "closed nesting": b"[" * 100_000 + b"]" * 100_000,
    "nested error": b'{"code":-2010,"msg":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "no text": b"\xff\xfe\x00" * 100,
    "half a surrogate": b'{"code":-2010,"msg":"\\ud800"}',
    "control characters": json.dumps({"code": -2010, "msg": EVERYTHING}).encode(),
    "raw control characters": b'{"code":-2010,"msg":"' + EVERYTHING.encode() + b'"}',
    "a long sentence": json.dumps({"code": -2010, "msg": "word " * 100_000}).encode(),
    "a huge number": b'{"serverTime":' + b"9" * 10_000 + b"}",
    "a time that is a list": b'{"serverTime":[1]}',
    "nothing": b"",
    "null": b"null",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_answer_that_cannot_be_read_is_described_in_a_short_line(body: bytes, status: int) -> None:
    record = Record()
    record.leaving("GET", 1)
    record.answered(Answer(status, body.decode(errors="replace"), {"retry-after": "9" * 8_000}), 2)
    told = described(ValueError(EVERYTHING), record, Scrubber())
    assert told.isprintable()
    assert len(told) <= 200
    assert record.last is not None
    assert (record.last.silence_ms(0) is None) == (status == 200)


@asynccontextmanager
async def _liar(status: int, body: bytes) -> AsyncIterator[int]:
    """Have a server that answers everything with one body; give its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@SPEC("an answer of nonsense, however deep, is one fault of the exchange and ends nothing", section="Text from outside")
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", [200, 400])
def test_exchange_that_answers_nonsense_is_a_fault_in_a_short_line(body: bytes, status: int) -> None:
    async def scenario() -> None:
        async with _liar(status, body) as port:
            connection = CcxtConnection(
                venue_of("binanceus"),
                clock_ms=lambda: 1_700_000_000_000,
                credentials=Credentials(Secret("akey"), Secret("asecret")),
                endpoint=f"http://127.0.0.1:{port}",
                is_paced=False,
            )
            try:
                for asked in (connection.time_ms, connection.load_markets):
                    with pytest.raises(EngineError) as caught:
                        await asked()
                    assert str(caught.value).isprintable()
                    assert len(str(caught.value)) < 400
            finally:
                await connection.close()

    asyncio.run(scenario())


# --- the whole program


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Have the exchange, which refuses the first order of each bot in hostile words."""
    folder = tmp_path / "exchange"
    folder.mkdir()
    faults = tuple(Fault("error", code=-2010, message=f"no {text}", status=400, when="before") for text in _told())
    with server_process(msgspec.structs.replace(live_script(), faults=faults, accounts=(_rich(),)), folder) as process:
        yield process


def _told() -> tuple[str, ...]:
    return EVERYTHING, HOSTILE["a line of its own"], HOSTILE["write the clipboard (OSC 52)"]


def _rich() -> AccountScript:
    return AccountScript(balances={"USD": Decimal(100_000), "BTC": Decimal(1)})


@SPEC("hostile words of an exchange steer no terminal and forge no line, in any output", section="Text from outside")
def test_hostile_refusals_are_shown_calmly_by_every_verb(server: ServerProcess, tmp_path: Path) -> None:
    keys = {"KRYPTO_BINANCEUS_API_KEY": "localkey", "KRYPTO_BINANCEUS_API_SECRET": "localsecret"}
    world, state = World(server, tmp_path, **keys), ("--state-dir", tmp_path / "state")
    changes: dict[str, Any] = {
        "exchange": "binance_us",
        "market": None,
        "check_interval": 1,
        "timeframe": "1m",
        "strategy_params": {"amount_usd": 100, "indicators": ALWAYS},
        "paper_trading": False,
        "live": True,
        "budget": 1000,
    }
    bots = [part for number in range(len(_told())) for part in ("-c", bot_file(tmp_path, f"bot{number}", **changes))]
    told: list[Result] = []
    with world.run(*bots) as running:
        for number in range(len(_told())):
            running.wait_for(f"[Bot-bot{number}] Order 1 rejected: no ")
        running.process.terminate()
        told.append(running.end())
    fault = Fault("error", on="GET /api/v3/time", code=-1, message=EVERYTHING, status=400, times=None)
    server.control("faults", [fault])
    check = ("credentials", "check", "binanceus")
    told += [world.krypto(*verb) for verb in (("doctor", *bots), ("doctor", *bots, "--json"), check, ("-v", *check))]
    told += [
        krypto("replay", f"bot{number}", *flags, *state)
        for number in range(len(_told()))
        for flags in ((), ("--events",), ("--json",))
    ]
    told.append(krypto("inspect-state", "--json", *state))
    for result in told:
        assert _is_calm(result.out), result
        assert _is_calm(result.err), result
    lines = [line for result in told for line in result.out.splitlines()]
    assert [line for line in lines if line.startswith("2026-01-01 00:00:00")] == []
    body = (tmp_path / "state" / "events.db").read_bytes()
    assert [each for each in (b"\x1b]", b"\\u001b", "\u202e".encode()) if each in body] == []
