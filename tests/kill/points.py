"""The boundaries of a tick, and death at one of them.

Owns the wrappers around the ports of a session: the log, its thread, its witness, the publication, the gateway, the
state file. A session either notes every boundary it passes or dies by SIGKILL at the one it was told. The engine
itself knows nothing of it: all is put around it in the process that is going to die.
"""

import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from engine.core.config import BotConfig
from engine.exchanges.port import Gateway
from engine.runtime import journal, projection_writer, supervisor
from engine.runtime.bootstrap import paper_gateway
from engine.runtime.feed_stream import FeedStream
from engine.store import medium
from engine.store.port import Batch, Checkpoint
from engine.store.sqlite import SqliteLog

FEED_PREFIX: Final = "feed:"


class Point(msgspec.Struct, frozen=True):
    """A boundary: what was about to happen or had just happened, and when.

    `feed` and `sequence` say how far which feed had come, so that a session started later meets the same point again;
    `ordinal` counts the boundaries of that kind since that price.
    """

    kind: str
    feed: str
    sequence: int
    ordinal: int


class Points:
    """What a session passes. With a `target` it dies at the first boundary of that kind at or after it."""

    def __init__(self, *, target: Point | None = None, number: int | None = None) -> None:
        """Take where to die: at a point, at the boundary of a number, or nowhere."""
        self.passed: Final[list[Point]] = []
        self._target: Final = target
        self._number: Final = number
        self._sequences: Final[dict[str, int]] = {}
        self._counts: Final[Counter[str]] = Counter()
        self._feed = ""

    def reach(self, feed: str, sequence: int) -> None:
        """Note how far a feed has come."""
        self._feed = feed
        self._sequences[feed] = sequence
        self._counts.clear()

    def cross(self, kind: str) -> None:
        """Pass a boundary, or die at it."""
        self._counts[kind] += 1
        point = Point(kind, self._feed, self._sequences.get(self._feed, 0), self._counts[kind])
        self.passed.append(point)
        if len(self.passed) == self._number or (self._target is not None and self._is_target(point)):
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_target(self, point: Point) -> bool:
        target = self._target
        assert target is not None
        reached = self._sequences.get(target.feed, 0)
        if point.kind != target.kind or reached < target.sequence:
            return False
        return reached > target.sequence or point.feed != target.feed or point.ordinal >= target.ordinal

    def gateway(self, config: BotConfig, feed: FeedStream) -> Gateway:
        """Give a bot its paper account, with boundaries around every question to it."""
        return _Gateway(paper_gateway(config, feed), self)

    def install(self) -> None:
        """Put the boundaries around the ports of this process."""
        points = self

        class Log(_Log):
            crossed = points

        supervisor.SqliteLog = Log  # type: ignore[attr-defined]
        _around(journal.Journal, "_publish", self, "publish")
        _around(medium, "_write", self, "witness")
        _around(projection_writer, "replace_file", self, "state file")
        _around(Path, "replace", self, "rename")


def _around(owner: Any, name: str, points: Points, kind: str) -> None:
    """Put a boundary before and after a function of a class or a module."""
    inner = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        points.cross(f"before {kind}")
        result = inner(*args, **kwargs)
        points.cross(f"after {kind}")
        return result

    setattr(owner, name, wrapped)


class _Log(SqliteLog):
    """The log, with boundaries around appending, around every statement on its thread, and at its end."""

    crossed: Points

    @classmethod
    async def open(cls, directory: Path, **options: Any) -> Self:
        log = await super().open(directory, **options)
        connection, points = log._connection, cls.crossed
        execute: Callable[..., Awaitable[Any]] = connection._execute

        async def on_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            kind = str(args[0]).split()[0] if args and isinstance(args[0], str) else "other"

            def between() -> Any:
                points.cross(f"before {kind}")
                result = function(*args, **kwargs)
                points.cross(f"after {kind}")
                return result

            return await execute(between)

        connection._execute = on_thread  # type: ignore[method-assign,assignment]
        return log

    def append(self, batches: Sequence[Batch], *, urgent: bool) -> Any:
        feed = next((batch for batch in batches if batch.stream.startswith(FEED_PREFIX)), None)
        kind = "append of a bot" if feed is None else "append of a feed"
        if feed is not None:
            self.crossed.reach(feed.stream, feed.expected_sequence + len(feed.entries))
        self.crossed.cross(f"before {kind}")
        future = super().append(batches, urgent=urgent)
        self.crossed.cross(f"after {kind}")
        return future

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        self.crossed.cross("before checkpoint")
        super().save_checkpoint(checkpoint)
        self.crossed.cross("after checkpoint")

    async def close(self) -> None:
        self.crossed.cross("before close")
        await super().close()
        self.crossed.cross("after close")


class _Gateway:
    """A gateway with boundaries around every question."""

    def __init__(self, inner: Gateway, points: Points) -> None:
        self._inner = inner
        self._points = points

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name in {"create", "query", "cancel", "balances"}:

            async def asked(*args: Any) -> Any:
                self._points.cross(f"before {name}")
                answer = await value(*args)
                self._points.cross(f"after {name}")
                return answer

            return asked
        return value
