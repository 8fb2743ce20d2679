"""Whatever is done to the bytes of a log is found: nothing else than what was written is ever read."""

import re
import shutil
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from engine.core.errors import EngineError, LogDamagedError
from engine.store.codec import link
from engine.store.reader import PAGE_ROWS, LogReader
from engine.store.schema import LOG_NAME, WAL_NAME, WITNESS_NAME
from engine.store.sqlite import SqliteLog
from engine.store.verification import VerifyReport, _Check, verify
from tests.store.helpers import (
    FEED,
    append,
    contents,
    crash_image,
    edit,
    events,
    fill_log,
    price,
    reopen,
    with_log,
    write_log,
)

HALF = 64
TABLE_LEAF = 13


def verified(directory: Path, stream: str | None = None) -> VerifyReport:
    with LogReader.open(directory) as reader:
        return verify(reader, stream)


def flip(path: Path, offset: int, bit: int = 0) -> None:
    held = bytearray(path.read_bytes())
    held[offset] ^= 1 << bit
    path.write_bytes(held)


def test_verify_untouched_log_finds_nothing(tmp_path: Path) -> None:
    write_log(tmp_path)
    assert verified(tmp_path) == VerifyReport(30, 3, (), has_witness=True)
    assert verified(tmp_path, "bot-a") == VerifyReport(10, 1, (), has_witness=True)
    assert verified(tmp_path).is_sound


@pytest.mark.parametrize(
    ("statement", "stream", "sequence", "what"),
    [
        ("UPDATE event SET body = replace(body, '0.625', '0.626') WHERE row_id = 14", "bot-a", 5, "checksum"),
        ("UPDATE event SET body = body || ' ' WHERE row_id = 15", "bot-b", 5, "checksum"),
        ("UPDATE event SET checksum = zeroblob(16) WHERE row_id = 1", "feed:x", 1, "checksum"),
        ("UPDATE event SET tag = 'order_sent' WHERE row_id = 29", "bot-a", 10, "tag column says .*order_sent"),
        ("UPDATE event SET sequence = 11 WHERE row_id = 29", "bot-a", 11, "event 10 is missing"),
        ("UPDATE stream SET name = 'bot-c' WHERE name = 'bot-b'", "bot-c", 1, "checksum"),
        ("UPDATE event SET stream = 7 WHERE row_id = 28", "", 10, "no known stream"),
        ("DELETE FROM event WHERE row_id = 14", "bot-a", 6, "event 5 is missing"),
    ],
    ids=["body", "blank", "checksum", "tag", "sequence", "name", "stream", "row-deleted"],
)
def test_verify_edited_row_names_stream_sequence_and_reason(
    tmp_path: Path, statement: str, stream: str, sequence: int, what: str
) -> None:
    write_log(tmp_path)
    edit(tmp_path, "PRAGMA foreign_keys = OFF", statement)
    report = verified(tmp_path)
    assert not report.is_sound
    found = [damage for damage in report.damages if (damage.stream, damage.sequence) == (stream, sequence)]
    assert found, report
    assert re.search(what, found[-1].what)


def test_stream_without_a_name_is_damage(tmp_path: Path) -> None:
    """A disk that lied about a sync left such a row."""
    write_log(tmp_path)
    schema = "UPDATE sqlite_schema SET sql = replace(sql, 'TEXT UNIQUE NOT NULL', 'TEXT UNIQUE') WHERE name = 'stream'"
    edit(tmp_path, "PRAGMA writable_schema = ON", schema)
    edit(tmp_path, "UPDATE stream SET name = NULL WHERE stream_id = 2")
    assert [damage.what for damage in verified(tmp_path).damages] == ["None stands where a name should"]
    with pytest.raises(LogDamagedError, match="stands where a name should"):
        reopen(tmp_path)


def test_verify_damage_in_one_stream_is_told_once_and_spares_the_others(tmp_path: Path) -> None:
    write_log(tmp_path)
    edit(tmp_path, "UPDATE event SET body = body || ' ' WHERE stream = 2 AND sequence >= 4")
    report = verified(tmp_path)
    assert [(damage.stream, damage.sequence, damage.position) for damage in report.damages] == [("bot-a", 4, 11)]
    assert (report.rows, report.streams) == (30, 3)
    assert verified(tmp_path, "bot-b").is_sound


def zero_cells(path: Path, row: int) -> None:
    """Leave of a leaf of the table, the one with this row, only where its rows begin: a sector that never came."""
    held = bytearray(path.read_bytes())
    size = int.from_bytes(held[16:18], "big")
    for page in range(size, len(held), size):  # the first page is the schema's
        count = int.from_bytes(held[page + 3 : page + 5], "big")
        begins = [page + int.from_bytes(held[at : at + 2], "big") for at in range(page + 8, page + 8 + 2 * count, 2)]
        if held[page] == TABLE_LEAF and row in {number_at(held, number_at(held, begin)[1])[0] for begin in begins}:
            held[min(begins) : page + size] = bytes(page + size - min(begins))
            path.write_bytes(held)
            return
    raise AssertionError(f"row {row} stands in no leaf")


