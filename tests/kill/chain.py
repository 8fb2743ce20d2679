"""A chain: the life of some bots, cut short again and again until the recording ends.

Owns the loop of killing, looking and starting again, and the tally of deaths. The targets of a chain rise with market
time, so that each session gets further than the last.
"""

import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from engine.runtime.control import SOCKET_NAME
from tests.kill.evidence import LogEnd, log_end, read_death
from tests.kill.forks import Forks
from tests.kill.points import Point
from tests.kill.session import Request

LONGEST_S: Final = 0.08
"""How long a session that is killed from outside may live at first; longer after one that got nowhere."""

STRIDE: Final = 2
"""A session gets at least so many events of the feed further, so that it has something new to lose."""

CHOICE: Final = 4
"""Among so many targets that come next, the kind is chosen of which fewest have died."""

ENDINGS: Final = ("BEGIN", "COMMIT", "witness", "checkpoint", "PRAGMA", "close", "other")
"""What the end of a session passes for certain, and its middle only by chance of real time or not at all."""


class Tally:
    """Deaths counted: only those after the first new event of their session, and in which circumstances."""

    def __init__(self) -> None:
        """Start with nobody dead."""
        self.deaths = 0
        self.counted = 0
        self.order_open = 0
        self.trail_active = 0
        self.kinds: Final[Counter[str]] = Counter()

    def look(self, directory: Path, found: LogEnd, kind: str) -> bool:
        """Count a session that died and had found the log ending so; tell whether it was under way."""
        self.deaths += 1
        death = read_death(directory, found)
        if death.under_way:
            self.counted += 1
            self.order_open += death.order_open
            self.trail_active += death.trail_active
            self.kinds[kind] += 1
        return death.under_way

    def __str__(self) -> str:
        """Say the numbers."""
        return (
            f"{self.deaths} killed, {self.counted} of them after the first new event of their session, "
            f"{self.order_open} with an order open, {self.trail_active} with a trail active"
        )


def is_ending(point: Point) -> bool:
    """Tell whether a boundary belongs to the end of a session."""
    return point.kind.partition(" ")[2] in ENDINGS


def sample(trace: Sequence[Point], most: int) -> list[Point]:
    """Choose from a never-killed run's boundaries: of each kind all, or so many evenly spread over the run.

    Each kind begins a little later than the one before it, so that two kinds rarely ask for the same moment.
    """
    by_kind: dict[str, list[Point]] = {}
    for point in trace:
        if point.feed and not is_ending(point):
            by_kind.setdefault(point.kind, []).append(point)
    chosen = []
    for number, points in enumerate(by_kind.values()):
        count = min(most, len(points))
        later = len(points) * number // len(by_kind)
        chosen += [points[(index * len(points) + later) // count] for index in range(count)]
    return chosen


def die_at_points(forks: Forks, request: Request, targets: Iterable[Point], tally: Tally) -> None:
    """Run bots to near their end, dying at every target that a session still meets before the end."""
    directory = Path(request.directory)
    waiting = sorted(targets, key=lambda point: (point.sequence, point.ordinal))
    while waiting:
        found = log_end(directory)
        waiting = [point for point in waiting if point.sequence > found.sequences.get(point.feed, 0) + STRIDE]
        if not waiting:
            break
        target = min(waiting[:CHOICE], key=lambda point: tally.kinds[point.kind])
        waiting.remove(target)
        if forks.run(replace(request, target=target)):
            tally.look(directory, found, target.kind)


def die_at_endings(forks: Forks, request: Request, kinds: Iterable[str], tally: Tally) -> None:
    """Die at boundaries of the end, one after the other: only the first session still has events to come."""
    directory = Path(request.directory)
    for kind in kinds:
        found = log_end(directory)
        assert forks.run(replace(request, target=Point(kind, "", 0, 1))), kind
        tally.look(directory, found, kind)


def die_at_random(forks: Forks, request: Request, chance: random.Random, tally: Tally) -> None:
    """Run bots to their end, killing each session from outside a random time after it has opened its socket."""
    directory, longest_s = Path(request.directory), LONGEST_S
    while True:
        found, socket = log_end(directory), socket_of(directory)
        child = forks.start(request)
        await_socket(directory, socket)
        time.sleep(chance.uniform(0, longest_s))
        if not forks.kill(child, request):
            return
        got_on = tally.look(directory, found, "random")
        longest_s = LONGEST_S if got_on else 2 * longest_s  # lest a quiet hour be begun for ever


def socket_of(directory: Path) -> int | None:
    """Tell the control socket from that of an earlier session, which stays behind when that is killed."""
    try:
        return (directory / SOCKET_NAME).lstat().st_ctime_ns  # its number may be that of the old one
    except FileNotFoundError:
        return None


def await_socket(directory: Path, old: int | None) -> None:
    """Wait until a session has opened its control socket in place of the old one, or has come and gone."""
    for _ in range(10_000):
        if socket_of(directory) != old:
            return
        time.sleep(0.001)
    raise AssertionError(f"no engine opened its socket in {directory}")
