"""The commit queue: what many tasks append becomes few durable commits, made one at a time by one task.

Owns when a commit happens and who is told. Never knows what a commit is: the store passes in the function that writes.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from engine.core.errors import EngineError, StorageError
from engine.store.chains import Group
from engine.store.port import Checkpoint

MAX_ROWS_A_COMMIT: Final = 1_000
LINGER_S: Final = 1.0


class Commit(msgspec.Struct, frozen=True):
    """What one commit makes durable: whole groups, and checkpoints."""

    groups: list[Group]
    checkpoints: list[Checkpoint]


class _Waiting(msgspec.Struct, frozen=True):
    group: Group
    done: asyncio.Future[int]
    position: int


_NOTHING: Final = Group([], [])


class CommitQueue:
    """Collects groups and writes them, urgent ones at once.

    While one commit is under way the next one gathers: no timer holds an urgent group back. The queue is dead after
    the first fault: the outcome of what waited is unknown, and everything later raises that same fault.
    Source: design, "Storage" and "A tick, stop by stop" 6.
    """

    def __init__(
        self,
        write: Callable[[Commit], Awaitable[None]],
        linger: Callable[[float], Awaitable[None]],
    ) -> None:
        """Start the task. `write` makes a commit durable, `linger` waits for seconds."""
        self.pending_rows = 0
        self.commits = 0
        self._write = write
        self._linger = linger
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Waiting] = deque()
        self._checkpoints: dict[str, Checkpoint] = {}
        self._put = 0
        self._written = 0
        self._hurry = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._fault: EngineError | None = None
        # The queue outlives every task group of the engine: what those still append while they end must be written.
        self._task = self._loop.create_task(self._run())
        self._rider_timer: asyncio.Task[None] | None = None

    @property
    def is_dead(self) -> bool:
        """Tell whether a fault ended the queue."""
        return self._fault is not None

    def check(self) -> None:
        """Raise the fault that the queue died of, if it did."""
        if self._fault is not None:
            raise self._fault
        assert not self._closing, "the log is closed"

    def put(self, group: Group, position: int, *, urgent: bool) -> asyncio.Future[int]:
        """Queue a group; the future gives `position` once the group is durable."""
        done: asyncio.Future[int] = asyncio.Future(loop=self._loop)
        self._waiting.append(_Waiting(group, done, position))
        self._put += 1
        self.pending_rows += len(group.rows)
        if urgent or self.pending_rows >= MAX_ROWS_A_COMMIT:
            self._hurry_all()
        elif self._rider_timer is None or self._rider_timer.done():
            self._rider_timer = self._loop.create_task(self._hurry_riders())
        return done

    def put_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Queue a checkpoint for the next commit; a later one of the same stream takes its place."""
        self._checkpoints[checkpoint.stream] = checkpoint

    async def flush(self) -> None:
        """Return once everything queued so far is durable, checkpoints too."""
        self.check()
        await self.put(_NOTHING, 0, urgent=True)

    async def close(self) -> None:
        """Write what is queued and end the task. Raises the fault if the last writing fails, not one known before."""
        if self._closing:
            return
        self._closing = True
        if self._fault is None:
            last = self.put(_NOTHING, 0, urgent=True)
            await asyncio.wait((self._task,))  # it goes on even if this closing is cancelled
            await last
        if self._rider_timer is not None:
            self._rider_timer.cancel()

    def _hurry_all(self) -> None:
        self._hurry = self._put
        if not self._wake.is_set():
            self._wake.set()

    async def _hurry_riders(self) -> None:
        await self._linger(LINGER_S)
        self._hurry_all()

    async def _run(self) -> None:
        try:
            while not (self._closing and self._written == self._put):
                await self._wake.wait()
                self._wake.clear()
                while self._written < self._hurry:
                    await self._commit()
                    await self._linger(0)  # those just woken join the next commit: half-filled ones would alternate
        except BaseException as error:  # whatever it was, nobody may wait for a task that has ended
            self._die(error)
            if not isinstance(error, Exception):
                raise

    async def _commit(self) -> None:
        taken = self._take()
        commit = Commit([waiting.group for waiting in taken], list(self._checkpoints.values()))
        self._checkpoints.clear()
        rows = sum(len(group.rows) for group in commit.groups)
        if rows or commit.checkpoints:
            try:
                await self._write(commit)
            except BaseException:
                self._waiting.extendleft(reversed(taken))  # they learn of the fault with the others
                raise
            self.commits += 1
        self.pending_rows -= rows
        self._written += len(taken)
        for waiting in taken:
            if not waiting.done.done():  # a waiter that was cancelled has cancelled its future
                waiting.done.set_result(waiting.position)

    def _take(self) -> list[_Waiting]:
        """Take groups from the front up to the limit of rows; a group is never split, however large."""
        taken: list[_Waiting] = []
        rows = 0
        while self._waiting and (not taken or rows + len(self._waiting[0].group.rows) <= MAX_ROWS_A_COMMIT):
            taken.append(self._waiting.popleft())
            rows += len(taken[-1].group.rows)
        return taken

    def _die(self, error: BaseException) -> None:
        fault = error if isinstance(error, EngineError) else StorageError(f"the log stopped unexpectedly: {error!r}")
        self._fault = fault
        while self._waiting:
            done = self._waiting.popleft().done
            if not done.done():
                done.set_exception(fault)
                done.exception()  # counts as retrieved: one that nobody waits for must not make noise
