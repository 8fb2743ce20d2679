"""How a life goes: how it ends, what the disk and the clocks do to it, and what the operator wants meanwhile.

Owns the choices of a life. Every choice stands on the tape, and the neutral one is a life without trouble.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from engine.testing.simulation.chance import Chance
from engine.testing.simulation.disk import Fault, Operation

HOW: Final = ("stop", "disk", "disk", "disk", "disk", "exchange", "exchange", "exchange", "time", "full", "broken")
"""How a life ends.

In order; at an operation of the disk; at a call of the exchange, or (half of these) at one about an order; at a time;
by a fault once the disk is full or broken.
"""

DOWN_S: Final = (1.0, 0.5, 1.0, 5.0, 30.0, 30.0, 120.0, 900.0, 7200.0, 7200.0)
SLOW_S: Final = (0.0, 0.0, 0.0, 0.0, 0.02, 0.3, 2.0)
COMMANDS: Final = ("pause", "pause", "resume", "resume", "resume", "reset-trailing", "kill", "revive", "flatten")
CLOCK: Final = ("none", "none", "none", "none", "jump", "stop", "sleep", "doubt")
"""What befalls the clocks: one is set, at a time or as soon as an order is in doubt, or time is lost."""

JUMPS_MS: Final = (700, -700, 2_500, -2_500, 45_000, -45_000, 3_600_000, -3_600_000)
STILL_S: Final = (2, 6, 12, 40, 90, 600)
MOST_COMMANDS: Final = 4
INTERRUPTIONS: Final = ("pause", "pause", "kill", "flatten", "reset-trailing")
AT_S: Final = (0.0, 0.0, 0.01, 0.1, 0.3, 1.0, 2.5)
AGAIN_S: Final = 25.0
CUT_S: Final = 100
"""So long the way to the exchange is cut when all else is well: every bot notices."""

REST_S: Final = 7_200
"""So long, in virtual time, may the last life take to come to rest: that it does is a promise, too."""

RECOVER_S: Final = 1_800
FILES_EVERY: Final = 4
"""After each so-manieth life its state files are held against its log; the last life's are in any case."""

LOOK_EVERY: Final = 8
"""While a life lasts, the first state file that it writes and each so-manieth after it is held against the log."""

NO_INTERRUPTION: Final = (0, "", 0.0)

DISK_FAULTS: Final[Mapping[str, Fault]] = {"full": "full", "broken": "io"}
POINTS: Final[Mapping[str, tuple[str, ...]]] = {
    "disk": ("disk/",),
    "exchange": ("exchange/",),
    "order": ("exchange/create/", "exchange/cancel/", "exchange/query/", "exchange/order_trades/"),
}
"""Where a life may end, by how it is to end."""

MOST_ORDER_STEPS: Final = 8


class LifePlan(msgspec.Struct, frozen=True):
    """A life: `how` it ends, after `steps` of that kind or `seconds`; `power` is cut too, or only the process killed.

    `slow_s` is what each commit takes longer. `commands` and `clock` say what befalls it and after how many seconds.
    `interruption` is a command in the very moment of an order: after how many others, which, how many seconds after the
    decision is durable.
    """

    how: str
    power: bool
    steps: int
    seconds: int
    slow_s: float
    down_s: float
    commands: tuple[tuple[int, str, int], ...]
    interruption: tuple[int, str, float]
    clock: tuple[int, str, int]


def plan_life(chance: Chance, busy: float) -> LifePlan:
    """Choose how the next life goes; `busy` is how likely the operator does something."""
    how = chance.choose("life/how", HOW)
    if how == "exchange" and chance.happens("life/at an order", 0.5):
        how = "order"
    commands: list[tuple[int, str, int]] = []
    while len(commands) < MOST_COMMANDS and chance.happens("life/command", busy):
        after_s = chance.between("life/command at", 0, 120)
        commands.append((after_s, chance.choose("life/command which", COMMANDS), chance.between("life/whom", 0, 2)))
    kind = chance.choose("life/clock", CLOCK)
    clock = (
        chance.between("life/clock at", 1, 100),
        kind,
        chance.between("life/clock by", 0, 7) if kind != "none" else 0,
    )
    return LifePlan(
        how=how,
        power=chance.happens("life/power", 0.5),
        steps=_some(chance),
        seconds=chance.choose("life/seconds", (240, 10, 120, 240, 600, 1_200)),
        slow_s=chance.choose("life/slow", SLOW_S),
        down_s=chance.choose("life/down", DOWN_S),
        commands=tuple(sorted(commands)),
        interruption=_interruption(chance, busy),
        clock=clock,
    )


def _interruption(chance: Chance, busy: float) -> tuple[int, str, float]:
    """Choose a command that comes while an order is on its way out, which an operator's seldom does."""
    if not chance.happens("life/interruption", busy):
        return NO_INTERRUPTION
    order = chance.between("life/interruption order", 0, 3)
    return order, chance.choose("life/interruption which", INTERRUPTIONS), chance.choose("life/interruption at", AT_S)


def _some(chance: Chance) -> int:
    """Choose a number of steps, the small ones more often: most of what can go wrong does at the beginning."""
    most = chance.choose("life/steps most", (30, 10, 30, 100, 300))
    return chance.between("life/steps", 0, most)


CALM: Final = LifePlan(
    how="stop",
    power=False,
    steps=0,
    seconds=0,
    slow_s=0.0,
    down_s=1.0,
    commands=(),
    interruption=NO_INTERRUPTION,
    clock=(0, "none", 0),
)
"""A life without trouble."""


def reaper(plan: LifePlan) -> Callable[[str], bool]:
    """Give who ends a life at the planned step: of the disk, of its calls to the exchange, or of those about orders."""
    points = POINTS.get(plan.how, ())
    left = plan.steps % MOST_ORDER_STEPS if plan.how == "order" else plan.steps

    def ends(point: str) -> bool:
        nonlocal left
        if not point.startswith(points):
            return False
        left -= 1
        return left < 0

    return ends


def disk_plan(plan: LifePlan) -> Callable[[Operation], Fault | None] | None:
    """Give what goes wrong with the disk: from the planned step on it is full, or one operation fails."""
    fault = DISK_FAULTS.get(plan.how)
    if fault is None:
        return None
    lasts = fault == "full"

    def strikes(operation: Operation) -> Fault | None:
        return fault if operation.number == plan.steps + 1 or (lasts and operation.number > plan.steps) else None

    return strikes
