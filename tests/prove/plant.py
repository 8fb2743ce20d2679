"""What a planted bug is.

Owns the shape of the tables. Plants break copies only; the code that lands is never touched.
"""

from typing import Literal, NamedTuple

By = Literal["worlds", "schedules", "tapes"]
MOST_SEEDS = 1_000
MOST_SCHEDULES = 20_000


class Plant(NamedTuple):
    """One deliberate mistake: in `file`, `old` becomes `new`, and the campaign must see it.

    `by` says which part of the campaign is to see it, and `within` after how many of its seeds (from 1 on) or schedules
    (from 0 on) at most: the one that is known to kill it is among them. What seeds would meet too seldom is seen by a
    tape, the few choices of a world full of one kind of fault: `prove --seed N --tape tests/prove/tapes/N.json`.
    """

    name: str
    file: str
    old: str
    new: str
    by: By = "worlds"
    within: int = MOST_SEEDS


class Equivalent(NamedTuple):
    """A change that looks like a mistake and breaks no promise, with the argument for that."""

    name: str
    file: str
    old: str
    new: str
    argument: str
