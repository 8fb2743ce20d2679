"""`prove`: run the engine through simulated worlds full of faults, and hold it against what it promises."""

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import click
import msgspec

import engine
from cli.options import json_option
from cli.render import clean, dim, echo_json, heading, rows, status
from engine.core.errors import UsageError
from engine.core.narration import counted

if TYPE_CHECKING:
    from engine.testing.simulation.campaign import Campaign, Work
    from engine.testing.simulation.report import WorldReport

VIOLATED: Final = 1
MOST_FILES: Final = 10_240
"""Descriptors to ask for where the system names no limit: what macOS gives at most."""
WORLDS_A_PROCESS: Final = 500
"""Worlds that a process runs before another takes its place: a life that is killed leaves a descriptor open."""
SHOWN: Final = 12
MOST_SEED: Final = 2**53
MOST_TAPE: Final = 16 * 1024**2
"""Bytes of a tape that are read; that of a long world has a hundredth of it."""
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
        ctx.exit(_one(seed, tape, shrink_=shrink_, as_json=as_json))
    if schedule is not None:
        _refuse_others(ctx, "--schedule, which runs one storage schedule", *wanted)
        ctx.exit(_one_schedule(schedule, as_json=as_json))
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
    from engine.testing.simulation.campaign import Campaign, run

    with Campaign(Path(engine.__file__).parent, wanted["record"]) as campaign:
        clock, jobs = SystemTime(), wanted["jobs"] or os.cpu_count() or 1
        work = _parts(wanted, jobs)
        begun_s = clock.monotonic_s()
        show = _silent if as_json else _progress(work, jobs, lambda: clock.monotonic_s() - begun_s)
        _allow_many_files()
        try:
            for part in work:
                run(campaign, [part], jobs, show, until_failure=wanted["until_failure"])
                if wanted["until_failure"] and campaign.violations:
                    break
        finally:
            if not as_json and sys.stderr.isatty():
                click.echo("\r\033[K", nl=False, err=True)
        result = _result(campaign, clock.monotonic_s() - begun_s, jobs)
        if as_json:
            echo_json(result)
        else:
            _conclude(campaign, result)
        if wanted["report"] is not None:
            wanted["report"].write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
        return VIOLATED if campaign.violations else 0


def _parts(wanted: dict[str, Any], jobs: int) -> list["Work"]:
    """Give the work in parts so small that no process runs out of descriptors; each part holds those before it."""
    from engine.testing.simulation.campaign import Work

    seeds, most = wanted["seeds"], WORLDS_A_PROCESS * jobs
    schedules = Work("schedules", 0, wanted["schedules"])
    return [schedules, *(Work("worlds", wanted["first"], upto) for upto in (*range(most, seeds, most), seeds))]


