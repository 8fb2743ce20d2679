"""Hostile rows of a log: too large, too deep, absurd numbers, bytes that are no text. Damage, never a crash."""

import time
from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.errors import LogDamagedError, LogTooNewError
from engine.core.events import CandlesClosed, OrderAccepted, PriceObserved
from engine.core.market import Candle
from engine.core.units import MAX_AMOUNT, MAX_DECIMALS, is_sound
from engine.runtime.feed_stream import CANDLES_IN_AN_EVENT
from engine.store.codec import MAX_BODY_BYTES, decode, encode
from engine.store.port import Entry
from tests.cli.tampering import alter
from tests.cli.terminal import krypto

SPEC = pytest.mark.spec
HEAD = b'{"at":1,"e":{"type":"price_observed","last":'
BODIES = {
    "larger than 64 KB": HEAD + b'"' + b"1" * MAX_BODY_BYTES + b'"}}',
    "a megabyte of blanks": HEAD + b'"1"}}' + b" " * 1_000_000,
    "nested arrays": HEAD + b"[" * 60_000,
    "nested objects": HEAD + b'{"a":' * 12_000,
    "nested beside the event": b'{"at":1,"x":' + b"[" * 60_000,
    "nested in an unknown field": HEAD + b'"1","x":' + b"[" * 60_000,
    "closed nesting": b'{"at":1,"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "not a number": HEAD + b'"NaN"}}',
    "signalling": HEAD + b'"sNaN123"}}',
    "infinite": HEAD + b'"-Infinity"}}',
    "huge exponent": HEAD + b'"1E+999999999"}}',
    "tiny exponent": HEAD + b'"1E-999999999"}}',
    "zero with a billion decimals": HEAD + b'"0E-999999999"}}',
    "exponent beyond the type": HEAD + b'"1E+99999999999999999999"}}',
    "float beyond its range": HEAD + b"1e999}}",
    "whole number beyond 64 bits": HEAD + b"9" * 400 + b"}}",
    "bytes that are no text": HEAD + b'"\xff\xfe"}}',
    "half a surrogate": b'{"at":1,"e":{"type":"order_accepted","client_order_id":"\\ud800","exchange_order_id":""}}',
    "a zero byte": b"\0" + HEAD + b'"1"}}',
}


@SPEC("an event that cannot be is damage, found at once and without filling the memory", section="Events from a log")
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_body_that_cannot_be_is_damage(body: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(LogDamagedError, match="event 7 of s cannot be read") as caught:
        decode(body, "s", 7)
    assert time.process_time() - begun < 2
    assert len(str(caught.value)) < 1_000


def test_tag_of_a_megabyte_is_refused_before_it_is_quoted() -> None:
    with pytest.raises(LogDamagedError, match="bytes"):
        decode(b'{"at":1,"e":{"type":"' + b"x" * 1_000_000 + b'"}}', "s", 1)
    with pytest.raises(LogTooNewError) as caught:
        decode(b'{"at":1,"e":{"type":"' + b"x" * 1_000 + b'"}}', "s", 1)
    assert len(str(caught.value)) < 2_000


def test_key_given_twice_is_read_the_same_by_every_reading() -> None:
    today, older = (HEAD.replace(b"{", b'{"v":%d,' % version, 1) + b'"1","last":"2"}}' for version in (1, 0))
    lifted = decode(older, "s", 1, {("price_observed", 0): lambda event: event})
    assert decode(today, "s", 1).e == lifted.e == PriceObserved(last=Decimal(2))


@SPEC("the largest event that the engine writes fits the bound that it reads by", section="Events from a log")
def test_largest_group_of_candles_fits_an_event() -> None:
    widest = Decimal(f"{MAX_AMOUNT - 1:f}." + "9" * MAX_DECIMALS)
    assert is_sound(widest)
    candle = Candle(9_999_999_999_999, widest, widest, widest, widest, widest, filled=True)
    body = encode(Entry(CandlesClosed("15m", (candle,) * CANDLES_IN_AN_EVENT), 9_999_999_999_999))
    assert len(body) < MAX_BODY_BYTES
    assert decode(body, "s", 1).e == CandlesClosed("15m", (candle,) * CANDLES_IN_AN_EVENT)


def test_event_larger_than_can_be_read_back_is_not_written() -> None:
    with pytest.raises(AssertionError, match="order_accepted takes"):
        encode(Entry(OrderAccepted("k", "x" * MAX_BODY_BYTES), 1))


@SPEC("a log with a hostile row stops every verb with one sentence", section="Events from a log")
@pytest.mark.parametrize("verb", ["run", "replay", "inspect-state", "verify"])
@pytest.mark.parametrize(
    "body",
    [
        "'{\"at\":1,\"x\":' || replace(hex(zeroblob(30000)), '0', '[')",
        'replace(body, \'"price":"\', \'"price":"1E-99999999\')',
    ],
    ids=["nested", "tiny exponent"],
)
def test_verb_on_a_log_with_a_hostile_row_says_so_and_ends(copied: Path, verb: str, body: str) -> None:
    alter(copied, f"UPDATE event SET body = {body} WHERE tag = 'order_filled'", chained=True)
    options = ("-c", copied / "bot.yml", "--speed", "max") if verb == "run" else ("--state-dir", copied / "state")
    result = krypto(verb, *options)
    assert result.code == 6
    assert "Traceback" not in result.err
    assert len((result.out + result.err).splitlines()) < 200
    assert "cannot be read" in result.out + result.err
