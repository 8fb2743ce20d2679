"""A look at a state directory from outside: every kind of file, system and lock is told, and nothing is changed."""

import os
from pathlib import Path

import pytest

from engine.store import survey as surveying
from engine.store.directory import StateDirectory
from engine.store.schema import LOCK_NAME, LOG_NAME, WITNESS_NAME
from engine.store.survey import survey

PROC = Path("/proc/self")
MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
23 22 0:5 / {place} rw - tmpfs tmpfs rw
a line that is none
"""


def test_lock_is_held_while_an_engine_lives_and_left_when_it_has_ended(tmp_path: Path) -> None:
    held = StateDirectory.take(tmp_path)
    assert (survey(tmp_path).lock, survey(tmp_path).holder) == ("held", str(os.getpid()))
    held.release()
    assert (survey(tmp_path).lock, survey(tmp_path).holder) == ("left", str(os.getpid()))


def test_lock_that_is_no_file_is_none(tmp_path: Path) -> None:
    assert survey(tmp_path).lock == "none"
    (tmp_path / LOCK_NAME).mkdir()
    assert survey(tmp_path).lock == "none"


def test_pipe_or_link_in_place_of_a_file_is_told_as_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / LOG_NAME)
    (tmp_path / WITNESS_NAME).symlink_to("elsewhere")
    kinds = {each.name: each.kind for each in survey(tmp_path).entries}
    assert kinds == {LOG_NAME: "other", WITNESS_NAME: "link"}


def test_file_in_place_of_the_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = survey(tmp_path / "file")
    assert found.directory is not None
    assert (found.directory.kind, found.entries, found.sync_fault) == ("file", (), None)


@pytest.mark.skipif(not PROC.is_dir(), reason="there is no /proc")
def test_file_system_that_makes_no_folder_durable_is_told(tmp_path: Path) -> None:
    assert survey(tmp_path).sync_fault is None
    assert survey(PROC).sync_fault == "Invalid argument"


def test_folder_that_cannot_be_opened_is_another_finding(as_nobody: Path) -> None:
    as_nobody.chmod(0o300)
    found = survey(as_nobody)
    assert found.sync_fault is None
    assert found.directory is not None
    assert found.directory.mode == 0o300


def test_file_system_is_read_from_the_table_of_mounts_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mounts"
    table.write_text(MOUNTS.format(place=tmp_path))
    monkeypatch.setattr(surveying, "_MOUNTS", table)
    assert survey(tmp_path).filesystem == "tmpfs"
    assert survey(tmp_path.parent).filesystem == "ext4"
    monkeypatch.setattr(surveying, "_MOUNTS", tmp_path / "none")
    assert survey(tmp_path).filesystem is None
