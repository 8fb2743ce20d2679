"""`prove` of an engine that breaks its promises: what it says of them, and how each is run again.

Method: the program as it is installed, on copies of the engine with one mistake each, planted as the campaign plants
its own.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from cli.prove_one import SHOWN
from tests.cli.terminal import Result, krypto_process
from tests.prove.plant import Plant
from tests.prove.plants import PLANTS
from tests.prove.runner import planted, pristine, times

Prove = Callable[..., Result]

CHAINED = "a row is chained to the beginning of its stream"
"""Any world shows it: no log can be opened again."""

REPLACED = "a witness that is replaced under its writer goes unnoticed"
SHOWN_BY = 98
"""The first schedule that takes the witness away under its writer."""

BY_CHANCE = Plant(
    "the id of a log is drawn by chance",
    "engine/runtime/bootstrap.py",
    "around.draw_log_id()",
    '__import__("secrets").token_hex(5)',
)
TAPE = {"world/lives#0": 1, "swarm/request_late#0": 2, "exchange/markets/request_late#0": 1, "exchange/order_late#0": 1}
"""So few choices that a world is over soon."""


@pytest.fixture(scope="module")
def prove_with() -> Iterator[Callable[[str], Prove]]:
    """Give what plants a mistake, once, and gives what runs `prove` with it."""
    with ExitStack() as stack:
        base = stack.enter_context(pristine())

        @cache
        def with_mistake(name: str) -> Prove:
            (plant,) = (each for each in (*PLANTS, BY_CHANCE) if each.name == name)
            assert times(plant.file, plant.old) == 1
            tree = stack.enter_context(planted(plant, base))
            environment = os.environ | {"PYTHONPATH": str(tree)}
            return lambda *arguments: krypto_process("prove", *arguments, environment=environment)

        yield with_mistake


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "tape.json"
    path.write_text(json.dumps(TAPE))
    return path


def commands_in(result: Result) -> list[list[str]]:
    """Give the arguments of `prove` that were printed to be typed."""
    typed = [line.partition("  krypto-engine prove ")[2] for line in result.lines]
    return [line.split() for line in typed if line]


def test_prove_prints_for_a_violated_world_what_runs_it_again(prove_with: Callable[[str], Prove]) -> None:
    prove = prove_with(CHAINED)
    result = prove("--first", 3, "--seeds", 1, "--jobs", 1)
    assert result.code == 1
    assert result.lines[0].startswith("1 violation  engine ")
    assert commands_in(result) == [["--seed", "3"]]
    again = prove(*commands_in(result)[0])
    assert (again.code, again.lines[0].split(", ")[0]) == (1, "1 violation  seed 3")
    assert result.lines[-1].startswith("    ")
    assert result.lines[-1] in again.lines


def test_prove_prints_for_a_violated_schedule_what_runs_it_again(prove_with: Callable[[str], Prove]) -> None:
    prove = prove_with(REPLACED)
    result = prove("--seeds", 0, "--schedules", SHOWN_BY + 1, "--jobs", 1)
    told = "    replaced: an event was promised after events.head had been replaced"
    assert result.code == 1
    assert commands_in(result) == [["--schedule", f"{SHOWN_BY}"]]
    assert told in result.lines
    again = prove(*commands_in(result)[0])
    assert (again.code, again.lines[0]) == (1, f"1 violation  schedule {SHOWN_BY}, run twice")
    assert told in again.lines


def test_prove_counts_the_violated_that_it_does_not_print_and_reports_what_runs_each_again(
    prove_with: Callable[[str], Prove], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    result = prove_with(CHAINED)("--seeds", SHOWN + 2, "--jobs", 1, "--report", report)
    assert len(commands_in(result)) == SHOWN
    assert result.lines[-1] == "  and 2 more: --json and --report tell all, each with what runs it again"
    again = [f"krypto-engine prove --seed {seed}" for seed in range(1, SHOWN + 3)]
    assert json.loads(report.read_text())["again"] == again


def test_prove_of_a_violated_schedule_names_it_for_machines(prove_with: Callable[[str], Prove]) -> None:
    result = prove_with(REPLACED)("--schedule", SHOWN_BY, "--json")
    what = "an event was promised after events.head had been replaced"
    assert result.code == 1
    assert result.json["violations"] == [{"schedule": SHOWN_BY, "kind": "replaced", "what": what}]


def test_prove_until_failure_ends_with_the_first_block_that_shows_a_violation(
    prove_with: Callable[[str], Prove],
) -> None:
    wanted = ("--seeds", 1, "--schedules", SHOWN_BY + 1, "--jobs", 1, "--json")
    whole, ended = (prove_with(REPLACED)(*wanted, *until) for until in ((), ("--until-failure",)))
    assert (whole.code, ended.code) == (1, 1)
    assert (whole.json["worlds"]["seeds"], ended.json["worlds"]["seeds"]) == (1, 0)
    assert whole.json["schedules"] == ended.json["schedules"]


def test_prove_shrinks_a_failing_world_to_what_is_needed(prove_with: Callable[[str], Prove], tape: Path) -> None:
    prove = prove_with(CHAINED)
    played = prove("--seed", 3, "--tape", tape, "--json")
    assert (played.code, bool(played.json["tape"])) == (1, True)
    shrunk = prove("--seed", 3, "--tape", tape, "--shrink", "--json")
    assert (shrunk.code, shrunk.json["tape"]) == (1, {})
    assert "life 2 ended by itself" in shrunk.json["violations"][0]
    told = prove("--seed", 3, "--tape", tape, "--shrink")
    assert told.lines[-1] == "  what is needed for it"


def test_prove_of_a_world_that_does_not_repeat_says_so(prove_with: Callable[[str], Prove], tape: Path) -> None:
    result = prove_with(BY_CHANCE.name)("--seed", 3, "--tape", tape)
    assert result.code == 1
    assert "    determinism: run twice, this seed gave two traces" in result.lines
