"""What is hung into an instance of ccxt: the engine's time and pace, the wire's record, bounds, a doubt about nonsense.

Owns the places of ccxt that are replaced for requests; those for streams are in streams.py. Never imports ccxt.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from engine.core.errors import UnreachableError
from engine.exchanges import wire
from engine.exchanges.library_logs import redact
from engine.exchanges.pace import Pace

KEEP_ALIVE_MS: Final = 20_000
MOST_DIGITS: Final = 256
"""A number has no more digits before or after its point: the library would work on one of a million for minutes."""

_HTTP_OK: Final = range(200, 300)
_MUTE: Final = logging.Logger("ccxt", logging.WARNING)  # noqa: LOG001 - apart from the tree: it would log signatures


def settle(ccxt: Any, precise: Any) -> None:
    """Have ccxt give exact numbers, say nothing, ask nothing twice and refuse endless numbers; `precise` is theirs."""
    ccxt.number = str
    ccxt.logger = _MUTE
    ccxt.timeout_on_exit = 0
    ccxt.streaming = {**ccxt.streaming, "keepAlive": KEEP_ALIVE_MS}
    ccxt.options["maxRetriesOnFailure"] = 0
    parse_precision = ccxt.parse_precision

    def bounded_precision(told: Any) -> Any:
        if told is not None and abs(int(told)) > MOST_DIGITS:
            raise ValueError(f"{str(told)[:20]} digits are more than any number has")
        return parse_precision(told)

    ccxt.parse_precision = bounded_precision
    if not hasattr(precise.__init__, "__wrapped__"):
        precise.__init__ = _bounded(precise.__init__)


def _bounded(init: Callable[..., None]) -> Callable[..., None]:
    @wraps(init)
    def bounded(self: Any, number: Any, decimals: int | None = None) -> None:
        init(self, number, decimals)
        if abs(self.decimals) > MOST_DIGITS:
            raise ValueError("a number has more digits than any amount")

    return bounded


def hook(
    ccxt: Any,
    exchange: str,
    clock_ms: Callable[[], int],
    signing_ms: Callable[[], int],
    answered: Callable[[wire.Answer], None],
    scrub: Callable[[str], str],
) -> None:
    """Have ccxt sign by `signing_ms`, pace itself by a clock that never goes back, and refuse nonsense.

    Its wire is recorded by `clock_ms`, and every answer told. It is kept quiet, whatever its options say: it would
    print headers and bodies, keys among them. What it and others log from now on goes through `scrub`.
    """
    ccxt.verbose = False
    redact(scrub)
    fetch, on_rest_response, parse_json = ccxt.fetch, ccxt.on_rest_response, ccxt.parse_json

    async def recorded_fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        record = wire.current()
        if record is not None:
            record.leaving(method, clock_ms())
        return await fetch(url, method, headers, body)

    def noted_response(status: int, reason: str, url: str, method: str, headers: Any, body: str, *rest: Any) -> Any:
        answer = wire.Answer(status, body, {str(name).lower(): str(value) for name, value in headers.items()})
        record = wire.current()
        if record is not None:
            record.answered(answer, clock_ms())
        answered(answer)
        return on_rest_response(status, reason, url, method, headers, body, *rest)

    def sensible_json(text: str) -> Any:
        parsed, record = parse_json(text), wire.current()
        answer = None if record is None else record.last
        if parsed is None and answer is not None and answer.status in _HTTP_OK and answer.body.strip() == text:
            raise UnreachableError(f"{exchange} answered with something else than data.")
        return parsed

    ccxt.fetch, ccxt.on_rest_response, ccxt.parse_json = recorded_fetch, noted_response, sensible_json
    ccxt.throttler = Pace(ccxt.tokenBucket)
    ccxt.milliseconds = signing_ms
    ccxt.seconds = lambda: signing_ms() // 1_000
