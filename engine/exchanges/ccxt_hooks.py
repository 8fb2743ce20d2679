"""What is hung into an instance of ccxt: the engine's time and pace, the record of the wire, a doubt about nonsense.

Owns the places of ccxt that are replaced for requests; those for streams are in streams.py. Never imports ccxt.
"""

from collections.abc import Callable
from typing import Any, Final

from engine.core.errors import UnreachableError
from engine.exchanges import wire
from engine.exchanges.pace import Pace

_HTTP_OK: Final = range(200, 300)


def hook(
    ccxt: Any,
    exchange: str,
    clock_ms: Callable[[], int],
    signing_ms: Callable[[], int],
    answered: Callable[[wire.Answer], None],
) -> None:
    """Have ccxt sign by `signing_ms`, pace itself by a clock that never goes back, and refuse nonsense.

    Its wire is recorded by `clock_ms`, and every answer told.
    """
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
