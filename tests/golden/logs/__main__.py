"""Logs of this version, kept for ever: `python -m tests.golden.logs` makes them for a version that has none.

Owns what is kept of a log: its file, its witness, the state files, the configuration, and in `noted.json` what this
version made of it. Never writes over anything: a log once released is what users have.
"""

import shutil
import tempfile
from pathlib import Path

from engine import __version__
from tests.golden.logs.notes import FOLDER, note
from tests.golden.logs.scenarios import SCENARIOS

KEPT = ("events.db", "events.head")


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
    """Keep a log and what goes with it, and note what it holds."""
    (place / "state").mkdir(parents=True)
    for path in sorted((folder / "state").iterdir()):
        if path.name in KEPT or path.name.startswith("bot_state_"):
            shutil.copyfile(path, place / "state" / path.name)
        else:
            assert path.name == "engine.lock", f"{path.name} would be lost"
    for path in sorted(folder.iterdir()):
        if path.suffix == ".csv":
            shutil.copyfile(path, place / path.name)
    text = (folder / "bot.yml").read_text().replace(str(folder / "state"), "state")
    assert str(folder) not in text, text
    (place / "bot.yml").write_text(text)
    note(place)


if __name__ == "__main__":
    main()
