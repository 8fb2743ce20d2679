"""Run parts of the campaign in a process of their own until one shows a violation, with the engine of another tree.

Owns nothing but the loop: the work is done by the campaign's own `run_block`. Nothing of the engine may be imported
before the tree is on the path, so this module imports none of it.
"""

import json
import os
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.prove.plant import By

if TYPE_CHECKING:
    from engine.testing.simulation.report import Sum

TAPES: Final = Path(__file__).with_name("tapes")
THIRD_PARTY = ["aiosqlite", "asyncio", "click", "msgspec", "polars", "sqlite3", "talib", "yaml"]
"""What the engine imports from elsewhere: loaded once for all processes, since loading it takes longest."""


def work(answer: Connection, tree: str, by: By, pieces: Sequence[tuple[int, int]]) -> None:
    """Search in a tree, and send what was found."""
    sys.path.insert(0, tree)
    os.chdir(tree)
    import engine

    assert Path(str(engine.__file__)).is_relative_to(tree), engine.__file__
    try:
        found = search(by, pieces)
    except Exception as error:  # noqa: BLE001 - the campaign itself broke down, which is no kill
        found = {"broke": repr(error)}
    answer.send(found)


def search(by: By, pieces: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Give the first violation, and how many seeds or schedules were tried until then."""
    from engine.testing.simulation.campaign import Work, run_block
    from engine.testing.simulation.report import StorageSum, Sum

    tried, parent = 0, os.getppid()
    for first, count in pieces:
        if os.getppid() != parent:
            break  # whoever wanted to know is gone
        came = _played(first) if by == "tapes" else run_block(Work(by, first, count))
        tried += count
        if isinstance(came, StorageSum) and came.violations:
            seen = came.violations[0]
            what = f"{seen.kind}: {seen.what}"
            return {"seed": seen.schedule, "what": what, "tried": tried - (first + count - 1 - seen.schedule)}
        if isinstance(came, Sum) and came.failures:
            return {"seed": came.failures[0].seed, "what": came.failures[0].violations[0], "tried": tried}
    return {"tried": tried}


def _played(seed: int) -> "Sum":
    """Play the tape of a seed."""
    from engine.testing.simulation.campaign import scratch
    from engine.testing.simulation.report import sum_of
    from engine.testing.simulation.running import run_world

    tape = json.loads((TAPES / f"{seed}.json").read_bytes())
    with scratch() as folder:
        return sum_of([run_world(seed, Path(folder), tape)], 0.0)
