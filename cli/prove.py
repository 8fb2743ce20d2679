"""`prove`: run the engine through simulated worlds full of faults, and hold it against what it promises."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.options import json_option
from cli.render import attention, clean, counted, dim, echo_json, heading, rows, status, table
from engine.core.errors import UsageError

if TYPE_CHECKING:
    from engine.testing.simulation.report import Sum, WorldReport

VIOLATED: Final = 1
SHOWN: Final = 10
AGAIN: Final = "krypto-engine prove --seed {seed}"


@click.command(
    epilog="Examples:\n\n  krypto-engine prove --seeds 500\n\n  krypto-engine prove --seeds 20000 --record campaign.jsonl"
    "\n\n  krypto-engine prove --seed 4711 --shrink"
)
@click.option("--seeds", type=click.IntRange(1, 10_000_000), default=200, show_default=True, help="How many worlds.")
@click.option("--first", type=click.IntRange(0), default=1, show_default=True, help="The first seed.")
@click.option("--jobs", type=click.IntRange(1, 256), help="How many processes. [default: one for each core]")
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), help="Write down what is done; resume there.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the result to this file as JSON.")
@click.option("--seed", type=click.IntRange(0), help="Run this one seed, twice, and tell what happened in it.")
@click.option("--shrink", "shrink_", is_flag=True, help="With --seed: look for the smallest set of faults that fails.")
@json_option
@click.pass_context
def prove(
    ctx: click.Context,
    seeds: int,
    first: int,
    jobs: int | None,
    record: Path | None,
    report: Path | None,
    seed: int | None,
    shrink_: bool,
    as_json: bool,
) -> None:
    """Run this engine through simulated worlds in which everything goes wrong, and check what it promises.

    Each seed is a world of its own: crashes and power cuts at any operation of the disk, lost and late messages,
    partial fills, clocks that jump, operators who interfere. Nothing real is touched; no network is used. Exit code 1
    if anything was violated.
    """
    if seed is not None:
        ctx.exit(_one(seed, shrink_=shrink_, as_json=as_json))
    if shrink_:
        raise UsageError("--shrink goes with one seed: name it with --seed")
    ctx.exit(_many(first, seeds, jobs or os.cpu_count() or 1, record, report, as_json=as_json))
