"""`run`: trade, tell the story as it happens, and sum up at the end."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import check_each, config_option, json_option, outside
from cli.summary import show_summary
from cli.telling import Teller
from engine.core.errors import EngineError, OperatorNeededError, UsageError
from engine.runtime.config_file import LoadedConfig, load_config, one_directory
from engine.runtime.lockdown import lock_down
from engine.runtime.markets import is_real

if TYPE_CHECKING:
    from engine.runtime.connections import Wiring
    from engine.runtime.supervisor import Engine, Outcome

UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DIGITS = 5
ROUTINE_SPEED = 10
EXIT_BY_REASON = {"SIGINT": 130, "SIGTERM": 143, "an operator must decide": OperatorNeededError.exit_code}


class OutputError(EngineError):
    """Standard output cannot be written, as on a full disk."""


class Speed(click.ParamType[float | None]):
    """Market seconds a second: a number above 0, or `max`."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Read the option; None means as fast as it goes."""
        if value == "max":
            return None
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 0 < speed <= 1_000_000:  # noqa: PLR2004 - a million market seconds a second, or max
            self.fail(f"{value!r} is no speed: give a number from above 0 to 1000000, or max", param, ctx)
        return speed


class Duration(click.ParamType[int]):
    """A time span such as 90s, 30m, 12h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the option as milliseconds."""
        text = str(value)
        number, unit = text[:-1], text[-1:]
        if unit not in UNITS_MS or not number.isascii() or not number.isdigit() or not number.strip("0"):
            self.fail(f"{text[:40]!r} is no time span: write it as 90s, 30m, 12h or 7d", param, ctx)
        if len(number) > DIGITS:
            self.fail(f"{text[:40]!r} has more than {DIGITS} digits: take a larger unit of s, m, h and d", param, ctx)
        return int(number) * UNITS_MS[unit]


@click.command(
    epilog="Examples:\n\n  krypto-engine run -c bot.yml\n\n  krypto-engine run -c btc.yml -c eth.yml --speed max\n\n"
    "  krypto-engine run -c docs/examples/first-bot.yml --speed 720 --for 12h"
)
@config_option(required=True)
@click.option("--speed", type=Speed(), default="1", show_default=True, help="Market seconds a second, or max.")
@click.option("--for", "for_ms", type=Duration(), help="Stop after this much market time, such as 12h.")
@click.option(
    "--routine/--no-routine",
    default=None,
    help="Show passed checks, cache use and periodic saves; by default up to a speed of 10.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print the summary only.")
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    paths: tuple[Path, ...],
    speed: float | None,
    for_ms: int | None,
    routine: bool | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run one or more bots, each from its own file, in one process on one log.

    Ctrl-C, SIGTERM and `krypto-engine stop` end in order. Started again, every bot goes on where its log ends.
    """
    loaded = [load_config(path) for path in paths]
    directory = one_directory(loaded)
    check_each(loaded)
    _check_speed(ctx, loaded)
    if any(not each.config.paper_trading for each in loaded):
        lock_down()
    if routine is None:
        routine = speed is not None and speed <= ROUTINE_SPEED
    teller = Teller([each.config for each in loaded], quiet=quiet, routine=routine, json_lines=as_json)
    outcome = asyncio.run(_run(directory, loaded, speed, for_ms, teller, outside(ctx.obj).wiring))
    try:
        teller.close()
        show_summary(directory, outcome, as_json=as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"standard output could not be written ({error.strerror}); the run was ended in order, its log is whole"
        ) from error
    ctx.exit(next((EXIT_BY_REASON[reason] for reason in outcome.reasons if reason in EXIT_BY_REASON), 0))


def _check_speed(ctx: click.Context, loaded: list[LoadedConfig]) -> None:
    """Refuse a speed for a market that has its own."""
    given = ctx.get_parameter_source("speed") is not click.core.ParameterSource.DEFAULT
    real = next((each for each in loaded if is_real(each.config.exchange)), None)
    if given and real is not None:
        raise UsageError(
            f"--speed goes with simulated and recorded markets, and {real.source} trades on {real.config.exchange}: "
            "leave it out"
        )


async def _run(
    directory: Path,
    loaded: list[LoadedConfig],
    speed: float | None,
    for_ms: int | None,
    teller: Teller,
    wiring: "Wiring | None",
) -> "Outcome":
    from engine.runtime.bootstrap import Surroundings
    from engine.runtime.clock import SystemTime
    from engine.runtime.connections import Wiring
    from engine.runtime.entropy import draw_log_id
    from engine.runtime.journal import Listener
    from engine.runtime.supervisor import RunPlan, run_engine

    def surroundings(listeners: tuple[Listener, ...]) -> Surroundings:
        return Surroundings(directory, listeners, teller.say, draw_log_id, wiring=wiring or Wiring())

    def announce(engine: "Engine") -> None:
        teller.announce(directory, engine)

    return await run_engine(
        directory,
        [each.config for each in loaded],
        RunPlan(speed, for_ms),
        real_time=SystemTime(),
        surroundings=surroundings,
        listeners=(teller.listen,),
        announce=announce,
    )
