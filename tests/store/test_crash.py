"""A writer that dies, or whose disk is full, loses nothing that it had confirmed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store.reader import LogReader
from engine.store.schema import LOG_NAME
from engine.store.verification import verify
from tests.store.helpers import reopen

ROOT = Path(__file__).parents[2]


def start_writer(directory: Path, *limit: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.store.writer", str(directory), *limit]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def positions(directory: Path) -> set[int]:
    with LogReader.open(directory) as reader:
        assert verify(reader).is_sound
        return {row.position for row in reader.read(verified=True)}


@pytest.mark.spec("every confirmed event survives the death of the process at any instant", section="decision 12")
def test_killed_writer_loses_no_confirmed_event(tmp_path: Path) -> None:
    confirmed: set[int] = set()
    for wanted in (1, 7, 23, 61, 120, 200):
        process = start_writer(tmp_path)
        assert process.stdout is not None
        confirmed |= {int(process.stdout.readline()) for _ in range(wanted)}
        process.kill()
        confirmed |= {int(line) for line in process.stdout if line.endswith("\n")}
        process.wait()
        process.stdout.close()
        assert confirmed <= positions(tmp_path)
    assert len(confirmed) > 400
    assert reopen(tmp_path) == ()


@pytest.fixture(params=["tmpfs", "limit"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, tuple[str, ...], str]]:
    """Give a directory that holds little, what the writer has to be told, and how its fault begins."""
    directory = tmp_path / "small"
    directory.mkdir(mode=0o700)
    if request.param == "limit":
        yield directory, ("600000",), f"StorageError: {directory / LOG_NAME} could not be written (disk I/O error): "
        return
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", directory], check=False).returncode
    if mounted != 0:
        pytest.skip("only root may mount a small disk")
    try:
        yield directory, (), f"DiskFullError: no space is left to write {directory / LOG_NAME}: "
    finally:
        subprocess.run(["umount", directory], check=True)


def test_full_disk_stops_the_writer_and_loses_no_confirmed_event(
    small_disk: tuple[Path, tuple[str, ...], str],
) -> None:
    directory, limit, beginning = small_disk
    process = start_writer(directory, *limit)
    assert process.stdout is not None
    told = process.stdout.read()  # not `communicate`, which forgets what came together with the first line
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    *numbers, fault, again = told.splitlines()
    assert fault.startswith(f"{beginning}what was confirmed is safe, the rest is unknown; ")
    assert fault.endswith("and start again")
    assert again == f"again {beginning.partition(':')[0]}"
    assert len(numbers) > 50
    assert {int(number) for number in numbers} <= positions(directory)
