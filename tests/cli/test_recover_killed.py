"""`recover` and `restore` killed before their steps towards the disk: nothing is lost, and nothing trades.

Method: a third of the steps, another one for every change of the source, so that in time each is tried.
"""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from engine.store.reader import LogReader
from engine.store.rebuild import MANIFEST_NAME, QUARANTINE_NAME, WORK_NAME
from engine.store.recorded import Stored
from engine.store.salvage import salvage
from engine.store.schema import WAL_NAME
from engine.testing.digest import source_digest
from tests.cli.terminal import krypto, run_lively
from tests.exchange_server.process import ROOT

EACH = 3
"""Every step takes two minutes on a busy machine; 1 is for whoever changes how files take each other's place."""

FIRST = 1 + int(source_digest(ROOT / "engine"), 16) % EACH


@pytest.fixture(scope="module")
def torn(lived: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a bot whose log has a WAL, which holds the damage of row 200."""
    folder = tmp_path_factory.mktemp("torn")
    shutil.copytree(lived / "state", folder / "open")
    with closing(sqlite3.connect(folder / "open" / "events.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER event_stays")
        connection.execute("UPDATE event SET checksum = zeroblob(16) WHERE row_id = 200")
        shutil.copytree(folder / "open", folder / "state")
    shutil.rmtree(folder / "open")
    assert (folder / "state" / WAL_NAME).stat().st_size
    return folder


def die_everywhere(folder: Path, copies: Path, *arguments: str) -> tuple[list[Path], int]:
    """Run a command again and again, dying one step later each time; give the folders left, and the last exit code."""
    print(f"FIRST = {FIRST}")  # pytest shows it where a test fails: the next source has another one
    command = [sys.executable, "-m", "tests.cli.dying", str(folder), str(copies), str(FIRST), str(EACH), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    *died, last = done.stdout.split("\n")[:-1]
    return [copies / number for number in died], int(last.removeprefix("ended "))


def rows_of(state: Path, most: int) -> list[Stored]:
    with LogReader.open(state) as reader:
        return [row for page in reader.pages() for row in page][:most]


@pytest.mark.spec("a recovery that was interrupted anywhere can be run again, and nothing is lost", section="Recovery")
def test_recover_killed_before_a_step_is_run_again_and_keeps_the_same(torn: Path, tmp_path: Path) -> None:
    kept = salvage(torn / "state", tmp_path / "scratch")
    assert kept.position == 199
    rows = list(kept.rows())
    left, code = die_everywhere(torn, tmp_path, "recover", "--yes", "--state-dir", "{}/state")
    assert code == 0
    assert len(left) > 25 // EACH
    refusals = set()
    for folder in left:
        state = folder / "state"
        refusals.add(run_lively(folder, "1m"))
        assert krypto("recover", "--yes", "--state-dir", state).code == 0
        assert rows_of(state, kept.position) == rows
        assert not (state / WORK_NAME).exists()
        old = [each for each in (state / QUARANTINE_NAME).iterdir() if (each / MANIFEST_NAME).is_file()]
        originals = [
            each for each in old if salvage(each, tmp_path / f"q-{folder.name}-{each.name}").position >= kept.position
        ]
        assert originals, "the old rows are in a quarantine, whatever happened"
    for folder in left[::8]:
        assert run_lively(folder, "1m") == 0
        assert krypto("replay", "--verify", "--redecide", "--state-dir", folder / "state").code == 0
    assert refusals <= {0, 6, 7}
    assert {6, 7} <= refusals


def test_restore_killed_before_a_step_is_run_again_or_recovered(lived: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(lived / "state", base / "from")
    made = krypto("backup", "--state-dir", base / "from", base / "backups", "--json").json
    shutil.rmtree(base / "from")
    name = Path(made["folder"]).name
    copies = tmp_path / "copies"
    copies.mkdir()
    left, code = die_everywhere(base, copies, "restore", f"{{}}/backups/{name}", "--state-dir", "{}/state")
    assert code == 0
    assert len(left) > 15 // EACH
    for folder in left:
        state = folder / "state"
        if krypto("recover", "--yes", "--state-dir", state).code != 0:
            assert krypto("restore", folder / "backups" / name, "--state-dir", state).code == 0
            assert krypto("recover", "--yes", "--state-dir", state).code == 0
        assert len(rows_of(state, made["rows"])) == made["rows"]
    assert run_lively(left[-1], "1m") == 0
