"""The bytes of the log: how an event becomes a row's body, how a body becomes an event, and how bodies are chained.

Owns the format of the body and of the chain. A body is JSON that any tool can read:
`{"at":<ms>,"v":<version>,"cause":[<stream>,<sequence>],"e":{"type":<tag>,…}}`, where version 1 and no cause are left
out. Never reads or writes a file.
"""

from functools import cache
from typing import TYPE_CHECKING, Final, get_args

import msgspec

from engine.core.errors import LogDamagedError, LogTooNewError
from engine.core.events import AnyEvent, Cause, Event
from engine.core.units import LATEST_MS
from engine.store.amounts import sound
from engine.store.port import Entry
from engine.store.upcasts import UPCASTERS, Upcasters

if TYPE_CHECKING:
    import hashlib

MAX_BODY_BYTES: Final = 64 * 1024
CHECKSUM_BYTES: Final = 16
EVENT_TYPES: Final[dict[str, type[Event]]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyEvent)}

_TAGS: Final = {kind: tag for tag, kind in EVENT_TYPES.items()}
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, TypeError, LookupError, AttributeError, RecursionError)


class Body(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What one row says: the recorded time in milliseconds, the payload's version, the cause and the event."""

    at: int
    v: int = 1
    cause: Cause | None = None
    e: AnyEvent


class _Time(msgspec.Struct):
    at: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Body).decode
_decode_time = msgspec.json.Decoder(_Time).decode


@cache
def _blake2b() -> "type[hashlib.blake2b]":
    """Load the hash when first asked for: hashlib brings OpenSSL, and a look at a log needs neither."""
    from hashlib import blake2b

    return blake2b


def genesis(stream: str) -> bytes:
    """Give the checksum before the first event of a stream."""
    return _blake2b()(stream.encode(), digest_size=CHECKSUM_BYTES, person=b"krypto-log").digest()


def link(previous: bytes, body: bytes) -> bytes:
    """Give the checksum of a row from the checksum before it and exactly its stored bytes."""
    return _blake2b()(previous + body, digest_size=CHECKSUM_BYTES).digest()


def tag_of(event: Event) -> str:
    """Give the tag that an event is stored under."""
    return _TAGS[type(event)]


def encode(entry: Entry) -> bytes:
    """Give the body of an entry.

    Asserts that the engine logs nothing it could not read back: amounts are finite and bounded, a body fits in 64 KB.
    """
    event = entry.event
    assert sound(event), event
    body = _encode(Body(at=entry.at_ms, v=event.version, cause=entry.cause, e=event))  # type: ignore[arg-type]
    assert len(body) <= MAX_BODY_BYTES, f"{tag_of(event)} takes {len(body)} bytes"
    return body


def decode(body: bytes, stream: str, sequence: int, upcasters: Upcasters = UPCASTERS) -> Body:
    """Give what a body says, in today's shapes.

    Raises LogTooNewError for a tag or a version that this program does not know, and LogDamagedError for anything
    else that it cannot read.
    """
    try:
        row = _decode(body)
        event = row.e
        if row.v == event.version and 0 <= row.at <= LATEST_MS and len(body) <= MAX_BODY_BYTES and sound(event):
            return row
    except _UNREADABLE:
        pass
    return _decode_slowly(body, stream, sequence, upcasters)


def recorded_at(body: bytes, stream: str, sequence: int) -> int:
    """Give the recorded time of a body, whether or not its event is known. Raises LogDamagedError."""
    try:
        at_ms = _decode_time(body).at
    except _UNREADABLE as error:
        raise _damaged(stream, sequence, str(error)) from error
    if not 0 <= at_ms <= LATEST_MS:
        raise _damaged(stream, sequence, f"its time is {at_ms}")
    return at_ms


def _decode_slowly(body: bytes, stream: str, sequence: int, upcasters: Upcasters) -> Body:
    """Read a body that is not of today's shape: lift an older one, or say what is wrong."""
    try:
        if len(body) > MAX_BODY_BYTES:
            raise _damaged(stream, sequence, f"it has {len(body)} bytes, of {MAX_BODY_BYTES} allowed")
        raw = msgspec.json.decode(body)
        payload, version = raw["e"], raw.get("v", 1)
        tag = payload["type"]
        while (tag, version) in upcasters:
            payload = upcasters[tag, version](payload)
            tag, version = payload["type"], version + 1
        kind = EVENT_TYPES.get(tag)
        if kind is None or version > kind.version:
            raise LogTooNewError(
                f"event {sequence} of {stream} is {tag!r} version {version}, which this program does not know: a newer "
                "version wrote this log; run that version, or a later one"
            )
        row = _decode(_encode(raw | {"e": payload, "v": version}))
    except _UNREADABLE as error:
        raise _damaged(stream, sequence, str(error) or type(error).__name__) from error
    if version < kind.version:
        raise _damaged(stream, sequence, f"nothing lifts {tag!r} from version {version} to {kind.version}")
    if not 0 <= row.at <= LATEST_MS:
        raise _damaged(stream, sequence, f"its time is {row.at}")
    if not sound(row.e):
        raise _damaged(stream, sequence, f"{tag!r} holds a number that is not finite or out of bounds")
    return row


def _damaged(stream: str, sequence: int, why: str) -> LogDamagedError:
    return LogDamagedError(
        f"event {sequence} of {stream} cannot be read: {why}; the log is damaged: stop the engine, then krypto-engine "
        "recover"
    )
