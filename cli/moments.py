"""`--at`: a moment in the life of a bot, as it is typed."""

from typing import TYPE_CHECKING, Final

from engine.core.errors import UsageError
from engine.core.identity import bot_stream
from engine.runtime.examine import Moment

if TYPE_CHECKING:
    from engine.store.reader import LogReader

MOST_AT: Final = 40


def moment_of(at: str | None) -> Moment | None:
    """Read `--at`. Raises UsageError."""
    if at is not None and len(at) > MOST_AT:
        raise UsageError(f"--at has {len(at)} characters: give a sequence such as 120, or a UTC time")
    return None if at is None else Moment.parse(at)


def require_reached(reader: "LogReader", bot_id: str, until: Moment | None) -> None:
    """Refuse an event that a bot does not have yet, such as a time that was given as a number. Raises UsageError."""
    last = reader.head(bot_stream(bot_id)).sequence
    if until is not None and until.sequence is not None and until.sequence > last:
        raise UsageError(
            f"--at is {until.sequence}, and {bot_id} has {last} events: name one of them, or give a UTC time such as "
            "2025-11-03T10:30:00Z"
        )
