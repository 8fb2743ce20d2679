"""The boundaries of the order protocol on a real exchange, and death at one of them.

Owns the wrappers around the log, the witness, the wire and the reconciliation of a session, put there in the process
that is going to die; the engine itself knows nothing of it. A session dies by SIGKILL when it has passed a boundary of
one kind often enough.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.runtime.journal import Journal
from engine.runtime.live_duties import LiveDuties
from engine.runtime.reconciliation import Reconciler
from engine.store.port import Batch
from engine.store.sqlite import SqliteLog

WRITTEN: Final = {
    "OrderRequested": "intent",
    "OrderSent": "sent",
    "OrderAccepted": "outcome",
    "OrderRejected": "outcome",
    "OrderOutcomeUnknown": "outcome",
    "OrderFilled": "fill",
    "OrderCancelRequested": "cancel request",
    "OrderCanceled": "end",
    "OrderExpired": "end",
}
"""What is written, by event; a batch is called after the last of its events in this order."""

ASKED: Final = {
    ("POST", "/order"): "create",
    ("GET", "/order"): "query",
    ("DELETE", "/order"): "cancel",
    ("GET", "/myTrades"): "trades",
    ("GET", "/openOrders"): "open orders",
    ("GET", "/account"): "balances",
}
STEPS: Final = {
    "identify": "identity",
    "_compare": "comparison",
    "_look_at_trades": "look at trades",
    "_survey": "survey",
    "_look_at_balances": "look at balances",
}
AIR: Final = "create in the air"

KINDS: Final = (
    *(f"{when} {what}" for what in dict.fromkeys(WRITTEN.values()) for when in ("before", "after", "durable")),
    "before witness",
    "after witness",
    *(f"{when} {what}" for what in ("create", "query", "cancel") for when in ("leaving", "answered")),
    *(3 * (AIR,)),
    *(f"start-up: {when} {what}" for what in ("identity", "open orders", "trades", "query") for when in ("leaving",)),
    *(f"start-up: {when} {what}" for what in STEPS.values() for when in ("before", "after")),
    *(f"start-up: {when} {what}" for what in ("outcome", "fill", "end") for when in ("before", "durable")),
)
"""Where a session may be told to die; the same more than once is told more often."""


class Target(msgspec.Struct, frozen=True):
    """A boundary to die at: the kind, at which passing of it, and (in the air) how many seconds after it.

    With `stall_s` the whole process stands still there for so long, and lives on.
    """

    kind: str
    ordinal: int = 1
    delay_s: float = 0.0
    stall_s: float = 0.0


class Points:
    """What a session passes, until it dies."""

    def __init__(self, target: Target) -> None:
        """Take where to die."""
        self._target: Final = target
        self._counts: Final[Counter[str]] = Counter()
        self._is_starting = True

    def cross(self, kind: str) -> None:
        """Pass a boundary, or die at it."""
        kinds = (kind, f"start-up: {kind}") if self._is_starting else (kind,)
        for each in kinds:
            self._counts[each] += 1
            if each == self._target.kind and self._counts[each] == self._target.ordinal:
                self._arrive()

    def _arrive(self) -> None:
        if self._target.stall_s:
            time.sleep(self._target.stall_s)
        elif self._target.delay_s:
            asyncio.get_running_loop().call_later(self._target.delay_s, _die)
        else:
            _die()

    def install(self) -> None:
        """Put the boundaries around what this process is made of."""
        self._around_log()
        self._around_wire()
        _around(SqliteLog, "cover", self, "before witness", "after witness")
        for name, step in STEPS.items():
            _around(Reconciler, name, self, f"before {step}", f"after {step}")
        get_ready: Callable[..., Any] = LiveDuties._get_ready

        async def ready(duties: LiveDuties) -> None:
            await get_ready(duties)
            self._is_starting = False

        _put(LiveDuties, "_get_ready", ready)

    def _around_log(self) -> None:
        append, publish = SqliteLog.append, Journal._publish

        def appended(log: SqliteLog, batches: Sequence[Batch], *, urgent: bool) -> Any:
            name = _named(batches)
            self.cross(f"before {name}")
            future = append(log, batches, urgent=urgent)
            self.cross(f"after {name}")
            return future

        def published(journal: Journal, done: Any, publishers: Any, batches: Sequence[Batch]) -> None:
            self.cross(f"durable {_named(batches)}")
            publish(journal, done, publishers, batches)

        _put(SqliteLog, "append", appended)
        _put(Journal, "_publish", published)

    def _around_wire(self) -> None:
        hook = CcxtConnection._hook

        def hooked(connection: CcxtConnection) -> None:
            hook(connection)
            fetch = connection.ccxt.fetch

            async def fetched(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
                name = ASKED.get((method, "/" + url.partition("?")[0].rpartition("/")[2]), "other")
                self.cross(f"leaving {name}")
                if name == "create":
                    self.cross(AIR)
                try:
                    return await fetch(url, method, headers, body)
                finally:
                    self.cross(f"answered {name}")

            connection.ccxt.fetch = fetched

        _put(CcxtConnection, "_hook", hooked)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _named(batches: Sequence[Batch]) -> str:
    there = {type(entry.event).__name__ for batch in batches for entry in batch.entries}
    return next((name for kind, name in reversed(WRITTEN.items()) if kind in there), "other")


def _put(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


def _around(owner: Any, name: str, points: Points, before: str, after: str) -> None:
    inner: Callable[..., Any] = getattr(owner, name)

    async def wrapped(*arguments: Any, **details: Any) -> Any:
        points.cross(before)
        result = await inner(*arguments, **details)
        points.cross(after)
        return result

    _put(owner, name, wrapped)
