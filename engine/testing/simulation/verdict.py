"""The verdict over a simulated world: what its last log says, held against the exchange and against itself.

Owns the rules that ask the engine's own reader, fold and re-decision. The checker that shares no code with the engine
is `engine.testing.independent`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from engine.core.config import BotConfig
from engine.core.errors import EngineError
from engine.core.projection import state_file_name
from engine.runtime.examine import check_digests, file_difference
from engine.runtime.redecide import redecide
from engine.runtime.replica import bot_ids
from engine.store.reader import LogReader
from engine.store.verification import verify
from engine.testing.independent import check as check_independently
from engine.testing.simulation.secrecy import CANARIES

STATE_FILE: Final = "state file"
"""What a record of the history is called that says how a state file differed from the log while an engine lived."""


def judge(directory: Path, history: Sequence[Mapping[str, Any]], bots: Sequence[BotConfig]) -> Iterator[str]:
    """Give every violation that the end of a world shows, one line each."""
    try:
        yield from _of_the_log(directory)
    except EngineError as error:
        yield f"log: it cannot be read in the end: {error}"
        return
    yield from (str(record["text"]) for record in history if record.get("what") == STATE_FILE)
    yield from check_independently(directory, history, terms_of(bots))


def judge_state_files(directory: Path, bots: Sequence[str]) -> Iterator[str]:
    """Hold state files against the log as it stands, of an engine that lives or died: each shows what was durable."""
    with suppress(EngineError), LogReader.open(directory) as reader:
        for bot_id in bots:
            path = directory / state_file_name(bot_id)
            difference = file_difference(reader, bot_id, path.read_bytes()) if path.exists() else None
            if difference is not None:
                yield f"{STATE_FILE}: {bot_id}: {difference}"


def terms_of(bots: Sequence[BotConfig]) -> dict[str, Any]:
    """Give what the independent checker has to know of the bots of a world."""
    return {
        "bots": {bot.bot_id: {"budget": str(bot.budget), "max_open_lots": bot.max_open_lots} for bot in bots},
        "canaries": list(CANARIES),
        "stopped": True,
    }


def _of_the_log(directory: Path) -> Iterator[str]:
    """Do as `replay --verify --redecide` does, for every bot."""
    with LogReader.open(directory) as reader:
        report = verify(reader)
        yield from (f"damage: {damage.stream} {damage.sequence}: {damage.what}" for damage in report.damages)
        for bot_id in bot_ids(reader):
            for each in redecide(reader, bot_id).divergences:
                if each.newer_rules:  # a newer release recovered what broke off, and decided nothing in its stead
                    continue
                yield f"redecide: {bot_id} at {each.sequence}: recorded {each.recorded}, decided {each.decided}"
            digests = check_digests(reader, bot_id)
            if digests.differing or not digests.checked:
                yield f"digest: {bot_id} noted states that the fold does not give: {digests}"
            path = directory / state_file_name(bot_id)  # there is none before the first purchase
            difference = file_difference(reader, bot_id, path.read_bytes()) if path.exists() else None
            if difference is not None:
                yield f"{STATE_FILE}: {bot_id}: {difference}"


def log_digest(directory: Path) -> str:
    """Give a digest over every stored row of a log."""
    digest = sha256()
    with suppress(EngineError), LogReader.open(directory) as reader:
        for page in reader.pages():
            for row in page:
                digest.update(row[3] + row[4])
    return digest.hexdigest()
