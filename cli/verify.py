"""`verify`: check the whole log, byte for byte; and how the outcome is told, here and by `replay --verify`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import json_option, open_log, state_dir_option
from cli.render import clean, echo_json, quoted, status
from engine.core.errors import LogDamagedError
from engine.core.narration import counted

if TYPE_CHECKING:
    from engine.store.verification import VerifyReport


@click.command(epilog="Example:  krypto-engine verify --state-dir data")
@state_dir_option
@json_option
@click.pass_context
def verify(ctx: click.Context, state_dir: Path, as_json: bool) -> None:
    """Check that the log is exactly what was written: sequences, checksums, tags, witness.

    Exit code 0 if it is, 6 if not. Nothing is changed either way.
    """
    from engine.store.verification import verify as check

    with open_log(state_dir) as reader:
        report = check(reader)
    if as_json:
        echo_json(report)
    else:
        show_verification(report, state_dir)
    ctx.exit(0 if report.is_sound else LogDamagedError.exit_code)


def show_verification(report: "VerifyReport", state_dir: Path, *, is_believed: bool = True) -> None:
    """Tell what a check of a log found, and what to do about it; other checks may not have believed it either."""
    is_sound = report.is_sound and is_believed
    verdict = status("sound" if is_sound else "damaged", good=is_sound)
    click.echo(f"{verdict}  {counted(report.rows, 'event')} in {counted(report.streams, 'stream')}")
    for damage in report.damages:
        where = f"{damage.stream} event {damage.sequence}: " if damage.stream else ""
        click.echo(f"  {clean(where + damage.what)}")
    if not report.is_sound:
        remedy = f"krypto-engine recover --state-dir {quoted(state_dir)}"
        click.echo(f"  Nothing was changed. Stop the engine, then: {remedy}")
    elif not report.has_witness:
        click.echo("  no witness: a lost end would not show")
