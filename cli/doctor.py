"""`doctor`: look at everything that could keep bots from running as they should, and say what to do about it."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import config_option, configured_state_dir_option, json_option, outside
from cli.render import WIDTH, attention, clean, dim, echo_json, heading, status, wrapped
from engine.core.narration import counted
from engine.runtime.lockdown import lock_down

if TYPE_CHECKING:
    from engine.runtime.checks import Finding, Section
    from engine.runtime.connections import Wiring
    from engine.runtime.doctor import Report, Tell

_LEVEL_WIDTH = len("warning")
_CHECK_WIDTH = len("may withdraw")
_INDENT = " " * (2 + _LEVEL_WIDTH + 2 + _CHECK_WIDTH + 2)


@click.command(
    epilog="Examples:\n\n  krypto-engine doctor\n\n  krypto-engine doctor -c docs/examples/paper-binanceus.yml\n\n"
    "  krypto-engine doctor -c btc.yml -c eth.yml --json"
)
@config_option()
@configured_state_dir_option
@json_option
@click.pass_context
def doctor(ctx: click.Context, paths: tuple[Path, ...], state_dir: Path | None, as_json: bool) -> None:
    """Check the machine, the state directory, and what the bots of these files need: clock, keys, markets, money.

    Nothing is changed and no order is placed; an engine may be running. For a real exchange it is asked a few
    questions. Exit code 0 unless something is at fault.
    """
    lock_down()
    report = asyncio.run(_examine(paths, state_dir, outside(ctx.obj).wiring, _silent if as_json else _show))
    if as_json:
        echo_json(
            {
                "exit_code": report.exit_code,
                "sections": report.sections,
                "calls": report.calls,
            }
        )
    else:
        _conclude(report)
    ctx.exit(report.exit_code)


async def _examine(paths: tuple[Path, ...], state_dir: Path | None, wiring: "Wiring | None", tell: "Tell") -> "Report":
    from engine.runtime.clock import SystemTime
    from engine.runtime.connections import Wiring
    from engine.runtime.doctor import examine

    return await examine(paths, state_dir, wiring=wiring or Wiring(), real_time=SystemTime(), tell=tell)


def _silent(_section: "Section") -> None:
    """Wait for the whole report."""


def _show(section: "Section") -> None:
    """Print a section when it is done."""
    click.echo(heading(section.title))
    for finding in section.findings:
        _show_finding(finding)


def _show_finding(finding: "Finding") -> None:
    level = finding.level.ljust(_LEVEL_WIDTH)
    first, *more = wrapped(clean(finding.text), WIDTH - len(_INDENT))
    click.echo(f"  {_styled(level, finding.level)}  {dim(clean(finding.check).ljust(_CHECK_WIDTH))}  {first}")
    for line in more:
        click.echo(_INDENT + line)
    if finding.remedy and finding.level != "ok":
        for line in wrapped(f"To do: {clean(finding.remedy)}", WIDTH - len(_INDENT)):
            click.echo(_INDENT + line)


def _styled(text: str, level: str) -> str:
    if level in {"ok", "fault"}:
        return status(text, good=level == "ok")
    return attention(text) if level == "warning" else dim(text)


def _conclude(report: "Report") -> None:
    """Sum up: how many of each level, and what the exchanges were asked."""
    levels = [finding.level for finding in report.findings]
    counts = [counted(levels.count(level), level) for level in ("fault", "warning", "note") if level in levels]
    verdict = status("healthy", good=True) if report.exit_code == 0 else status("faulty", good=False)
    click.echo(f"\n{verdict}  {', '.join(counts) or 'nothing to be done'}")
    if report.calls:
        asked = ", ".join(f"{kind} {count}" for kind, count in sorted(report.calls.items()))
        click.echo(dim(f"    asked of exchanges: {asked}"))
