"""What goes wrong on purpose: faults of answers and of streams, as values, and the plan that says whose turn it is.

Owns the choice, which follows from the seed and the number of requests seen alone. Never touches a socket; rest.py and
connections.py carry the faults out.
"""

import hashlib
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

Kind = Literal[
    "late",
    "drop",
    "hang",
    "cut",
    "empty",
    "html",
    "status",
    "error",
    "rate_limit",
    "ban",
    "repeat_rows",
    "shuffle_rows",
    "lose_rows",
]
Action = Literal["close", "abort", "silence", "freeze", "terminate", "repeat", "swap", "lose", "resume"]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault of requests whose "METHOD /path" matches the pattern `on`.

    It leaves the first `skip` of them alone and strikes `times` of the others (None: all), each with probability
    `rate`. `when` says whether the request still reaches the exchange. `delay_ms` holds the request back before it is
    checked and matched, `answer_delay_ms` holds back the answer; both in the exchange's time.

    late: only the delays. drop: the connection closes unanswered. hang: no answer, the connection stays. cut: half of
    the body, then the connection closes. empty, html: status 200 with nothing, or a web page. status: the HTTP `status`
    with a web page. error: the error `code` and `message` with the HTTP `status`. rate_limit, ban: 429 or 418 with
    `retry_after_s`, always before; a ban holds for all requests until then. repeat_rows, shuffle_rows, lose_rows: a
    list comes with every row twice, in another order, or without every third. A websocket is refused by any of them.
    """

    kind: Kind
    on: str = "POST /api/v3/order"
    when: Literal["before", "after"] = "after"
    skip: int = 0
    times: int | None = 1
    rate: float = 1.0
    delay_ms: int = 0
    answer_delay_ms: int = 0
    status: int = 500
    code: int = -1007
    message: str = ""
    retry_after_s: int = 1

    @property
    def reaches_exchange(self) -> bool:
        """Tell whether the request is still carried out."""
        always = ("late", "repeat_rows", "shuffle_rows", "lose_rows")
        return self.kind in always or (self.when == "after" and self.kind not in {"rate_limit", "ban"})


class StreamFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault of websocket connections, struck `after_messages` of a connection, on the first `times` of them.

    close: a proper close with `code`. abort: the socket goes away. silence: nothing more is sent, pings are answered.
    freeze: half-open, nothing is sent or read. terminate: a user stream says that it ends and goes silent. repeat:
    every message comes twice. swap: neighbours change places. lose: every second message is lost. resume: all is well
    again.
    """

    action: Action
    on: Literal["market", "user", "*"] = "*"
    after_messages: int = 0
    times: int | None = 1
    code: int = 1001


class FaultPlan:
    """Say, request by request, which fault strikes. The first fault in the list that is due wins."""

    def __init__(self, seed: str, faults: tuple[Fault, ...] = ()) -> None:
        """Start with the faults of a script."""
        self._seed = seed
        self._faults: list[Fault] = []
        self._seen: list[int] = []
        self._struck: list[int] = []
        self.add(*faults)

    def add(self, *faults: Fault) -> None:
        """Put faults at the end of the list."""
        self._faults += faults
        self._seen += [0] * len(faults)
        self._struck += [0] * len(faults)

    def clear(self) -> None:
        """End all faults."""
        self._faults, self._seen, self._struck = [], [], []

    def next(self, method: str, path: str) -> Fault | None:
        """Count a request and give the fault that strikes it, if any."""
        chosen = None
        for index, fault in enumerate(self._faults):
            if not fnmatchcase(f"{method} {path}", fault.on):
                continue
            self._seen[index] += 1
            if chosen is None and self._is_due(index, fault):
                self._struck[index] += 1
                chosen = fault
        return chosen

    def struck(self) -> list[int]:
        """Count how often each fault has struck, in the order of the list."""
        return list(self._struck)

    def _is_due(self, index: int, fault: Fault) -> bool:
        if self._seen[index] <= fault.skip or (fault.times is not None and self._struck[index] >= fault.times):
            return False
        return fault.rate >= 1 or chance(f"{self._seed}/fault/{index}/{self._seen[index]}") < fault.rate


def chance(key: str) -> float:
    """Draw a number from 0 to below 1 that depends on the key alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6]) / 2**48


def reordered(rows: list[Any], key: str) -> list[Any]:
    """Give the rows in an order that depends on the key alone, and is never the one they came in if it can differ."""
    mixed = [row for _, row in sorted(enumerate(rows), key=lambda pair: chance(f"{key}/{pair[0]}"))]
    return mixed[::-1] if mixed == rows else mixed
