"""`verify`: check the whole log, byte for byte."""

from pathlib import Path

import click

from cli.options import json_option, open_log, state_dir_option
from cli.render import clean, echo_json, status
from engine.core.errors import LogDamagedError


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
    elif report.is_sound:
        click.echo(f"{status('sound', good=True)}  {report.rows} events in {report.streams} streams")
        if not report.has_witness:
            click.echo("  no witness: a lost end would not show")
    else:
        click.echo(f"{status('damaged', good=False)}  {report.rows} events in {report.streams} streams")
        for damage in report.damages:
            where = f"{damage.stream} event {damage.sequence}: " if damage.stream else ""
            click.echo(f"  {where}{clean(damage.what)}")
        click.echo(
            f"  Nothing was changed. Stop the engine, then: krypto-engine recover --state-dir {clean(str(state_dir))}"
        )
    ctx.exit(0 if report.is_sound else LogDamagedError.exit_code)