def number_at(held: bytearray, at: int) -> tuple[int, int]:
    """Read a number of SQLite's variable length; give where it ends, too."""
    number = 0
    while True:
        number, at = number << 7 | held[at] & 0x7F, at + 1
        if not held[at - 1] & 0x80:
            return number, at


def test_reading_of_a_damaged_log_comes_to_an_end(tmp_path: Path) -> None:
    """Hold what seed 3603 showed: rows without numbers ended a page of the reader, which then read it for ever."""
    many = [price(number) for number in range(3 * PAGE_ROWS)]

    async def write(log: SqliteLog) -> None:
        await append(log, FEED, *many)

    with_log(tmp_path, write)
    zero_cells(tmp_path / LOG_NAME, PAGE_ROWS)
    report = verified(tmp_path)
    assert any(re.search(r"row 0 stands behind row \d+; the rest was not read", each.what) for each in report.damages)
    assert report.rows < PAGE_ROWS
    with LogReader.open(tmp_path) as reader, pytest.raises(LogDamagedError, match="out of order"):
        list(islice(reader.pages(), 10))
    with pytest.raises(LogDamagedError):
        reopen(tmp_path)


def test_verify_last_events_of_one_stream_gone_is_found_by_position(tmp_path: Path) -> None:
    write_log(tmp_path)
    edit(tmp_path, "DELETE FROM event WHERE stream = 2 AND sequence > 8")
    assert [(damage.what, damage.position) for damage in verified(tmp_path).damages] == [
        ("rows 26 to 26 are missing", 27),
        ("rows 29 to 29 are missing", 30),
    ]


def test_verify_body_that_says_nothing_is_named_though_its_checksum_is_right(tmp_path: Path) -> None:
    write_log(tmp_path)
    with LogReader.open(tmp_path) as reader:
        ((before,),) = reader.rows("SELECT checksum FROM event WHERE stream = 2 AND sequence = 9")
    checksum = link(before, b"{}").hex()
    edit(tmp_path, f"UPDATE event SET body = '{{}}', checksum = x'{checksum}' WHERE stream = 2 AND sequence = 10")
    (damage,) = verified(tmp_path).damages
    assert damage.what.startswith("event 10 of bot-a cannot be read: ")


def test_verify_damaged_index_is_found_by_sqlite(tmp_path: Path) -> None:
    write_log(tmp_path, rounds=3)
    with LogReader.open(tmp_path) as reader:
        ((page,),) = reader.rows("SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_event_1'")
    flip(tmp_path / LOG_NAME, 4096 * page - 1, 3)
    found = verified(tmp_path).damages
    assert ["SQLite says of" in damage.what and "\n" not in damage.what for damage in found] == [True]
    with pytest.raises(LogDamagedError, match=r"SQLite says of .*nothing was changed"):
        reopen(tmp_path)


def test_verify_tells_what_sqlite_says_though_it_is_no_text() -> None:
    said = SimpleNamespace(path=Path("events.db"), rows=lambda _: [(b"row \xff\n is odd",)])
    with pytest.raises(LogDamagedError, match=r"SQLite says of events.db: row \ufffd is odd"):
        _Check(cast("LogReader", said))._file()


@pytest.mark.parametrize(
    ("statements", "sentence"),
    [
        (
            ["UPDATE event SET body = replace(body, '0.625', '0.626') WHERE row_id = 14"],
            r"damaged \(event 5 of bot-a: its checksum is not that of its bytes\): stop the engine, keep the files",
        ),
        (["UPDATE event SET tag = 'order_sent' WHERE row_id = 2"], r"event 1 of bot-a: its tag column says"),
        (["DELETE FROM event WHERE row_id = 14"], r"event 6 of bot-a: event 5 is missing; and 1 more, which"),
        (["DELETE FROM event WHERE row_id = 26"], r"rows 26 to 26 are missing; and|event 9 is missing; and 1 more"),
        (
            [f"UPDATE event SET body = body || ' ' WHERE row_id = {row}" for row in (4, 5, 6)],
            r"event 2 of feed:x: .*; and 2 more, which krypto-engine verify lists",
        ),
    ],
    ids=["body", "tag", "missing", "near-end", "several"],
)
def test_open_damaged_log_names_the_first_damage_and_changes_nothing(
    tmp_path: Path, statements: list[str], sentence: str
) -> None:
    write_log(tmp_path)
    edit(tmp_path, *statements)
    before = contents(tmp_path)
    with pytest.raises(LogDamagedError, match=sentence) as caught:
        reopen(tmp_path)
    assert str(caught.value).endswith("nothing was changed")
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("is_left", [False, True], ids=["gone", "empty"])
def test_reader_of_a_log_that_is_gone_is_told_by_the_witness(tmp_path: Path, *, is_left: bool) -> None:
    write_log(tmp_path)
    for path in tmp_path.glob(f"{LOG_NAME}*"):
        path.unlink()
    if is_left:
        (tmp_path / LOG_NAME).touch()
    before = contents(tmp_path)
    for look in (LogReader.open, reopen):
        with pytest.raises(LogDamagedError, match=r"had 30 rows and has 0, so rows 1 to 30 are gone"):
            look(tmp_path)
    assert contents(tmp_path) == before


