"""A small log whose WAL is cut anywhere, or has a bit flipped: what is read is an exact beginning, or refused."""

import os
import shutil
from pathlib import Path

import pytest

from engine.core.errors import EngineError, LogDamagedError
from engine.store.port import Recorded
from engine.store.schema import LOG_NAME, WAL_NAME
from engine.store.sqlite import SqliteLog
from tests.store.helpers import FEED, append, contents, events, price, reopen, with_log, write_log

HEAD = 32
FRAME = 24 + 4_096
"""Bytes of a frame of a WAL: a head, and a page."""

ROWS = (3, 3, 3, 3, 4, 4, 5)
"""Rows that are read of so many whole frames: two frames are of the opening, two of each commit after it."""

FRAMES = len(ROWS) - 1


def small_wal(directory: Path, image: Path) -> list[Recorded]:
    """Write a log of 3 rows, and 2 more in a commit each that are still in its WAL; give all, and a crash image."""
    write_log(directory, rounds=1)

    async def work(log: SqliteLog) -> None:
        for number in (2, 3):
            await append(log, FEED, price(number))
        await log.cover(5)
        shutil.copytree(directory, image)

    with_log(directory, work)
    return events(directory)


def left_after_a_crash(image: Path) -> list[Recorded] | None:
    """Give what is read of the files of a crash, None if they are refused."""
    (image / f"{LOG_NAME}-shm").unlink(missing_ok=True)
    try:
        return events(image)
    except EngineError:
        return None


def cuts(frame: int) -> range:
    """Give the lengths, longest first, to which the WAL is cut in a frame; 0 is its head, before the first frame."""
    end = HEAD + frame * FRAME
    return range(end, end - (FRAME if frame else HEAD + 1), -1)


@pytest.mark.spec("a WAL cut at any byte leaves an exact beginning, to whole commits", section="decision 12")
@pytest.mark.parametrize("frame", range(FRAMES + 1))
def test_wal_cut_at_every_byte_leaves_an_exact_beginning_which_the_engine_refuses(tmp_path: Path, frame: int) -> None:
    """Cut a WAL in its head (0) or in one of its six frames, of which the last two are the last commit."""
    image = tmp_path / "image"
    written = small_wal(tmp_path / "log", image)
    whole = (image / WAL_NAME).stat().st_size
    assert whole == HEAD + FRAMES * FRAME
    for length in cuts(frame):
        os.truncate(image / WAL_NAME, length)
        left = left_after_a_crash(image)
        assert left == written[: ROWS[max(length - HEAD, 0) // FRAME]], length
        if length < whole and (length - HEAD) % FRAME in {0, 1, FRAME - 1}:
            with pytest.raises(LogDamagedError, match="nothing was changed"):
                reopen(image)


def test_cuts_are_at_every_byte_from_whole_to_empty() -> None:
    lengths = [length for frame in reversed(range(FRAMES + 1)) for length in cuts(frame)]
    assert lengths == list(range(HEAD + FRAMES * FRAME, -1, -1))


@pytest.mark.spec("a damaged log is found, whatever byte is hit", section="decision 12")
@pytest.mark.parametrize("name", [LOG_NAME, WAL_NAME])
def test_flipped_bit_beside_a_wal_is_harmless_or_found(tmp_path: Path, name: str) -> None:
    image, lengths = tmp_path / "image", set()
    written = small_wal(tmp_path / "log", image)
    sound = contents(image)
    with (image / name).open("r+b", buffering=0) as file:
        for offset in range(0, len(sound[name]), 7):  # all bits in turn; every byte would take minutes
            byte = sound[name][offset]
            os.pwrite(file.fileno(), bytes([byte ^ 1 << offset % 8]), offset)
            left = left_after_a_crash(image)
            lengths.add(None if left is None else len(left))
            assert left is None or left == written[: len(left)], offset
            if name == LOG_NAME and left is not None and len(left) < len(written):
                with pytest.raises(EngineError):
                    reopen(image)
            os.pwrite(file.fileno(), bytes([byte]), offset)
    assert contents(image) == sound
    assert len(lengths) > 1
