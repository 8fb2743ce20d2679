"""`prove --seed` and `--schedule`: one world or one storage schedule, run twice, and told of."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import click
import msgspec

from cli.render import clean, dim, echo_json, heading, rows, status
from engine.core.errors import UsageError
from engine.core.narration import counted

if TYPE_CHECKING:
    from engine.testing.simulation.report import WorldReport

VIOLATED: Final = 1
SHOWN: Final = 12
MOST_TAPE: Final = 16 * 1024**2
"""Bytes of a tape that are read; that of a long world has a hundredth of it."""


@contextmanager
def ending_between(*, is_here: bool = True) -> Iterator[Callable[[], None]]:
    """Have Ctrl-C wait until a world that runs in this process is over; a second one ends it at once.

    Raised in the midst of a callback of SQLite, it would crash the interpreter, or be taken for a fault of the engine.
    What is given raises Abort once that was asked for.
    """
    is_asked = False

    def ask(_number: int, _frame: object) -> None:
        nonlocal is_asked
        if is_asked:
            os._exit(130)
        is_asked = True
        os.write(2, b"\nending once what runs is over; Ctrl-C again ends at once\n")

    def end_if_asked() -> None:
        if is_asked:
            raise click.Abort

    before = signal.signal(signal.SIGINT, ask) if is_here else None
    try:
        yield end_if_asked
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def list_counts(title: str, counts: dict[str, int]) -> None:
    """Show how often each thing came, the most frequent first."""
    click.echo(f"  {heading(title)}")
    most = sorted(counts.items(), key=lambda pair: -pair[1])
    rows(((name, f"{count:,}") for name, count in most[:SHOWN]), indent="    ")
    if len(most) > SHOWN:
        click.echo(dim(f"    and {len(most) - SHOWN} more kinds, in --json"))


def one_world(seed: int, tape: Path | None, *, shrink_: bool, as_json: bool) -> int:
    """Run one world twice, see that both are the same, and tell of it."""
    from engine.testing.simulation.campaign import scratch
    from engine.testing.simulation.running import run_world
    from engine.testing.simulation.shrink import shrink

    def played(choices: dict[str, int] | None) -> "WorldReport":
        with scratch() as folder, ending_between() as end_if_asked:
            report = run_world(seed, Path(folder), choices)
            end_if_asked()
            return report

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


def one_schedule(number: int, *, as_json: bool) -> int:
    """Run one storage schedule twice, see that the same comes of both, and tell of it."""
    from engine.testing.simulation.campaign import Work, run_block
    from engine.testing.simulation.report import StorageSum
    from engine.testing.simulation.tally import Violation

    with ending_between() as end_if_asked:
        came, again = (run_block(Work("schedules", number, 1)) for _ in range(2))
        end_if_asked()
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
        list_counts("how it ended", came.outcomes)
        list_counts("what happened", came.counts)
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
        list_counts("how lives ended", report.endings)
        list_counts("faults", report.faults)
