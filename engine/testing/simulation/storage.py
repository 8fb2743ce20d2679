"""Storage schedules: the real store alone, dying and failing at every operation, and its files damaged in between.

Owns the enumeration, in which a schedule is a function of a seed and its number, and the verdict: a log opens as an
exact beginning of what was written, with all that was promised, or it is refused by a typed fault. A log that looks
sound, but is shorter than its witness vouched for, or holds a changed event, is a violation. Source: docs/evidence.md.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal, NamedTuple

from engine.core.errors import EngineError
from engine.store.schema import LOG_NAME, WAL_NAME, WITNESS_NAME
from engine.store.witness import read_witness
from engine.testing.simulation.chance import Chance
from engine.testing.simulation.damage import TAMPERINGS, Files, cut, flipped, tampered
from engine.testing.simulation.disk import Disk, Fault, Mode, Operation, Plan, write_image
from engine.testing.simulation.life import Life
from engine.testing.simulation.patience import LONGEST_S, EndlessError, at_most
from engine.testing.simulation.script import REAL, Ledger, Script, Store, ViolationError, Writer, script_of
from engine.testing.simulation.tally import Tally, Violation
from engine.testing.simulation.vfs import layer

Kind = Literal[
    "crash", "twice", "full once", "full", "io once", "io", "slip", "log lies", "all lie", "cut", "flip", "tamper",
    "replaced",
]  # fmt: skip
Outcome = Literal["whole", "short", "refused", "rolled back", "untouched", "violation"]

KINDS: Final[tuple[Kind, ...]] = (
    "crash", "twice", "full once", "full", "io once", "io", "slip", "log lies", "all lie", "cut", "flip", "tamper",
    "replaced",
)  # fmt: skip
VARIANTS: Final = 8
"""So many schedules share one life: it ends as a kill and in seven power cuts, or its files are damaged in 8 ways."""

A_PLACE: Final = len(KINDS) * VARIANTS
"""So many schedules belong to each operation of each script."""

_SURE: Final = frozenset({"crash", "twice", "full once", "full", "io once", "io", "slip"})
_UNSEEN: Final = frozenset({"all lie", "all older"})
_MUST_REFUSE: Final = frozenset({"journal beside", "witness damaged", "witness ahead", "witness of another log"})
_ALONE: Final = frozenset({"twice", "slip", "replaced"})
"""Each of these schedules has a ledger of its own."""

_SECOND_LIFE_STEPS: Final = 3
_SECOND_LIFE_OPERATIONS: Final = 40


class Schedule(NamedTuple):
    """One of the schedules of a seed: what befalls which operation of which script."""

    number: int
    script: int
    operation: int
    kind: Kind
    variant: int


def run_schedules(seed: int, first: int, count: int, scratch: Path, store: Store = REAL) -> Tally:
    """Run `count` schedules of a seed from number `first` on, in a folder for scratch files (best in memory)."""
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    outcomes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    violations: list[Violation] = []
    place: _Place | None = None
    number = first
    try:
        for schedule in schedules(seed, first, count, scratch, store):
            if place is None or not place.holds(schedule):
                place = _Place(seed, schedule, scratch, store)
            try:
                with at_most(LONGEST_S):
                    outcome, what = place.outcome(schedule)
            except ViolationError as error:
                outcome, what = "violation", str(error)
            except (Exception, EndlessError) as error:  # noqa: BLE001 - a campaign goes on, and tells of it
                outcome, what = "violation", f"the life ended with {error!r}"
                layer().forget()
            number += 1
            outcomes[f"{schedule.kind}: {outcome}"] += 1
            if outcome == "violation":
                violations.append(Violation(schedule.number, schedule.kind, what))
            if place.counts:
                counts += place.counts
                place.counts.clear()
    except ViolationError as error:  # nothing befell this script, and it came to no good end
        violations.append(Violation(number, "calm", str(error)))
    return Tally(count, outcomes, counts, tuple(violations))


def schedules(seed: int, first: int, count: int, scratch: Path, store: Store = REAL) -> Iterator[Schedule]:
    """Give schedules by their numbers: each script in turn, each of its operations, each kind, each variant."""
    script, before = 0, 0
    for number in range(first, first + count):
        place, rest = divmod(number, A_PLACE)
        while place - before >= (length := _length(seed, script, scratch, store)):
            before += length
            script += 1
        kind, variant = divmod(rest, VARIANTS)
        yield Schedule(number, script, place - before + 1, KINDS[kind], variant)


class _Lived(NamedTuple):
    """A life that is over: its disk, and what it was promised."""

    disk: Disk
    ledger: Ledger


class _Place:
    """One operation of one script, and the lives that meet their fate there."""

    def __init__(self, seed: int, schedule: Schedule, scratch: Path, store: Store) -> None:
        self.counts: Final[Counter[str]] = Counter()
        self._seed: Final = seed
        self._script_number: Final = schedule.script
        self._operation: Final = schedule.operation
        self._script: Final = _script(seed, schedule.script)
        self._folder: Final = scratch / "place"
        self._store: Final = store
        self._lives: Final[dict[str, _Lived]] = {}
        self._backup: Final[dict[str, bytes]] = {}
        self._seen: Final[dict[tuple[int, tuple[tuple[str, bytes], ...]], tuple[Outcome, str]]] = {}
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)

    def holds(self, schedule: Schedule) -> bool:
        """Tell whether a schedule belongs here."""
        return (schedule.script, schedule.operation) == (self._script_number, self._operation)

    def outcome(self, schedule: Schedule) -> tuple[Outcome, str]:
        """Run a schedule and judge it. Raises ViolationError too."""
        chance = Chance(_seed_of(self._seed, schedule.number))
        kind = schedule.kind
        if kind == "replaced":
            return self._replaced(schedule, chance)
        if kind in {"twice", "slip"}:
            return self._twice(schedule, chance)
        if kind in {"cut", "flip", "tamper"}:
            return self._damaged(schedule, chance)
        lived = self._lived(kind)
        is_kill = schedule.variant == 0 and kind not in {"log lies", "all lie"}
        return self._judged(lived.disk.survivors("kill" if is_kill else "power", chance), lived.ledger, kind)

    def _damaged(self, schedule: Schedule, chance: Chance) -> tuple[Outcome, str]:
        lived = self._lived("crash")
        files = self._standing
        if schedule.kind == "cut":
            return self._judged(cut(files, chance), lived.ledger, "cut")
        if schedule.kind == "flip":
            return self._judged(flipped(files, chance), lived.ledger, "flip")
        tampering = TAMPERINGS[schedule.number % len(TAMPERINGS)]
        after = tampered(files, self._backup, tampering)
        outcome, what = self._judged(after, lived.ledger, tampering)
        self.counts[f"{tampering}: {outcome}"] += 1
        if tampering in _MUST_REFUSE and after != files and outcome != "refused":
            return "violation", f"{tampering}: it was taken for sound"
        return outcome, what

    def _twice(self, schedule: Schedule, chance: Chance) -> tuple[Outcome, str]:
        """Kill the first life; let the second, which finds what was not synced, end soon at an operation of its own.

        What a failed sync let slip was never acknowledged; what the second life has opened and built upon is not lost.
        """
        first = self._lived("crash" if schedule.kind == "twice" else "io once")
        image = self._folder / f"{schedule.kind}-{schedule.variant}"
        write_image(image, first.disk.survivors("kill", chance))
        ledger = first.ledger.copy()
        life = _ending_at(1 + int(chance.unit("second") * _SECOND_LIFE_OPERATIONS), 2)
        disk = Disk(image, chance, life, former=first.disk)
        script = _script(self._seed, self._script_number + 1)
        self._write(disk, ledger, Script(script.steps[:_SECOND_LIFE_STEPS], script.fold_pages))
        mode: Mode = "power" if schedule.kind == "slip" or schedule.variant % 2 else "kill"
        return self._judged(disk.survivors(mode, chance), ledger, schedule.kind)

    def _replaced(self, schedule: Schedule, chance: Chance) -> tuple[Outcome, str]:
        """Take a file away under the writer, or put a copy in its place: nothing may be promised on it any more.

        Where the file is not there, or no step is left before which it could be taken, nothing befalls the writer:
        that is tallied as "untouched", not as a replacement that was survived.
        """
        folder = self._folder / f"replaced-{schedule.variant}"
        folder.mkdir(mode=0o700)
        ledger = Ledger()
        name = (LOG_NAME, WAL_NAME, WITNESS_NAME)[schedule.variant % 3]
        path = folder / name
        at = int(chance.unit("step") * len(self._script.steps))
        promised: list[int] = []

        def before_step(index: int) -> None:
            if index == at and path.exists():
                promised.append(_most_promised(path, ledger))
                if schedule.variant % 2:
                    shutil.copyfile(path, path.with_suffix(".copy"))
                    path.with_suffix(".copy").replace(path)
                else:
                    path.unlink()

        disk = Disk(folder, chance, _endless())
        steps = [step for index, step in enumerate(self._script.steps) if index < at or step.act != "reopen"]
        self._write(disk, ledger, Script(tuple(steps), self._script.fold_pages), before_step)
        granted = ledger.covered if name == WITNESS_NAME else ledger.acknowledged
        if promised and granted > promised[0]:
            return "violation", f"an event was promised after {name} had been replaced"
        outcome, what = self._judged(disk.survivors("kill", chance), ledger, "replaced")
        if not promised:
            return ("untouched" if outcome == "whole" else "violation"), what
        return outcome, what

    def _lived(self, kind: Kind) -> _Lived:
        """Give the life that meets its fate at this operation, living it the first time."""
        found = self._lives.get(kind)
        if found is None:
            folder = self._folder / kind.replace(" ", "-")
            folder.mkdir(mode=0o700)
            chance = Chance(_seed_of(self._seed, f"{self._script_number}/{self._operation}/{kind}"))
            life = _ending_at(self._operation) if kind == "crash" else _endless()
            disk = Disk(folder, chance, life, plan=_plan(kind, self._operation))
            found = self._lives[kind] = _Lived(disk, Ledger())

            def back_up(index: int) -> None:
                if kind == "crash" and index == len(self._script.steps) // 2:
                    self._backup.update(disk.standing())

            self._write(disk, found.ledger, self._script, back_up)
        return found

    @cached_property
    def _standing(self) -> dict[str, bytes]:
        """Give the files of the life that was killed here."""
        return self._lived("crash").disk.survivors("kill", Chance(0))

    def _write(
        self, disk: Disk, ledger: Ledger, script: Script, before_step: Callable[[int], None] | None = None
    ) -> Writer:
        writer = Writer(disk, ledger, self._store)
        writer.run(script, before_step)
        self.counts["lives"] += 1
        self.counts["operations"] += disk.number
        self.counts["acknowledged"] += ledger.acknowledged
        self.counts.update({f"fault {name}": number for name, number in disk.faults.items()})
        return writer

    def _judged(self, files: Files, ledger: Ledger, kind: str) -> tuple[Outcome, str]:
        """Open a log on these files and say what came of it."""
        key = id(ledger), tuple(sorted(files.items()))
        found = self._seen.get(key)
        if found is None:
            self.counts["images"] += 1
            found = self._opened(files, ledger)
            if kind not in _ALONE:  # a ledger that is dropped leaves its id to another
                self._seen[key] = found
        outcome, what = found
        if outcome == "rolled back" and kind not in _UNSEEN:
            return "violation", what
        if kind in _SURE and outcome != "whole":
            return "violation", what
        return outcome, what

    def _opened(self, files: Files, ledger: Ledger) -> tuple[Outcome, str]:
        folder = self._folder / "opened"
        shutil.rmtree(folder, ignore_errors=True)
        write_image(folder, files)
        disk = Disk(folder, Chance(0), _endless(9))
        try:
            rows = Writer(disk, Ledger(), self._store).opened()
        except EngineError as error:
            after = disk.standing()
            changed = [name for name, content in files.items() if after.get(name) != content]
            if changed:
                return "violation", f"{', '.join(changed)} was changed although the log was refused: {error}"
            return "refused", str(error)
        except Exception as error:  # noqa: BLE001 - a fault without a type is what is looked for
            return "violation", f"opening raised {error!r}"
        wrong = ledger.differs(rows)
        if wrong:
            return "violation", wrong
        if len(rows) < ledger.covered:
            return "rolled back", f"it holds {len(rows)} events, and the witness had covered {ledger.covered}"
        lacking = ledger.lacks(rows)
        return ("short", lacking) if lacking else ("whole", "")


def _most_promised(path: Path, ledger: Ledger) -> int:
    """Give how much may have been promised on a file at most, were it gone now.

    The log and its WAL hold what is acknowledged, up to all that was given; of the witness, what it says now is all
    that may be covered: nothing, as long as it says nothing.
    """
    if path.name != WITNESS_NAME:
        return len(ledger.given)
    mark = read_witness(path).mark
    return 0 if mark is None else mark.position


def _plan(kind: Kind, at: int) -> Plan | None:
    """Give what goes wrong on the disk in a kind of schedule, from an operation on."""
    if kind == "crash":
        return None
    fault: Fault = "full" if kind.startswith("full") else "lie" if kind.endswith(("lie", "lies")) else "io"

    def plan(operation: Operation) -> Fault | None:
        if operation.number < at or (kind.endswith("once") and operation.number > at):
            return None
        return None if kind == "log lies" and operation.kind in {"head", "folder"} else fault

    return plan


def _ending_at(operation: int, number: int = 1) -> Life:
    """Make a life that ends at its n-th operation."""
    passed = iter(range(1, operation + 1))
    return Life(number, lambda _point: next(passed, operation) == operation)


def _endless(number: int = 1) -> Life:
    return Life(number, lambda _point: False)


def _seed_of(seed: int, what: object) -> int:
    return int.from_bytes(blake2b(f"{seed}/{what}".encode(), digest_size=8).digest())


@lru_cache(maxsize=4)
def _script(seed: int, number: int) -> Script:
    return script_of(_seed_of(seed, f"script {number}"))


@cache
def _length(seed: int, number: int, scratch: Path, store: Store) -> int:
    """Count the operations of a script that nothing befalls."""
    folder = scratch / "whole"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    disk = Disk(folder, Chance(seed), _endless())
    writer = Writer(disk, Ledger(), store)
    try:
        writer.run(_script(seed, number))
    except ViolationError:
        raise
    except Exception as error:
        raise ViolationError(f"script {number} ended on a sound disk with {error!r}") from error
    if writer.fault is not None:
        raise ViolationError(f"script {number} failed on a sound disk: {writer.fault}")
    return disk.number