def test_reader_of_a_log_that_is_gone_is_told_by_the_wal(tmp_path: Path) -> None:
    crash_image(tmp_path / "log", tmp_path / "image")
    (tmp_path / "image" / LOG_NAME).unlink()
    with pytest.raises(LogDamagedError, match=r"events\.db is gone, but events\.db-wal is there"):
        LogReader.open(tmp_path / "image")


def test_read_damaged_log_stops_at_the_damage(tmp_path: Path) -> None:
    written = write_log(tmp_path)
    edit(tmp_path, "UPDATE event SET body = replace(body, '0.625', '0.626') WHERE row_id = 14")
    with LogReader.open(tmp_path) as reader:
        rows = reader.read("bot-a", verified=True)
        assert [next(rows) for _ in range(4)] == [row for row in written if row.stream == "bot-a"][:4]
        with pytest.raises(LogDamagedError, match=r"event 5 of bot-a is not what was written"):
            next(rows)


def test_read_gap_is_found_without_checksums(tmp_path: Path) -> None:
    write_log(tmp_path)
    edit(tmp_path, "DELETE FROM event WHERE row_id = 14")
    for stream in (None, "bot-a"):
        with (
            LogReader.open(tmp_path) as reader,
            pytest.raises(LogDamagedError, match="bot-a goes on with event 6 where 5"),
        ):
            list(reader.read(stream))


@pytest.mark.spec("a damaged log is found, whatever byte is hit", section="decision 12")
def test_any_flipped_bit_of_the_file_is_harmless_or_found(tmp_path: Path) -> None:
    written = write_log(tmp_path / "whole", rounds=12)
    found = 0
    spoilt = tmp_path / "spoilt"
    shutil.copytree(tmp_path / "whole", spoilt)
    sound = (spoilt / LOG_NAME).read_bytes()
    for offset in range(0, len(sound), 61):
        for name in (WAL_NAME, f"{LOG_NAME}-shm"):
            (spoilt / name).unlink(missing_ok=True)
        (spoilt / LOG_NAME).write_bytes(sound)
        flip(spoilt / LOG_NAME, offset, offset % 8)
        try:
            assert events(spoilt) == written, offset
        except EngineError:
            found += 1
            try:
                assert not verified(spoilt).is_sound, offset
            except EngineError:
                continue  # not even to be opened
    assert found > 50


@pytest.mark.parametrize("pages", range(1, 6))
def test_truncated_file_is_found(tmp_path: Path, pages: int) -> None:
    write_log(tmp_path, rounds=40)
    whole = (tmp_path / LOG_NAME).read_bytes()
    (tmp_path / LOG_NAME).write_bytes(whole[: -4096 * pages])
    with pytest.raises(LogDamagedError):
        reopen(tmp_path)


def test_torn_wal_leaves_a_prefix_that_the_witness_tells_from_the_whole(tmp_path: Path) -> None:
    written = crash_image(tmp_path / "log", tmp_path / "image")
    wal = (tmp_path / "image" / WAL_NAME).read_bytes()
    lengths = set()
    for length in range(0, len(wal), 1_531):
        torn = tmp_path / f"torn-{length}"
        shutil.copytree(tmp_path / "image", torn)
        (torn / f"{LOG_NAME}-shm").unlink()
        (torn / WAL_NAME).write_bytes(wal[:length])
        before = contents(torn)
        try:
            left = events(torn)
            assert left == written[: len(left)]
            assert len(left) % 3 == 0
            lengths.add(len(left))
        except EngineError:  # the tables themselves stood in the part that is gone
            pass
        with pytest.raises(LogDamagedError, match=r"lost its end: it had 30 rows.*nothing was changed"):
            reopen(torn)
        assert contents(torn) == before
    assert len(lengths) > 5


