"""What is put to the decoding of events: a body gives a sound row that encodes back to itself, or a typed fault.

Owns the properties of a row's body. Never writes a log.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import msgspec

from engine.core.errors import LogDamagedError
from engine.core.instants import iso_utc
from engine.core.units import MAX_AMOUNT
from engine.store.codec import MAX_BODY_BYTES, Body, decode, encode, genesis, link, recorded_at
from engine.store.port import Entry
from engine.store.recorded import recorded
from tests.fuzz.target import Target

STREAM = "bot:fuzz"
LONGEST_NUMBER = MAX_BODY_BYTES + 128


@contextmanager
def events() -> Iterator[Target]:
    """Give the target: bytes are taken for a body, and for a row of a stored stream."""
    yield _put


def _put(data: bytes) -> None:
    row = _decoded(data)
    try:
        at_ms = recorded_at(data, STREAM, 1)
    except LogDamagedError:
        assert row is None, "a body that can be read tells no time"
    else:
        assert row is None or row.at == at_ms
    _read_as_stored(data, row)
    if row is None:
        return
    assert iso_utc(row.at)
    check_numbers(msgspec.to_builtins(row.e, builtin_types=(Decimal,)))
    if len(data) < MAX_BODY_BYTES // 8:  # a float may take more bytes than it did
        again = encode(Entry(row.e, row.at, row.cause))
        assert decode(again, STREAM, 1) == row, again


def _decoded(data: bytes) -> Body | None:
    try:
        return decode(data, STREAM, 1)
    except LogDamagedError:
        return None


def _read_as_stored(data: bytes, row: Body | None) -> None:
    """Read the body twice more as rows of a file: with its checksum, and with a checksum that is not its own."""
    before = genesis(STREAM)
    for checksum, is_right in ((link(before, data), True), (link(before, data + b" "), False)):
        page = [(1, 7, 1, data, checksum, b"tag")]
        try:
            (found,) = recorded([page], {7: STREAM}, {7: 1}, lambda _stream, _sequence: before)
        except LogDamagedError:
            assert row is None or not is_right
        else:
            assert is_right
            assert row is not None
            assert (found.event, found.at_ms, found.cause) == (row.e, row.at, row.cause)


def check_numbers(value: Any, name: str = "") -> None:
    """Assert that every number in a value is finite and bounded, and can be written out in a short text."""
    match value:
        case bool() | None | str():
            return
        case Decimal():
            assert value.is_finite(), value
            assert abs(value) <= MAX_AMOUNT, value
            assert len(f"{value:f}") <= LONGEST_NUMBER, value.as_tuple().exponent
        case int():
            assert str(value)
            assert not name.endswith("_ms") or iso_utc(value)
        case float():
            assert abs(value) < float("inf"), value
        case dict():
            for key, inner in value.items():
                check_numbers(inner, key)
        case list() | tuple():
            for inner in value:
                check_numbers(inner)
        case _:
            raise AssertionError(value)
