"""The same recording gives the same log, byte for byte, in every process and at every speed."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from engine.store.reader import LogReader
from tests.kill.forks import ROOT, Forks
from tests.kill.reference import Reference
from tests.kill.session import Request


def rows_of(directory: Path) -> dict[str, list[tuple[int, bytes, bytes]]]:
    """Give sequence, body and checksum of every row, by stream: only how the streams interleave is left to chance."""
    with LogReader.open(directory) as reader:
        return {
            name: [(row[2], row[3], row[4]) for page in reader.pages(name) for row in page] for name in reader.streams()
        }


def run_apart(request: Request, folder: Path, hash_seed: str) -> None:
    """Run a session in an interpreter of its own."""
    path = folder / "request.json"
    path.write_bytes(msgspec.json.encode(request))
    subprocess.run(
        [sys.executable, "-m", "tests.kill.session", str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        check=True,
        timeout=60,
    )


@pytest.mark.spec(
    "The same recording run twice gives the same log, byte for byte", section="What was seen is logged too"
)
@pytest.mark.parametrize("speed", [None, 20_000], ids=["as-fast-as-it-goes", "paced"])
def test_recording_run_again_gives_the_same_log(
    forks: Forks, reference: Reference, tmp_path: Path, speed: float | None
) -> None:
    assert not forks.run(reference.request(tmp_path / "data", speed=speed))

    assert rows_of(tmp_path / "data") == rows_of(reference.directory)


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_recording_run_with_another_hash_seed_gives_the_same_log(
    reference: Reference, tmp_path: Path, hash_seed: str
) -> None:
    run_apart(reference.request(tmp_path / "data"), tmp_path, hash_seed)

    assert rows_of(tmp_path / "data") == rows_of(reference.directory)
