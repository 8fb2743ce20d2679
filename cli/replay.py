"""`replay`: tell a bot's story from its log, check it, or decide it all again."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from cli.options import json_option, moment_of, open_log, require_reached, state_dir_option
from cli.render import attention, clean, clock_text, dim, echo_json, rows, status
from cli.telling import coloured, is_routine
from cli.verify import show_verification
from engine.core.errors import LogDamagedError, ReplayDivergedError, UsageError
from engine.core.narration import counted, line, narrate
from engine.core.projection import state_file_name
from engine.runtime.examine import Moment, story
from engine.runtime.replica import Replica, known_bot

if TYPE_CHECKING:
    from engine.runtime.redecide import RedecideReport
    from engine.store.port import Recorded
    from engine.store.reader import LogReader

MOST_FILE: Final = 64 * 1024**2
"""Bytes of a state file that are read; one of a thousand open lots has less than a hundredth of that."""


@click.command(
    epilog="Examples:\n\n  krypto-engine replay btc-dca\n\n  krypto-engine replay btc-dca --at 120 --events\n\n"
    "  krypto-engine replay btc-dca --verify --redecide"
)
@click.argument("bot", required=False)
@click.option("--at", help="Stop at this event or UTC time, such as 120 or 2025-11-03T10:30:00Z.")
@click.option("--routine", is_flag=True, help="Tell passed checks, too.")
@click.option("--events", is_flag=True, help="Print every event as the log holds it, the feed's too.")
@click.option("--verify", "verify_", is_flag=True, help="Check sequences, checksums, witness, digests and state file.")
@click.option("--redecide", "redecide_", is_flag=True, help="Decide every observation again and compare.")
@state_dir_option
@json_option
@click.pass_context
def replay(
    ctx: click.Context,
    bot: str | None,
    at: str | None,
    routine: bool,
    events: bool,
    verify_: bool,
    redecide_: bool,
    state_dir: Path,
    as_json: bool,
) -> None:
    """Tell the story of BOT from its log, in the words of `run`.

    With --verify or --redecide nothing is told, and the exit code is 6 if the log is damaged or deciding again
    gave something else. A state file that differs is told: nothing trades by it, and the next start writes it again.
    """
    if at is not None and (verify_ or redecide_):
        raise UsageError("--at goes with the story alone: leave --verify and --redecide out")
    until = moment_of(at)
    with open_log(state_dir) as reader:
        bot_id = known_bot(reader, bot)
        require_reached(reader, bot_id, until)
        code = 0
        if verify_:
            code = code or _verify(reader, bot_id, state_dir, as_json=as_json)
        if redecide_:
            code = code or _redecide(reader, bot_id, as_json=as_json)
        if not verify_ and not redecide_:
            _tell(reader, bot_id, until, routine=routine, events=events, as_json=as_json)
    ctx.exit(code)


def _tell(
    reader: "LogReader", bot_id: str, until: Moment | None, *, routine: bool, events: bool, as_json: bool
) -> None:
    replica = Replica()
    for recorded in story(reader, bot_id, until, replica):
        if as_json:
            if events or recorded.stream.startswith("bot:"):
                echo_json(_as_record(recorded))
            continue
        if events:
            _show_event(recorded)
            continue
        if replica.state is None or recorded.stream.startswith("feed:"):
            continue
        event: Any = recorded.event
        if is_routine(event) and not routine:
            continue
        text = narrate(event, replica.state.config)
        if text is not None:
            told = coloured(event, clean(line(bot_id, text)))
            click.echo(f"{dim(clock_text(recorded.at_ms))}  {told}")


def _as_record(recorded: "Recorded") -> dict[str, object]:
    return {
        "position": recorded.position,
        "stream": recorded.stream,
        "sequence": recorded.sequence,
        "at": recorded.at_ms,
        "cause": recorded.cause,
        "event": recorded.event,
        "checksum": recorded.checksum.hex(),
    }


def describe(recorded: "Recorded", most: int | None = None) -> str:
    """Write an event on one line: where it stands, what it is, what it carries; so many characters at most."""
    fields = msgspec.to_builtins(recorded.event)
    tag = fields.pop("type")
    shown = " ".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in fields.items())
    text = clean(f"{recorded.stream} {recorded.sequence}  {tag}  {shown}")
    return text if most is None or len(text) <= most else f"{text[: most - 1]}…"


def _show_event(recorded: "Recorded") -> None:
    cause = f"  <- {recorded.cause.stream} {recorded.cause.sequence}" if recorded.cause is not None else ""
    click.echo(f"{dim(clock_text(recorded.at_ms))}  {describe(recorded)}{dim(clean(cause))}")


def _verify(reader: "LogReader", bot_id: str, state_dir: Path, *, as_json: bool) -> int:
    from engine.runtime.examine import check_digests
    from engine.store.verification import verify as check

    report = check(reader)
    digests = check_digests(reader, bot_id) if report.is_sound else None
    sound = report.is_sound and digests is not None and not digests.differing
    equal, found = _state_file(reader, bot_id, state_dir / state_file_name(bot_id)) if sound else (None, "")
    if as_json:
        file = {"equal": equal, "found": found} if sound else None
        echo_json({"verify": report, "digests": digests, "state_file": file})
        return 0 if sound else LogDamagedError.exit_code
    show_verification(report, state_dir, is_believed=digests is None or not digests.differing)
    if digests is not None:
        click.echo(f"  of {digests.checked} noted states, {len(digests.differing)} differ from what the events give")
    if sound:
        click.echo("  state file: " + (attention(found) if equal is False else found))
    return 0 if sound else LogDamagedError.exit_code


def _state_file(reader: "LogReader", bot_id: str, path: Path) -> tuple[bool | None, str]:
    """Compare a state file with the log, and put it into words; None says that there is no file."""
    from engine.runtime.examine import file_difference

    if not path.is_file():
        return None, "there is none"
    with path.open("rb") as file:
        written = file.read(MOST_FILE + 1)
    difference: str | None = f"it is larger than {MOST_FILE:,} bytes: it is written again at the next start"
    if len(written) <= MOST_FILE:
        difference = file_difference(reader, bot_id, written)
    return difference is None, clean(difference or "equal to the log")


def _redecide(reader: "LogReader", bot_id: str, *, as_json: bool) -> int:
    from engine.runtime.redecide import redecide

    report = redecide(reader, bot_id)
    if as_json:
        echo_json({"redecide": report})
    else:
        _show_redecide(report)
    return 0 if report.is_faithful else ReplayDivergedError.exit_code


def _show_redecide(report: "RedecideReport") -> None:
    observations, decisions = counted(report.observations, "observation"), counted(report.decisions, "decision")
    compared = f"{observations} decided again, {decisions} compared"
    if not report.divergences:
        click.echo(f"{status('identical', good=True)}  {compared}")
        return
    word = "newer rules differ" if report.is_faithful else "diverged"
    click.echo(f"{status(word, good=report.is_faithful)}  {compared}")
    for divergence in report.divergences[:20]:
        cause = divergence.cause
        where = f"after {cause.stream} {cause.sequence}" if cause is not None else ""
        click.echo(f"  at event {divergence.sequence}, {clock_text(divergence.at_ms)} {clean(where)}")
        both = (("recorded", divergence.recorded), ("decided", divergence.decided))
        rows(((name, "nothing" if event is None else clean(str(event))) for name, event in both), indent="    ")
