"""Benchmark: what folding a bot costs over reading it.

The floor scans the rows with the log's own reader and decodes each as the log does; the contenders are what a start
without a checkpoint does with the same rows. A bot's life is its own stream and that of its feed.
"""

import statistics
from collections.abc import Iterator, Sequence
from operator import truediv
from pathlib import Path
from typing import Any

import msgspec

from engine.runtime.replica import BOT_PREFIX, restore_bot, restore_view
from engine.store.codec import Body, decode
from engine.store.port import Checkpoint, Recorded
from engine.store.reader import LogReader
from tests.perf.engines import day_log
from tests.perf.figures import Figure
from tests.perf.pairing import FLOOR, LEAST_PAIRS, Paired, in_pairs


class _Log(LogReader):
    """A log without checkpoints, of one bot and its feed: everything is folded from its beginning."""

    verified = False

    def read(self, stream: str | None = None, **where: Any) -> Iterator[Recorded]:
        """Read with the checksums, if they are wanted."""
        return super().read(stream, **{**where, "verified": self.verified})

    def checkpoint(self, stream: str, schema: str) -> Checkpoint | None:
        """Give none."""
        del stream, schema
        return None

    def scan(self, streams: Sequence[str]) -> None:
        """Read and decode as the log does."""
        for stream in streams:
            for page in self.pages(stream):
                for _, _, sequence, body, _, _ in page:
                    decode(body, stream, sequence)

    def scan_barely(self, streams: Sequence[str]) -> None:
        """Read and decode as little as can be: no amount is checked, no version looked at."""
        for stream in streams:
            for page in self.pages(stream):
                for row in page:
                    _bare_decode(row[3])

    def fold(self, streams: Sequence[str], *, verified: bool = False) -> list[object]:
        """Fold as a start does, or with each checksum computed again."""
        self.verified = verified
        return [
            restore_bot(self, stream.removeprefix(BOT_PREFIX))
            if stream.startswith(BOT_PREFIX)
            else restore_view(self, stream)
            for stream in streams
        ]


_bare_decode = msgspec.json.Decoder(Body).decode


def bench(directory: Path, scale: int) -> list[Figure]:
    """Measure reading, folding, and folding with checksums."""
    with _Log.open(day_log(directory)) as log:
        streams = log.streams()
        assert log.fold(streams) == log.fold(streams, verified=True)
        whole = _measured(log, streams, LEAST_PAIRS * scale)
        alone = {stream: _measured(log, [stream], LEAST_PAIRS * scale) for stream in streams}
        rows = {stream: log.head(stream).sequence for stream in streams}
    strict = statistics.median(map(truediv, whole["fold"].samples, whole["bare"].samples))
    each = min(whole["fold"].samples) / sum(rows.values()) * 1e6
    note = f"CPU {each:.1f} µs an event, {sum(rows.values()):,} events; {whole['fold'].span}"
    return [
        Figure(name="fold of scan + decode", measured=whole["fold"].ratio, at_most=1.8, note=note),
        Figure(name="verified fold of scan + decode", measured=whole["verified"].ratio, at_most=3.0),
        Figure(name="fold of scan + barest decode", measured=strict, note="amounts unchecked"),
        *(
            Figure(
                name=f"fold of the {stream.partition(':')[0]} alone",
                measured=pairs["fold"].ratio,
                note=f"{rows[stream]:,} events",
            )
            for stream, pairs in alone.items()
        ),
    ]


def _measured(log: _Log, streams: Sequence[str], rounds: int) -> dict[str, Paired]:
    return in_pairs(
        {
            FLOOR: lambda: log.scan(streams),
            "bare": lambda: log.scan_barely(streams),
            "fold": lambda: log.fold(streams),
            "verified": lambda: log.fold(streams, verified=True),
        },
        rounds,
    )