def _allow_many_files() -> None:
    """Have as many descriptors as this process may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


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
    }


def _conclude(campaign: "Campaign", result: dict[str, Any]) -> None:
    worlds, schedules = campaign.totals
    verdict = "no violation" if not campaign.violations else counted(campaign.violations, "violation")
    click.echo(f"{status(verdict, good=not campaign.violations)}  engine {result['engine'][:16]}")
    if schedules.schedules:
        click.echo(f"  {counted(schedules.schedules, 'storage schedule')}")
        _list("how they ended", schedules.outcomes)
    if worlds.seeds:
        years = f"{worlds.virtual_s / 86_400:,.1f} days lived"
        click.echo(f"  {counted(worlds.seeds, 'world')}, {result['seeds_an_hour']:,} an hour, {years}")
        told = (counted(number, noun) for number, noun in ((worlds.restarts, "restart"), (worlds.orders, "order")))
        click.echo(f"  {', '.join(told)}, {counted(worlds.trades, 'trade')}")
        if worlds.recoveries or worlds.unjudged:
            recovered = counted(worlds.recoveries, "run of a recovery").replace("recoverys", "recovery")
            click.echo(f"  {recovered}, {worlds.unjudged:,} worlds ended without a verdict: their log is past recovery")
        click.echo(dim(f"  trace {worlds.digest[:32]}"))
        _list("how lives ended", worlds.endings)
        _list("faults", worlds.faults)
    for failure in worlds.failures[:SHOWN]:
        click.echo(status(f"  seed {failure.seed}", good=False) + dim(f"  krypto-engine prove --seed {failure.seed}"))
        for violation in failure.violations[:SHOWN]:
            click.echo(f"    {clean(violation)}")
    for each in schedules.violations[:SHOWN]:
        again = dim(f"  krypto-engine prove --schedule {each.schedule}")
        click.echo(status(f"  schedule {each.schedule}", good=False) + again)
        click.echo(f"    {clean(f'{each.kind}: {each.what}')}")


def _list(title: str, counts: dict[str, int]) -> None:
    click.echo(f"  {heading(title)}")
    most = sorted(counts.items(), key=lambda pair: -pair[1])
    rows(((name, f"{count:,}") for name, count in most[:SHOWN]), indent="    ")
    if len(most) > SHOWN:
        click.echo(dim(f"    and {len(most) - SHOWN} more kinds, in --json"))


def _one(seed: int, tape: Path | None, *, shrink_: bool, as_json: bool) -> int:
    """Run one world twice, see that both are the same, and tell of it."""
    from engine.testing.simulation.campaign import scratch
    from engine.testing.simulation.running import run_world
    from engine.testing.simulation.shrink import shrink

    def played(choices: dict[str, int] | None) -> "WorldReport":
        with scratch() as folder:
            return run_world(seed, Path(folder), choices)

    choices = None if tape is None else _choices(tape)
    report, again = played(choices), played(choices)
    violations = list(report.violations)
    if report.digest != again.digest:
        violations.append("determinism: run twice, this seed gave two traces")
    if shrink_ and report.violations:
        rule = report.violations[0].partition(":")[0]
        kept = shrink(report.tape, lambda each: any(v.startswith(rule) for v in played(dict(each)).violations))
        report = played(dict(kept))
    if as_json:
        echo_json(msgspec.structs.replace(report, violations=tuple(violations)))
    else:
        _tell(report, violations, shrunk=shrink_ and bool(report.violations))
    return VIOLATED if violations else 0


def _one_schedule(number: int, *, as_json: bool) -> int:
    """Run one storage schedule twice, see that the same comes of both, and tell of it."""
    from engine.testing.simulation.campaign import Work, run_block
    from engine.testing.simulation.report import StorageSum
    from engine.testing.simulation.tally import Violation

    came, again = (run_block(Work("schedules", number, 1)) for _ in range(2))
    assert isinstance(came, StorageSum)
    violations = list(came.violations)
    if came != again:
        violations.append(Violation(number, "determinism", "run twice, this schedule came to two ends"))
    if as_json:
        echo_json(msgspec.structs.replace(came, violations=tuple(violations)))
    else:
        verdict = "no violation" if not violations else counted(len(violations), "violation")
        click.echo(f"{status(verdict, good=not violations)}  schedule {number}, run twice")
        for each in violations:
            click.echo(f"    {clean(f'{each.kind}: {each.what}')}")
        _list("how it ended", came.outcomes)
        _list("what happened", came.counts)
    return VIOLATED if violations else 0


def _choices(path: Path) -> dict[str, int]:
    """Read the choices of a world: a report of `prove --seed N --json`, or its `tape` alone.

    Raises:
        UsageError: it is neither.
    """
    try:
        with path.open("rb") as file:
            told = msgspec.json.decode(file.read(MOST_TAPE))
        return msgspec.convert(told.get("tape", told), dict[str, Annotated[int, msgspec.Meta(ge=0)]])
    except (msgspec.MsgspecError, AttributeError, RecursionError, UnicodeError) as error:
        raise UsageError(
            f"--tape {path} holds no choices ({error}): give what prove --seed N --json printed"
        ) from error


def _tell(report: "WorldReport", violations: list[str], *, shrunk: bool) -> None:
    from engine.testing.simulation.shrink import by_site

    verdict = "no violation" if not violations else counted(len(violations), "violation")
    click.echo(f"{status(verdict, good=not violations)}  seed {report.seed}, trace {report.digest[:16]}, run twice")
    told = (
        counted(report.lives, "life").replace("lifes", "lives"),
        counted(report.orders, "order"),
        counted(report.trades, "trade"),
    )
    click.echo(f"  {', '.join(told)} in {report.virtual_s:,} s")
    for violation in violations:
        click.echo(f"    {clean(violation)}")
    if shrunk and violations:
        click.echo(f"  {heading('what is needed for it')}")
        rows(((site, str(choice)) for site, choice in by_site(report.tape)), indent="    ")
    else:
        _list("how lives ended", report.endings)
        _list("faults", report.faults)
