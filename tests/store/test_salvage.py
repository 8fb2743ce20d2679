"""Damaged files: what is read out of them is always a beginning of what was written, byte for byte, and never more."""

import errno
import os
import random
import shutil
from pathlib import Path

import pytest

from engine.core.errors import DiskFullError, LogDamagedError, LogTooNewError
from engine.store.folders import BLOCK_BYTES, CHUNK_BYTES, copy_private
from engine.store.reader import LogReader
from engine.store.rebuild import write_log as rebuild
from engine.store.recorded import Stored
from engine.store.salvage import Prefix, salvage
from engine.store.schema import LOG_NAME, WAL_NAME
from engine.store.witness import Sighting, read_witness
from tests.store.bad_disk import failing_log, spoil_block
from tests.store.helpers import contents, crash_image, edit, write_log

ROUNDS = 40


def stored(directory: Path) -> list[Stored]:
    """Give the rows of a sound log as they are stored."""
    with LogReader.open(directory) as reader:
        return [row for page in reader.pages() for row in page]


def read(image: Path, scratch: Path) -> Prefix:
    """Read what is sound of a folder, which must stay as it is."""
    before = contents(image)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    found = salvage(image, scratch / "copy")
    assert contents(image) == before
    return found


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a log of 120 rows that was closed in order."""
    directory = tmp_path_factory.mktemp("closed")
    write_log(directory, ROUNDS)
    return directory


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Stored]]:
    """Give the files of a log whose engine was killed, and the rows that it had written."""
    directory = tmp_path_factory.mktemp("killed")
    crash_image(directory / "log", directory / "image", ROUNDS)
    return directory / "image", stored(directory / "log")


def test_salvage_of_a_log_with_a_wal_reads_a_copy_and_names_the_log(
    killed: tuple[Path, list[Stored]], tmp_path: Path
) -> None:
    image, written = killed
    found = read(image, tmp_path / "scratch")
    assert found.position == len(written)
    assert found.source == image / LOG_NAME
    assert found.file != found.source


def test_salvage_of_a_sound_log_gives_all_of_it(closed: Path, tmp_path: Path) -> None:
    found = read(closed, tmp_path / "scratch")
    assert (found.fault, found.position) == ("", 3 * ROUNDS)
    assert list(found.rows()) == stored(closed)


@pytest.mark.spec("what is kept of a damaged log is its longest sound beginning", section="Recovery")
@pytest.mark.parametrize("seed", range(8))
def test_salvage_of_a_file_with_flipped_bits_gives_a_beginning(closed: Path, tmp_path: Path, seed: int) -> None:
    whole, rows = (closed / LOG_NAME).read_bytes(), stored(closed)
    chance, image = random.Random(seed), tmp_path / "image"
    image.mkdir()
    lengths = set()
    for _ in range(40):
        at = chance.randrange(len(whole))
        (image / LOG_NAME).write_bytes(whole[:at] + bytes([whole[at] ^ 1 << chance.randrange(8)]) + whole[at + 1 :])
        try:
            found = read(image, tmp_path / "scratch")
        except LogTooNewError:  # the format number itself
            assert 60 <= at < 64
            continue
        assert list(found.rows()) == rows[: found.position]
        assert found.fault or found.position == len(rows)
        lengths.add(found.position)
    assert len(lengths) > 1


def test_salvage_of_a_file_cut_at_many_bytes_gives_a_beginning(closed: Path, tmp_path: Path) -> None:
    whole, rows, image = (closed / LOG_NAME).read_bytes(), stored(closed), tmp_path / "image"
    image.mkdir()
    lengths = set()
    for length in range(0, len(whole), 509):
        (image / LOG_NAME).write_bytes(whole[:length])
        found = read(image, tmp_path / "scratch")
        assert list(found.rows()) == rows[: found.position]
        assert found.fault
        lengths.add(found.position)
    assert len(lengths) > 4


@pytest.mark.parametrize("at", range(0, 100, 3))
def test_salvage_of_a_file_with_a_wrong_header_gives_all_of_it(closed: Path, tmp_path: Path, at: int) -> None:
    image = shutil.copytree(closed, tmp_path / "image")
    whole = bytearray((image / LOG_NAME).read_bytes())
    whole[at] ^= 0x5A
    (image / LOG_NAME).write_bytes(whole)
    if 60 <= at < 64:
        with pytest.raises(LogTooNewError):
            read(image, tmp_path / "scratch")
    else:
        assert read(image, tmp_path / "scratch").position == 3 * ROUNDS


def test_salvage_of_a_wal_cut_at_many_bytes_gives_a_beginning_that_grows(
    killed: tuple[Path, list[Stored]], tmp_path: Path
) -> None:
    image, rows = shutil.copytree(killed[0], tmp_path / "image"), killed[1]
    whole, last = (image / WAL_NAME).read_bytes(), 0
    assert len(whole) > 100_000
    for length in range(0, len(whole) + 1, 4093):
        (image / WAL_NAME).write_bytes(whole[:length])
        found = read(image, tmp_path / "scratch")
        assert list(found.rows()) == rows[: found.position]
        assert found.position >= last
        last = found.position
    (image / WAL_NAME).write_bytes(whole)
    assert read(image, tmp_path / "scratch").position == len(rows)


def test_salvage_without_the_wal_gives_what_was_folded_in_before(
    killed: tuple[Path, list[Stored]], tmp_path: Path
) -> None:
    image = shutil.copytree(killed[0], tmp_path / "image")
    (image / WAL_NAME).unlink()
    found = read(image, tmp_path / "scratch")
    assert list(found.rows()) == killed[1][: found.position]
    assert found.position < len(killed[1])


def test_salvage_of_an_emptied_file_reads_what_its_wal_has(killed: tuple[Path, list[Stored]], tmp_path: Path) -> None:
    image = shutil.copytree(killed[0], tmp_path / "image")
    (image / LOG_NAME).write_bytes(b"")
    found = read(image, tmp_path / "scratch")
    assert list(found.rows()) == killed[1][: found.position]


def test_salvage_is_not_misled_by_a_journal_that_lies_beside_the_log(closed: Path, tmp_path: Path) -> None:
    image = shutil.copytree(closed, tmp_path / "image")
    (image / f"{LOG_NAME}-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(5_000))
    assert read(image, tmp_path / "scratch").position == 3 * ROUNDS


@pytest.mark.parametrize(
    ("statement", "kept", "fault"),
    [
        ("UPDATE event SET body = replace(body, '\"at\"', '\"ta\"') WHERE row_id = 50", 49, "checksum"),
        ("UPDATE event SET checksum = zeroblob(16) WHERE row_id = 50", 49, "checksum"),
        ("UPDATE event SET tag = 'price_obscured' WHERE row_id = 49", 48, "tag"),
        ("UPDATE event SET sequence = 999 WHERE row_id = 50", 49, "missing"),
        ("UPDATE event SET stream = 77 WHERE row_id = 50", 49, "no known stream"),
        ("DELETE FROM event WHERE row_id = 50", 49, "missing"),
        ("DELETE FROM event WHERE row_id > 50", 50, ""),
        ("DELETE FROM stream WHERE stream_id = 2", 1, "no known stream"),
        ("DROP TABLE checkpoint", 120, ""),
    ],
)
def test_salvage_stops_at_the_first_row_that_was_changed(
    closed: Path, tmp_path: Path, statement: str, kept: int, fault: str
) -> None:
    rows = stored(closed)
    image = shutil.copytree(closed, tmp_path / "image")
    edit(image, statement)
    found = read(image, tmp_path / "scratch")
    assert found.position == kept
    assert list(found.rows()) == rows[:kept]
    assert fault in found.fault
    assert bool(found.fault) == bool(fault)


def test_salvage_never_cuts_what_a_newer_program_wrote(closed: Path, tmp_path: Path) -> None:
    image = shutil.copytree(closed, tmp_path / "image")
    edit(image, "PRAGMA user_version = 99")
    with pytest.raises(LogTooNewError, match="newer version"):
        salvage(image, tmp_path / "scratch")


def test_salvage_refuses_the_database_of_another_program(tmp_path: Path) -> None:
    edit(tmp_path, "CREATE TABLE recipes (name TEXT)")
    with pytest.raises(LogDamagedError, match="another program"):
        salvage(tmp_path, tmp_path / "scratch")


def test_rebuilt_log_holds_the_same_bytes_and_only_streams_that_began(closed: Path, tmp_path: Path) -> None:
    image = shutil.copytree(closed, tmp_path / "image")
    edit(image, "DELETE FROM event WHERE row_id > 2")
    (tmp_path / "new").mkdir()
    rebuild(read(image, tmp_path / "scratch"), tmp_path / "new")
    assert stored(tmp_path / "new") == stored(closed)[:2]
    with LogReader.open(tmp_path / "new") as reader:
        assert reader.streams() == ("feed:x", "bot-a")


def test_prefix_extends_only_the_same_rows(closed: Path, tmp_path: Path) -> None:
    short, other = shutil.copytree(closed, tmp_path / "short"), tmp_path / "other"
    edit(short, "DELETE FROM event WHERE row_id > 60")
    write_log(other, ROUNDS + 1)
    edit(other, "UPDATE event SET body = replace(body, '1000', '1001') WHERE row_id = 1")
    whole, part = salvage(closed, tmp_path / "1"), salvage(short, tmp_path / "2")
    assert whole.extends(part)
    assert not part.extends(whole)
    assert not whole.extends(whole)
    assert whole.extends(Prefix(short))
    assert not salvage(other, tmp_path / "3").extends(part)


@pytest.mark.spec("what a bad sector leaves of a log is kept", section="Recovery")
@pytest.mark.parametrize("is_wholly_bad", [False, True], ids=["a block", "every block"])
def test_salvage_of_a_log_on_a_bad_disk_keeps_what_was_read(
    closed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_wholly_bad: bool
) -> None:
    rows, image = stored(closed), shutil.copytree(closed, tmp_path / "image")
    (tmp_path / "scratch").mkdir()
    spoil_block(monkeypatch, image / LOG_NAME, 0 if is_wholly_bad else 7 * BLOCK_BYTES)
    with failing_log(image, 7):
        found = salvage(image, tmp_path / "scratch" / "copy")
    assert 0 < found.position < len(rows)
    assert "disk I/O error" in found.fault
    assert list(found.rows()) == rows[: found.position]


def test_salvage_of_a_wal_on_a_bad_disk_gives_the_rows_before_the_bad_block(
    killed: tuple[Path, list[Stored]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, rows = shutil.copytree(killed[0], tmp_path / "image"), killed[1]
    middle = (image / WAL_NAME).stat().st_size // 2
    spoil_block(monkeypatch, image / WAL_NAME, middle, middle + 1)
    found = salvage(image, tmp_path / "scratch")
    assert 0 < found.position < len(rows)
    assert list(found.rows()) == rows[: found.position]


def test_copy_of_a_file_with_bad_blocks_has_zeros_there_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"x" * (CHUNK_BYTES + 10 * BLOCK_BYTES + 100)
    (tmp_path / "old").write_bytes(content)
    begin, end = 5 * BLOCK_BYTES, 7 * BLOCK_BYTES
    spoil_block(monkeypatch, tmp_path / "old", begin + 1, end)
    copied = copy_private(tmp_path / "old", tmp_path / "new")
    assert (copied.size, copied.holes) == (len(content), ((begin, end - begin),))
    assert (tmp_path / "new").read_bytes() == content[:begin] + bytes(end - begin) + content[end:]


def test_copy_of_a_file_that_shrinks_meanwhile_ends_where_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old").write_bytes(b"x" * (CHUNK_BYTES + 10))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", lambda *_: b"")
        assert copy_private(tmp_path / "old", tmp_path / "new").size == 0
    assert (tmp_path / "new").read_bytes() == b""


def test_copy_that_fails_by_something_else_than_a_bad_block_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> bytes:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    (tmp_path / "old").write_bytes(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", gone)
        with pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
            copy_private(tmp_path / "old", tmp_path / "new")


def test_salvage_without_space_for_its_copy_is_no_shorter_log(
    closed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = shutil.copytree(closed, tmp_path / "image")
    (image / LOG_NAME).write_bytes((image / LOG_NAME).read_bytes()[:20_000])

    def full(_descriptor: int, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(DiskFullError, match="free some space"):
            salvage(image, tmp_path / "scratch")


def test_witness_that_cannot_be_read_is_a_damaged_one() -> None:
    unreadable = Path("/proc/self/mem")  # a regular file whose first byte gives an input/output error
    assert read_witness(unreadable) == Sighting(None, 2)


def test_salvage_of_a_log_that_cannot_even_be_copied_keeps_what_was_read(
    closed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, opened = shutil.copytree(closed, tmp_path / "image"), os.open

    def failing(path: Path, flags: int, mode: int = 0o777) -> int:
        if path == image / LOG_NAME:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return opened(path, flags, mode)

    with failing_log(image, 7), monkeypatch.context() as patch:
        patch.setattr(os, "open", failing)
        found = salvage(image, tmp_path / "scratch")
    assert found.file == image / LOG_NAME
    assert list(found.rows()) == stored(closed)[: found.position] != []
