"""What a log shows: after a kill, what the dead session had reached; after the last session, how it all ended.

Owns the reading and the comparison of two runs. Reads as the read-only verbs do; never runs a session.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

from engine.core.errors import UsageError
from engine.core.events import (
    BalancesObserved,
    BotCreated,
    CommandReceived,
    ConfigChanged,
    Event,
    FeedAttached,
    FeedDetached,
    MarketRulesObserved,
    SessionStarted,
    SessionStopped,
)
from engine.core.projection import state_file_name
from engine.core.state import BotState
from engine.runtime.redecide import redecide
from engine.runtime.replica import BOT_PREFIX, bot_ids, restore_bot
from engine.store.port import Recorded
from engine.store.reader import LogReader
from engine.store.verification import verify

BOOKKEEPING: Final = (
    BalancesObserved,
    BotCreated,
    ConfigChanged,
    FeedAttached,
    FeedDetached,
    MarketRulesObserved,
    SessionStarted,
    SessionStopped,
)
"""What a session writes about itself (and its `stop`): it differs with their number, and is not yet the bot's life."""


class Death(msgspec.Struct, frozen=True):
    """What the log shows of a killed session: was it under way, was an order open, was a trail active."""

    under_way: bool
    order_open: bool
    trail_active: bool


class LogEnd(msgspec.Struct, frozen=True):
    """Where a log ends: the position of its last event, and the last sequence of each stream."""

    position: int = 0
    sequences: dict[str, int] = {}


def log_end(directory: Path) -> LogEnd:
    """Look at where a log ends; one that is not there yet ends at its beginning."""
    try:
        with LogReader.open(directory) as reader:
            sequences = {name: head.sequence for _, name, head in reader.heads()}
            return LogEnd(reader.position(), sequences)
    except UsageError:
        return LogEnd()


def read_death(directory: Path, found: LogEnd) -> Death:
    """Look at what a session that found the log ending so left when it died."""
    try:
        with LogReader.open(directory) as reader:
            under_way = any(not _is_bookkeeping(each.event) for each in reader.read(after_position=found.position))
            states = [restore_bot(reader, bot_id)[0] for bot_id in bot_ids(reader)]
    except UsageError:
        return Death(under_way=False, order_open=False, trail_active=False)
    return Death(
        under_way=under_way,
        order_open=any(state.orders for state in states),
        trail_active=any(trail.status == "active" for state in states for trail in state.trails.values()),
    )


class Ending(msgspec.Struct, frozen=True):
    """How a run ended: what must not depend on when it was killed.

    `lives` are the events of each bot without the bookkeeping of sessions, `feeds` every row of each feed with its
    checksum, `states` the folded states without what each start observes anew, `files` the state files without `log`.
    """

    states: dict[str, BotState]
    files: dict[str, dict[str, Any]]
    lives: dict[str, list[tuple[int, Any]]]
    feeds: dict[str, list[tuple[int, int, bytes]]]


def read_ending(directory: Path) -> Ending:
    """Read how a run ended. The log must be sound, and deciding again must find every decision."""
    with LogReader.open(directory) as reader:
        report = verify(reader)
        assert report.is_sound, report.damages
        ids = bot_ids(reader)
        for bot_id in ids:
            again = redecide(reader, bot_id)
            assert again.divergences == (), (bot_id, again.divergences[0])
            assert again.decisions > 0, bot_id
        names = reader.streams()
        return Ending(
            states={bot_id: _stripped(restore_bot(reader, bot_id)[0]) for bot_id in ids},
            files={bot_id: _state_file(directory, bot_id) for bot_id in ids},
            lives={name: [_lived(each) for each in _life(reader, name)] for name in names if _is_bot(name)},
            feeds={name: [_row(each) for each in reader.read(name)] for name in names if not _is_bot(name)},
        )


def assert_same(ending: Ending, reference: Ending) -> None:
    """Compare a run with the one that was never killed, the smallest part first so that a failure is readable."""
    for name, rows in reference.feeds.items():
        assert ending.feeds[name] == rows, name
    for name, life in reference.lives.items():
        for number, (found, wanted) in enumerate(zip(ending.lives[name], life, strict=False)):
            assert found == wanted, (name, number)
        assert len(ending.lives[name]) == len(life), name
    for bot_id, state in reference.states.items():
        found_state = ending.states[bot_id]
        for field in BotState.__struct_fields__:
            assert getattr(found_state, field) == getattr(state, field), (bot_id, field)
    assert ending.files == reference.files
    assert ending == reference


def _stripped(state: BotState) -> BotState:
    """Give a state without what each start observes anew."""
    return msgspec.structs.replace(state, balances={}, balances_ms=0, has_looked=False)


def _is_bot(stream: str) -> bool:
    return stream.startswith(BOT_PREFIX)


def _life(reader: LogReader, stream: str) -> list[Recorded]:
    return [each for each in reader.read(stream) if not _is_bookkeeping(each.event)]


def _is_bookkeeping(event: Event) -> bool:
    return isinstance(event, BOOKKEEPING) or (isinstance(event, CommandReceived) and event.command == "stop")


def _lived(recorded: Recorded) -> tuple[int, Any]:
    return recorded.at_ms, recorded.event


def _row(recorded: Recorded) -> tuple[int, int, bytes]:
    return recorded.sequence, recorded.at_ms, recorded.checksum


def _state_file(directory: Path, bot_id: str) -> dict[str, Any]:
    """Read a state file without its `log`; nothing where there is none yet."""
    path = directory / state_file_name(bot_id)
    shown: dict[str, Any] = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
    shown.pop("log", None)
    return shown
