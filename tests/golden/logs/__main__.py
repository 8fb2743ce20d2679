"""Logs of this version, kept for ever: `python -m tests.golden.logs` makes them for a version that has none.

Owns what is kept of a log: its file, packed, its witness, the state files, the configuration where a run can go on with
it, and in `noted.json` what this version made of it. Never writes over anything: a log once released stays as it is.
"""

import lzma
import shutil
import tempfile
from pathlib import Path

from engine import __version__
from engine.store.schema import LOG_NAME, WITNESS_NAME
from tests.golden.logs.notes import FOLDER, PACKED, note
from tests.golden.logs.scenarios import SCENARIOS


def main() -> None:
    """Make the logs that this version does not have yet."""
    version = FOLDER / __version__
    for name, scenario in SCENARIOS.items():
        if (version / name).exists():
            print(f"{version.name}/{name} is there: it stays as it is")
            continue
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            scenario(folder)
            keep(folder, version / name)
        print(f"wrote {version.name}/{name}")


def keep(folder: Path, place: Path) -> None:
    """Keep a log, packed, and what goes with it, and note what it holds."""
    (place / "state").mkdir(parents=True)
    for path in sorted((folder / "state").iterdir()):
        content = path.read_bytes()
        assert str(folder).encode() not in content, f"{path.name} names a folder of this machine"
        if path.name == LOG_NAME:
            (place / "state" / PACKED).write_bytes(lzma.compress(content, preset=9))
        elif path.name == WITNESS_NAME or path.name.startswith("bot_state_"):
            (place / "state" / path.name).write_bytes(content)
        else:
            assert path.name == "engine.lock", f"{path.name} would be lost"
    for path in sorted(folder.glob("*.csv")):
        shutil.copyfile(path, place / path.name)
    if (folder / "bot.yml").exists():
        text = (folder / "bot.yml").read_text().replace(str(folder / "state"), "state")
        assert str(folder) not in text, text
        (place / "bot.yml").write_text(text)
    note(place)


if __name__ == "__main__":
    main()