def test_flipped_bit_in_the_wal_is_found_by_the_witness(tmp_path: Path) -> None:
    crash_image(tmp_path / "log", tmp_path / "image")
    wal = tmp_path / "image" / WAL_NAME
    (tmp_path / "image" / f"{LOG_NAME}-shm").unlink()
    flip(wal, wal.stat().st_size - 3_000)
    with pytest.raises(LogDamagedError, match="rows 28 to 30 are gone"):
        reopen(tmp_path / "image")


@pytest.mark.parametrize("removed", [(WAL_NAME,), (LOG_NAME,), (LOG_NAME, WAL_NAME)], ids=["wal", "log", "both"])
def test_removed_file_after_a_crash_is_found_and_nothing_is_changed(tmp_path: Path, removed: tuple[str, ...]) -> None:
    crash_image(tmp_path / "log", tmp_path / "image")
    for name in (*removed, f"{LOG_NAME}-shm"):
        (tmp_path / "image" / name).unlink()
    before = contents(tmp_path / "image")
    with pytest.raises(LogDamagedError, match=r"lost its end|is gone"):
        reopen(tmp_path / "image")
    assert contents(tmp_path / "image") == before


def test_crash_image_left_alone_opens_with_everything(tmp_path: Path) -> None:
    written = crash_image(tmp_path / "log", tmp_path / "image")
    assert reopen(tmp_path / "image") == ()
    assert events(tmp_path / "image") == written


@pytest.mark.spec("a log that lost its end is never continued", section="decision 12")
def test_older_copy_of_the_log_is_told_from_the_newest(tmp_path: Path) -> None:
    write_log(tmp_path / "log", rounds=5)
    old = (tmp_path / "log" / LOG_NAME).read_bytes()
    write_log(tmp_path / "log", rounds=5)
    (tmp_path / "log" / LOG_NAME).write_bytes(old)
    with pytest.raises(LogDamagedError, match=r"had 30 rows and has 15, so rows 16 to 30 are gone; put"):
        reopen(tmp_path / "log")
    report = verified(tmp_path / "log")
    assert "lost its end" in report.damages[0].what


def test_another_log_beside_the_witness_is_told(tmp_path: Path) -> None:
    write_log(tmp_path / "one")
    with_log(tmp_path / "two", lambda log: fill_log(log, 5))
    write_log(tmp_path / "two", rounds=6)
    shutil.copy(tmp_path / "one" / WITNESS_NAME, tmp_path / "two" / WITNESS_NAME)
    with pytest.raises(LogDamagedError, match=r"row 30 of the log beside .* is not the row that was written"):
        reopen(tmp_path / "two")


def test_missing_witness_is_made_anew_and_noted(tmp_path: Path) -> None:
    write_log(tmp_path)
    (tmp_path / WITNESS_NAME).unlink()
    assert verified(tmp_path) == VerifyReport(30, 3, (), has_witness=False)
    assert ["was missing and is made anew" in note for note in reopen(tmp_path)] == [True]
    assert reopen(tmp_path) == ()
    edit(tmp_path, "DELETE FROM event WHERE row_id = 30")
    with pytest.raises(LogDamagedError, match="rows 30 to 30 are gone"):
        reopen(tmp_path)


@pytest.mark.parametrize("half", [0, 1])
def test_one_damaged_half_of_the_witness_is_noted(tmp_path: Path, half: int) -> None:
    write_log(tmp_path)
    flip(tmp_path / WITNESS_NAME, half * HALF + 9)
    assert ["one damaged half" in note for note in reopen(tmp_path)] == [True]
    assert reopen(tmp_path) == ()


def test_both_halves_of_the_witness_damaged_are_refused_with_a_way_out(tmp_path: Path) -> None:
    write_log(tmp_path)
    flip(tmp_path / WITNESS_NAME, 9)
    flip(tmp_path / WITNESS_NAME, HALF + 9)
    with pytest.raises(LogDamagedError, match=r"events\.head is damaged.*krypto-engine recover"):
        reopen(tmp_path)
    report = verified(tmp_path)
    assert ["recover" in damage.what and "restore" not in damage.what for damage in report.damages] == [True]
    assert report.has_witness


def test_verify_row_of_a_newer_program_is_told_as_what_it_is(tmp_path: Path) -> None:
    write_log(tmp_path)
    with LogReader.open(tmp_path) as reader:
        *_, before, last = [row for page in reader.pages("bot-a") for row in page]
    body = b'{"at":1,"e":{"type":"of_the_future"}}'
    checksum = link(before[4], body).hex()
    edit(tmp_path, f"UPDATE event SET body = '{body.decode()}', checksum = x'{checksum}' WHERE row_id = {last[0]}")
    (damage,) = [each for each in verified(tmp_path).damages if each.position == last[0] and each.stream == "bot-a"]
    assert "a newer version wrote this log" in damage.what
