"""The bytes of the log: round trips, golden bytes, older and newer versions, and everything that must be refused."""

import json
import runpy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import LogDamagedError, LogTooNewError
from engine.core.events import Balance, BalancesObserved, Cause, CommandReceived, Event, PriceObserved
from engine.core.units import LATEST_MS
from engine.store.codec import EVENT_TYPES, MAX_BODY_BYTES, decode, encode, genesis, link, recorded_at, tag_of
from engine.store.port import Entry
from tests.strategies_events import entries, events_of

GOLDEN = Path(__file__).parents[1] / "golden"
MAKE = runpy.run_path(str(GOLDEN / "make.py"))


def body(tag: str = "price_observed", version: object = None, **fields: object) -> bytes:
    """Write a body as another program might."""
    envelope: dict[str, object] = {"at": 1, "e": {"type": tag, **fields}}
    return json.dumps(envelope if version is None else envelope | {"v": version}).encode()


def contains(whole: Any, part: Any) -> bool:
    """Tell whether a JSON value says at least what another says."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and contains(whole[key], part[key]) for key in part)
    return bool(whole == part)


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=EVENT_TYPES.keys())
@given(data=st.data())
def test_codec_any_event_comes_back_equal(kind: type[Event], data: st.DataObject) -> None:
    entry = data.draw(entries(events_of(kind)))
    row = decode(encode(entry), "s", 1)
    assert (row.e, row.at, row.cause, row.v) == (entry.event, entry.at_ms, entry.cause, kind.version)
    assert encode(Entry(row.e, row.at, row.cause)) == encode(entry)
    assert recorded_at(encode(entry), "s", 1) == entry.at_ms
    assert tag_of(row.e) == kind.__struct_config__.tag


def test_encode_price_writes_readable_json_without_defaults() -> None:
    entry = Entry(PriceObserved(last=Decimal("50600.10")), 1_700_000_000_000, Cause("feed:x", 3))
    expected = b'{"at":1700000000000,"cause":["feed:x",3],"e":{"type":"price_observed","last":"50600.10"}}'
    assert encode(entry) == expected


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=EVENT_TYPES.keys())
def test_golden_every_kind_has_its_bytes(kind: type[Event]) -> None:
    assert MAKE["path_of"](kind).exists(), "run: python -m tests.golden.make"


@pytest.mark.parametrize("path", sorted((GOLDEN / "events").iterdir()), ids=lambda path: path.stem)
def test_golden_bytes_still_say_what_they_said(path: Path) -> None:
    stored = path.read_bytes().removesuffix(b"\n")
    tag, version = path.stem.rsplit(".v")
    row = decode(stored, "golden", 1)
    assert (row.at, row.cause) == (MAKE["AT_MS"], Cause("feed:golden", 7))
    if EVENT_TYPES.get(tag) is type(row.e) and type(row.e).version == int(version):
        assert contains(json.loads(encode(Entry(row.e, row.at, row.cause))), json.loads(stored))


def test_decode_older_version_is_lifted_step_by_step() -> None:
    steps = {
        ("price_seen", -1): lambda e: {"type": "price_observed", "price": e["price"]},
        ("price_observed", 0): lambda e: {"type": "price_observed", "last": e["price"]},
    }
    row = decode(body("price_seen", -1, price="7.50"), "s", 1, steps)
    assert row.e == PriceObserved(last=Decimal("7.50"))
    assert str(row.e.last) == "7.50"
    assert row.v == 1


def test_decode_older_version_without_upcaster_is_refused() -> None:
    with pytest.raises(LogDamagedError, match=r"event 4 of bot .* lifts 'price_observed' from version 0 to 1"):
        decode(body("price_observed", 0, last="1"), "bot", 4)


@pytest.mark.parametrize(
    "stored",
    [body("never_heard_of"), body("price_observed", 2, last="1"), body("price_observed", 99, other=[])],
    ids=["unknown-tag", "higher-version", "higher-version-other-shape"],
)
def test_decode_newer_log_names_stream_sequence_and_tag(stored: bytes) -> None:
    with pytest.raises(LogTooNewError, match=r"event 12 of bot-a is '(never_heard_of|price_observed)' version \d+"):
        decode(stored, "bot-a", 12)


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"at":1,"e":[]}',
        b'{"at":1,"e":"x"}',
        b'{"at":1}',
        b'{"at":"1","e":{"type":"price_observed","last":"1"}}',
        b'{"at":1,"e":{"type":["x"],"last":"1"}}',
        b'{"at":1,"v":"2","e":{"type":"price_observed","last":"1"}}',
        b'{"at":1,"e":{"type":"command_received","command":"\xff","by":""}}',
        b"[" * 60_000,
        b'{"at":1,"x":' + b"[" * 60_000,
        body(last="x"),
        body(),
        body(last="NaN"),
        body(last="sNaN"),
        body(last="-Infinity"),
        body(last="inf"),
        body(last="1E+1000000"),
        body(last=1e300),
        body(last="1", exchange_time_ms=10**17),
        b'{"at":-1,"e":{"type":"price_observed","last":"1"}}',
        body(last="1", ask="1000000000000001"),
        body("balances_observed", balances={"USD": {"free": "NaN"}}),
        body("candles_closed", timeframe="5m", candles=[[0, "1", "1", "Infinity", "1", "1"]]),
        body(last="1" + " " * MAX_BODY_BYTES),
        body("command_received", command="x" * MAX_BODY_BYTES, by="me"),
    ],
    ids=lambda stored: repr(stored[:60]).replace("\\", ""),  # pytest escapes it once more at a second collection
)
def test_decode_damaged_body_is_refused_by_stream_and_sequence(stored: bytes) -> None:
    with pytest.raises(LogDamagedError, match=r"event 3 of feed:x cannot be read: .") as caught:
        decode(stored, "feed:x", 3)
    assert not isinstance(caught.value, LogTooNewError)
    assert str(caught.value).endswith("; the log is damaged: stop the engine, then krypto-engine recover")


@pytest.mark.parametrize("at_ms", [-1, 10**17])
def test_recorded_time_that_is_none_is_refused_by_stream_and_sequence(at_ms: int) -> None:
    with pytest.raises(LogDamagedError, match=f"event 3 of feed:x cannot be read: its time is {at_ms}"):
        recorded_at(b'{"at":%d,"e":{}}' % at_ms, "feed:x", 3)


@pytest.mark.parametrize("at_ms", [0, LATEST_MS])
def test_first_and_last_time_there_is_are_read_from_bodies_of_today_and_of_old(at_ms: int) -> None:
    lift = {("price_observed", 0): lambda e: e}
    for stored in (body(last="1"), body(version=0, last="1")):
        timed = stored.replace(b'"at": 1', b'"at": %d' % at_ms)
        assert decode(timed, "s", 1, lift).at == at_ms
        assert recorded_at(timed, "s", 1) == at_ms


def test_longest_body_there_may_be_is_written_and_read_again() -> None:
    around = len(encode(Entry(CommandReceived(command="", by="me"), 1)))
    longest = Entry(CommandReceived(command="x" * (MAX_BODY_BYTES - around), by="me"), 1)
    assert len(encode(longest)) == MAX_BODY_BYTES
    assert decode(encode(longest), "s", 1).e == longest.event


@given(st.binary(max_size=200))
def test_decode_any_bytes_end_in_a_row_or_a_typed_fault(stored: bytes) -> None:
    try:
        decode(stored, "s", 1)
    except LogDamagedError:
        return
    pytest.fail(f"random bytes were taken for an event: {stored!r}")


NAN = Decimal("NaN")


@pytest.mark.parametrize(
    "event",
    [
        PriceObserved(last=NAN),
        PriceObserved(last=Decimal(1), bid=Decimal("-Infinity")),
        PriceObserved(last=Decimal("1E+16")),
        BalancesObserved({"USD": Balance(NAN)}),
        CommandReceived(command="x" * MAX_BODY_BYTES, by="me"),
    ],
    ids=["nan", "infinite", "too-large", "nested", "too-long"],
)
def test_encode_what_could_not_be_read_back_is_a_programming_error(event: Event) -> None:
    with pytest.raises(AssertionError):
        encode(Entry(event, 1))


def test_chain_each_link_depends_on_stream_order_and_every_byte() -> None:
    first, second = link(genesis("a"), b"one"), link(genesis("b"), b"one")
    assert first != second
    assert len({genesis("a"), genesis("b"), first, second, link(first, b"two"), link(first, b"twp")}) == 6
    assert link(link(genesis("a"), b"x"), b"y") != link(link(genesis("a"), b"y"), b"x")
    assert len(first) == 16


def test_golden_chain_is_what_it_was() -> None:
    assert genesis("bot").hex() == "bff2b71ba272ad64aadc6e925b0c3cfc"
    assert link(genesis("bot"), b"{}").hex() == "a95ee1868f387d831ac91148aceae2d8"
