"""Benchmark: what folding a bot costs over reading it.

The floor scans the rows with the log's own reader and decodes each as the log does; the contenders are what a start
without a checkpoint does with the same rows. A bot's life is its own stream and that of its feed.
"""

import statistics
from operator import truediv
from pathlib import Path

import msgspec

from engine.core.identity import bot_stream
from engine.runtime.replica import bot_ids, restore_bot, restore_view
from engine.store.codec import Body, decode
from engine.store.port import Checkpoint
from engine.store.reader import LogReader
from tests.perf.engines import day_log
from tests.perf.figures import Figure
from tests.perf.pairing import FLOOR, LEAST_PAIRS, in_pairs


class _Unhelped(LogReader):
    """A log without checkpoints: everything is folded from its beginning."""

    def checkpoint(self, stream: str, schema: str) -> Checkpoint | None:
        """Give none."""
        del stream, schema


def bench(directory: Path, scale: int) -> list[Figure]:
    """Measure reading, folding, and folding with checksums."""
    with _Unhelped.open(day_log(directory)) as reader:
        (bot_id,) = bot_ids(reader)
        feed = next(name for name in reader.streams() if name != bot_stream(bot_id))
        parts = {"bot": (bot_stream(bot_id),), "feed": (feed,), "life": (bot_stream(bot_id), feed)}
        bare_decode = msgspec.json.Decoder(Body).decode

        def scan(*streams: str) -> None:
            for stream in streams:
                for page in reader.pages(stream):
                    for _, _, sequence, body, _, _ in page:
                        decode(body, stream, sequence)

        def scan_bare(*streams: str) -> None:
            for stream in streams:
                for page in reader.pages(stream):
                    for row in page:
                        bare_decode(row[3])

        def fold(*streams: str, verified: bool = False) -> list[object]:
            return [
                restore_view(reader, stream, verified=verified)
                if stream == feed
                else restore_bot(reader, bot_id, verified=verified)
                for stream in streams
            ]

        assert fold(*parts["life"]) == fold(*parts["life"], verified=True)
        rounds = LEAST_PAIRS * scale
        measured = {
            name: in_pairs(
                {
                    FLOOR: lambda streams=streams: scan(*streams),
                    "bare": lambda streams=streams: scan_bare(*streams),
                    "fold": lambda streams=streams: fold(*streams),
                    "verified": lambda streams=streams: fold(*streams, verified=True),
                },
                rounds,
            )
            for name, streams in parts.items()
        }
        rows = {name: sum(reader.head(stream).sequence for stream in streams) for name, streams in parts.items()}
    life, bare = measured["life"], measured["life"]["bare"]
    strict = statistics.median(map(truediv, life["fold"].samples, bare.samples))
    each = min(life["fold"].samples) / rows["life"] * 1e6
    return [
        Figure(name="fold of a bot and its feed", measured=life["fold"].ratio, at_most=1.8, note="of scan + decode"),
        Figure(name="the same, verified", measured=life["verified"].ratio, at_most=3.0, note=life["verified"].span),
        Figure(name="fold, strict", measured=strict, note="of scan + bare msgspec, amounts unchecked"),
        Figure(
            name="fold of the bot's stream alone", measured=measured["bot"]["fold"].ratio, note=f"{rows['bot']} rows"
        ),
        Figure(name="fold of the feed's alone", measured=measured["feed"]["fold"].ratio, note=f"{rows['feed']} rows"),
        Figure(name="fold, an event", measured=each, unit="µs", note=f"CPU, {rows['life']} events"),
    ]
