"""`prove`: run the engine through simulated worlds full of faults, and hold it against what it promises."""

import os
import platform
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

import engine
from cli.options import json_option
from cli.prove_one import SHOWN, VIOLATED, ending_between, list_counts, one_schedule, one_world
from cli.render import clean, dim, echo_json, status
from engine.core.errors import UsageError
from engine.core.narration import counted

if TYPE_CHECKING:
    from engine.testing.simulation.campaign import Campaign

MOST_SEED: Final = 2**53
MOST_SCHEDULE: Final = 1_000_000
"""Every script before a schedule is measured first: beyond this one would wait for long and be told nothing."""


@click.command(
    epilog="Examples:\n\n  krypto-engine prove --seeds 500\n\n  krypto-engine prove --seeds 20000 --schedules 100000 "
    "--record campaign.jsonl\n\n  krypto-engine prove --seed 4711 --shrink\n\n  krypto-engine prove --schedule 4856"
)
@click.option("--seeds", type=click.IntRange(0, 10_000_000), default=200, show_default=True, help="How many worlds.")
@click.option("--first", type=click.IntRange(0, MOST_SEED), default=1, show_default=True, help="The first seed.")
@click.option(
    "--schedules",
    type=click.IntRange(0, MOST_SCHEDULE),
    default=0,
    show_default=True,
    help="How many storage schedules.",
)
@click.option("--jobs", type=click.IntRange(1, 256), help="How many processes. [default: one for each core]")
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), help="Write down what is done; go on there.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the result to a file as JSON.")
@click.option("--until-failure", is_flag=True, help="End at the first violation.")
@click.option("--seed", type=click.IntRange(0, MOST_SEED), help="Run this one world twice, and tell what happened.")
@click.option("--shrink", "shrink_", is_flag=True, help="With --seed: look for the fewest choices that still fail.")
@click.option(
    "--tape", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="With --seed: play these choices."
)
@click.option(
    "--schedule",
    type=click.IntRange(0, MOST_SCHEDULE),
    help="Run this one storage schedule twice, in one process, and tell of it.",
)
@json_option
@click.pass_context
def prove(
    ctx: click.Context,
    /,
    seed: int | None,
    shrink_: bool,
    tape: Path | None,
    schedule: int | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Run this engine through simulated worlds in which everything goes wrong, and check what it promises.

    Each seed is a world of its own: crashes and power cuts at any operation of the disk, lost and late messages,
    partial fills, clocks that jump, operators who interfere. Nothing real is touched and no network is used. Exit
    code 1 if anything was violated.
    """
    if seed is None and (shrink_ or tape is not None):
        raise UsageError("--shrink and --tape go with one world: name it with --seed")
    if seed is not None:
        _refuse_others(ctx, "--seed, which runs one world", "schedule", *wanted)
        ctx.exit(one_world(seed, tape, shrink_=shrink_, as_json=as_json))
    if schedule is not None:
        _refuse_others(ctx, "--schedule, which runs one storage schedule", *wanted)
        ctx.exit(one_schedule(schedule, as_json=as_json))
    if not wanted["seeds"] and not wanted["schedules"]:
        raise UsageError("nothing is to be run: give --seeds or --schedules a number above 0")
    if wanted["report"] is not None:
        _refuse_report(wanted["report"], wanted["record"])
    ctx.exit(_many(wanted, as_json=as_json))


def _refuse_others(ctx: click.Context, what: str, *names: str) -> None:
    """Refuse options of a campaign, or of something else, beside the one that runs a single world or schedule."""
    given = [name for name in names if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT]
    if given:
        options = ", ".join("--" + name.replace("_", "-") for name in given)
        raise UsageError(f"{options} cannot go with {what}: leave out one or the other")


def _refuse_report(report: Path, record: Path | None) -> None:
    """Refuse, before hours of work, a report that could not be written at their end."""
    if record is not None and record.absolute() == report.absolute():
        raise UsageError(f"--report and --record are both {report}: give each a file of its own")
    try:
        report.open("ab").close()
    except OSError as error:
        raise UsageError(f"--report is {report}, which cannot be written ({error.strerror}): name another") from error


def _many(wanted: dict[str, Any], *, as_json: bool) -> int:
    from engine.runtime.clock import SystemTime
    from engine.testing.simulation.campaign import Campaign, Work, run

    with Campaign(Path(engine.__file__).parent, wanted["record"]) as campaign:
        clock, jobs = SystemTime(), wanted["jobs"] or os.cpu_count() or 1
        work = [Work("schedules", 0, wanted["schedules"]), Work("worlds", wanted["first"], wanted["seeds"])]
        begun_s = clock.monotonic_s()
        tell = _silent if as_json else _progress(work, jobs, lambda: clock.monotonic_s() - begun_s)
        try:
            with ending_between(is_here=jobs == 1) as end_if_asked:

                def show(so_far: Campaign) -> None:
                    tell(so_far)
                    end_if_asked()

                run(campaign, work, jobs, show, until_failure=wanted["until_failure"])
        finally:
            if not as_json and sys.stderr.isatty():
                click.echo("\r\033[K", nl=False, err=True)
        result = _result(campaign, clock.monotonic_s() - begun_s, jobs)
        try:
            if as_json:
                echo_json(result)
            else:
                _conclude(campaign, result)
        finally:
            if wanted["report"] is not None:
                wanted["report"].write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
        return VIOLATED if campaign.violations else 0


def _silent(_campaign: "Campaign") -> None:
    """Show nothing."""


def _progress(work: list[Any], jobs: int, spent_s: Callable[[], float]) -> Callable[["Campaign"], None]:
    """Give what shows the progress: in one line that changes on a terminal, else in one now and then."""
    wanted = {each.kind: each.count for each in work}
    told = 0.0

    def show(campaign: "Campaign") -> None:
        nonlocal told
        worlds, schedules = campaign.totals
        rate = _rate(campaign, jobs)
        parts = [f"{schedules.schedules:,} of {wanted['schedules']:,} schedules"] if wanted["schedules"] else []
        parts.append(f"{worlds.seeds:,} worlds, {rate:,.0f} an hour")
        parts += [counted(worlds.restarts, "restart"), counted(worlds.orders, "order")]
        parts.append(counted(campaign.violations, "violation"))
        text = " · ".join(parts)
        if sys.stderr.isatty():
            click.echo(f"\r\033[K{dim(text)}", nl=False, err=True)
        elif spent_s() - told >= 60:  # noqa: PLR2004 - a line a minute
            told = spent_s()
            click.echo(text, err=True)

    return show


def _rate(campaign: "Campaign", jobs: int) -> float:
    """Give how many worlds an hour so many processes run, by what all worlds took."""
    worlds, _ = campaign.totals
    return worlds.seeds / worlds.seconds * jobs * 3_600 if worlds.seconds else 0.0


def _result(campaign: "Campaign", spent_s: float, jobs: int) -> dict[str, Any]:
    worlds, schedules = campaign.totals
    return {
        "engine": campaign.engine,
        "violations": campaign.violations,
        "seconds": round(spent_s, 1),
        "jobs": jobs,
        "seeds_an_hour": round(_rate(campaign, jobs)),
        "worlds": worlds,
        "schedules": schedules,
        "again": [_again("seed", failure.seed) for failure in worlds.failures]
        + [_again("schedule", each.schedule) for each in schedules.violations],
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def _conclude(campaign: "Campaign", result: dict[str, Any]) -> None:
    worlds, schedules = campaign.totals
    verdict = "no violation" if not campaign.violations else counted(campaign.violations, "violation")
    click.echo(f"{status(verdict, good=not campaign.violations)}  engine {result['engine'][:16]}")
    if schedules.schedules:
        click.echo(f"  {counted(schedules.schedules, 'storage schedule')}")
        list_counts("how they ended", schedules.outcomes)
    if worlds.seeds:
        years = f"{worlds.virtual_s / 86_400:,.1f} days lived"
        click.echo(f"  {counted(worlds.seeds, 'world')}, {result['seeds_an_hour']:,} an hour, {years}")
        told = (counted(number, noun) for number, noun in ((worlds.restarts, "restart"), (worlds.orders, "order")))
        click.echo(f"  {', '.join(told)}, {counted(worlds.trades, 'trade')}")
        if worlds.recoveries or worlds.unjudged:
            recovered = counted(worlds.recoveries, "run of a recovery").replace("recoverys", "recovery")
            click.echo(f"  {recovered}, {worlds.unjudged:,} worlds ended without a verdict: their log is past recovery")
        click.echo(dim(f"  trace {worlds.digest[:32]}"))
        list_counts("how lives ended", worlds.endings)
        list_counts("faults", worlds.faults)
    for failure in worlds.failures[:SHOWN]:
        click.echo(status(f"  seed {failure.seed}", good=False) + dim(f"  {_again('seed', failure.seed)}"))
        for violation in failure.violations[:SHOWN]:
            click.echo(f"    {clean(violation)}")
    for each in schedules.violations[:SHOWN]:
        click.echo(status(f"  schedule {each.schedule}", good=False) + dim(f"  {_again('schedule', each.schedule)}"))
        click.echo(f"    {clean(f'{each.kind}: {each.what}')}")
    untold = sum(max(0, len(failed) - SHOWN) for failed in (worlds.failures, schedules.violations))
    if untold:
        click.echo(dim(f"  and {untold:,} more: --json and --report tell all, each with what runs it again"))


def _again(option: str, number: int) -> str:
    """Give the line that runs one world or one schedule again."""
    return f"krypto-engine prove --{option} {number}"
