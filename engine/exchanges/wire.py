"""What one call put on the wire and what came back: the only proof there is of what happened to an order.

Owns the record of a call, which follows the call through tasks and libraries by a context variable, and what can be
read off an answer. Never sends anything and keeps no request: those hold signatures.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import msgspec

from engine.core.instants import DAY_MS

SILENT_STATUSES: Final = frozenset({418, 429})
DEFAULT_SILENCE_MS: Final = 60_000
MAX_SILENCE_MS: Final = 3 * DAY_MS
"""The longest ban there is (Binance)."""

MAX_PAUSE_MS: Final = 300_000
"""An exchange that is away is asked again after this much at the latest, whatever the page in its place says."""

_DIGITS: Final = 18
_BAN: Final = re.compile(r"banned until (\d{13})\b")


class Answer(msgspec.Struct, frozen=True):
    """One whole answer: HTTP status, body, and headers by their names in lower case."""

    status: int
    body: str
    headers: Mapping[str, str] = {}

    @property
    def error(self) -> Mapping[str, Any]:
        """Give the object that the body is, or nothing."""
        try:
            decoded = msgspec.json.decode(self.body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return {}
        return decoded if isinstance(decoded, dict) else {}

    @property
    def code(self) -> str | None:
        """Give the error code that the body names, if it names one."""
        code = self.error.get("code")
        return str(code) if isinstance(code, int | str) else None

    @property
    def message(self) -> str:
        """Give the words of an error, or nothing."""
        words = self.error.get("msg", self.error.get("message", ""))
        return words if isinstance(words, str) else ""

    def silence_ms(self, exchange_ms: int) -> int | None:
        """Tell how long the exchange wants silence, in milliseconds; None if it does not.

        `exchange_ms` is the time on the exchange's clock, which bans are told in.
        """
        told = self.headers.get("retry-after", "").strip()
        is_limit = self.status in SILENT_STATUSES
        if not is_limit and not (told and self.status >= 400):  # noqa: PLR2004 - HTTP errors
            return None
        seconds = int(told[:_DIGITS]) if told.isascii() and told.isdigit() else None
        if seconds is not None:
            return min(seconds * 1_000, MAX_SILENCE_MS if is_limit else MAX_PAUSE_MS)
        ban = _BAN.search(self.body) if is_limit else None
        wanted = DEFAULT_SILENCE_MS if ban is None else int(ban[1]) - exchange_ms
        return min(max(wanted, DEFAULT_SILENCE_MS), MAX_SILENCE_MS)


class Record:
    """What left during a call, by method, and the whole answers; an answer that was cut or never came is None."""

    def __init__(self) -> None:
        """Start with nothing sent."""
        self.methods: list[str] = []
        self.answers: list[Answer | None] = []
        self._left_ms = 0
        self._came_ms = 0

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was even about to leave: the only proof that an order was not sent."""
        return not self.methods

    @property
    def writes(self) -> int:
        """Count the requests that may have changed something."""
        return sum(method != "GET" for method in self.methods)

    @property
    def last(self) -> Answer | None:
        """Give the answer to the last request, None if it did not come whole."""
        return self.answers[-1] if self.answers else None

    @property
    def middle_ms(self) -> int:
        """Give the middle of the last request's way there and back."""
        return (self._left_ms + self._came_ms) // 2

    def leaving(self, method: str, at_ms: int) -> None:
        """Note that a request is about to leave."""
        self._left_ms = self._came_ms = at_ms
        self.methods.append(method.upper())
        self.answers.append(None)

    def answered(self, answer: Answer, at_ms: int) -> None:
        """Note the answer to the last request."""
        self._came_ms = at_ms
        if self.answers:
            self.answers[-1] = answer


_RECORD: ContextVar[Record | None] = ContextVar("krypto_engine_wire", default=None)


def current() -> Record | None:
    """Give the record of the call that this code runs for."""
    return _RECORD.get()


@contextmanager
def recorded() -> Iterator[Record]:
    """Record what is sent within, by this task and those that it starts."""
    record = Record()
    token = _RECORD.set(record)
    try:
        yield record
    finally:
        _RECORD.reset(token)
