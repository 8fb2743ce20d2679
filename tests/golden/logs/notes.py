"""What a version made of a log: noted when the log was kept, and asked for again by every later version.

Owns the notes. Reads a copy, because looking at a log leaves traces beside it.
"""

import lzma
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from engine import __version__
from engine.core.identity import bot_stream
from engine.runtime.examine import replica_at
from engine.runtime.redecide import redecide
from engine.runtime.replica import BOT_PREFIX
from engine.runtime.schema import STATE_SCHEMA, decision_version, state_digest
from engine.store.reader import LogReader
from engine.strategies.catalogue import strategy_for

FOLDER = Path(__file__).parent
NOTES = "noted.json"
PACKED = "events.db.xz"


class BotNote(msgspec.Struct, frozen=True):
    """One bot at the end of its log. `digest` names the state in the shape of `schema`; its state file tells more."""

    sequence: int
    schema: str
    digest: str
    decision_version: int
    observations: int
    decisions: int


class Notes(msgspec.Struct, frozen=True):
    """What a version made of a log; `tags` counts its events by kind."""

    engine_version: str
    rows: int
    tags: dict[str, int]
    bots: dict[str, BotNote]


def logs() -> list[Path]:
    """List every log that is kept."""
    return sorted(path.parent for path in FOLDER.glob(f"*/*/{NOTES}"))


def note(place: Path) -> None:
    """Note what this version makes of a log that was just kept."""
    with copied(place) as folder:
        notes = noted(folder / "state")
    plain = msgspec.json.encode(notes)
    (place / NOTES).write_bytes(msgspec.json.format(plain, indent=1) + b"\n")


def read_notes(place: Path) -> Notes:
    """Give what the version of a log made of it."""
    return msgspec.json.decode((place / NOTES).read_bytes(), type=Notes)


@contextmanager
def copied(place: Path) -> Iterator[Path]:
    """Have a copy of a kept log, to be looked at and written to."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        copy(place, folder)
        yield folder


def copy(place: Path, folder: Path) -> None:
    """Copy a kept log as its owner would have it: unpacked and private."""
    shutil.copytree(place, folder, dirs_exist_ok=True)
    packed = folder / "state" / PACKED
    if packed.exists():
        packed.with_suffix("").write_bytes(lzma.decompress(packed.read_bytes()))
        packed.unlink()
    (folder / "state").chmod(0o700)
    for path in (folder / "state").iterdir():
        path.chmod(0o600)


def noted(state: Path) -> Notes:
    """Give what this version makes of a log."""
    tags: dict[str, int] = {}
    with LogReader.open(state) as reader:
        for recorded in reader.read():
            tag = str(recorded.event.__struct_config__.tag)
            tags[tag] = tags.get(tag, 0) + 1
        bots = [name.removeprefix(BOT_PREFIX) for name in reader.streams() if name.startswith(BOT_PREFIX)]
        return Notes(
            __version__, sum(tags.values()), dict(sorted(tags.items())), {bot: _bot(reader, bot) for bot in bots}
        )


def _bot(reader: LogReader, bot: str) -> BotNote:
    replica, report = replica_at(reader, bot, None), redecide(reader, bot)
    assert replica.state is not None
    return BotNote(
        sequence=reader.head(bot_stream(bot)).sequence,
        schema=STATE_SCHEMA,
        digest=state_digest(replica.state),
        decision_version=decision_version(strategy_for(replica.state.config)),
        observations=report.observations,
        decisions=report.decisions,
    )
