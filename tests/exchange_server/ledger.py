"""The ledger: every request with its times and its fate, every order state and trade, as one JSON document.

Owns the record of requests and events. It is the truth that a test compares a client's log with. Never holds a secret
or a signature.
"""

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import msgspec

from tests.exchange_server.clock import wall_ms
from tests.exchange_server.rows import Row

_KEPT = 200_000


class Request(msgspec.Struct):
    """One request: when it came, was carried out and was answered (true time of the exchange), and how it ended.

    `wall_ms` is the time of this machine when it came. `carried_out_ms` is None if it never reached the exchange,
    `answered_ms` if the client got no complete answer.
    """

    number: int
    method: str
    path: str
    parameters: dict[str, str]
    came_ms: int
    wall_ms: int
    account: str | None = None
    fault: str | None = None
    carried_out_ms: int | None = None
    answered_ms: int | None = None
    status: int | None = None
    code: int | None = None


class Event(msgspec.Struct, frozen=True):
    """One event of a user stream, whether anybody listened or not."""

    at_ms: int
    account: str
    event: Row


class Ledger:
    """What was asked and told. Requests and events are kept up to a number, counts for ever."""

    def __init__(self) -> None:
        """Start empty."""
        self.requests: deque[Request] = deque(maxlen=_KEPT)
        self.events: deque[Event] = deque(maxlen=_KEPT)
        self.calls: Counter[str] = Counter()
        self._number = 0

    def came(self, method: str, path: str, parameters: Mapping[str, str], at_ms: int) -> Request:
        """Note a request that has just come."""
        self._number += 1
        self.calls[f"{method} {path}"] += 1
        shown = {name: value for name, value in parameters.items() if name != "signature"}
        request = Request(self._number, method, path, shown, at_ms, wall_ms())
        self.requests.append(request)
        return request


def document(parts: Mapping[str, Any]) -> bytes:
    """Write parts of the exchange as JSON; amounts become strings."""
    return msgspec.json.encode(parts)
