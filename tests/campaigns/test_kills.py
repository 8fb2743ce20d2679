"""A campaign writes every round down, goes on after an interruption, and never sums up what another engine did."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.testing.digest import source_digest
from tests.campaigns.results import ROOT, Results, RoundResult, Summary, engine_digest, ranges


def result(**changes: Any) -> RoundResult:
    """Give a finished round of another engine, with changes."""
    counts = dict.fromkeys(("kills", "under_way", "in_flight", "orders", "trades", "faults", "stalls"), 3)
    told: dict[str, Any] = {"kind": "paper", "seed": 1, "seconds": 1.0, "engine": "old", "violations": [], "kinds": {}}
    return RoundResult(**{**counts, **told, "versions": {}, **changes})


def campaign(path: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.campaigns.kills", "--results", str(path), "--targets", "9", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_campaign_interrupted_goes_on_with_the_rounds_that_are_left(tmp_path: Path) -> None:
    path, engine = tmp_path / "kills.jsonl", engine_digest()
    Results(path, "old").add(result(seed=1000, kills=500))

    with campaign(path, "--paper", "100000") as endless:
        while len(Results(path, engine).of("paper")) < 1:
            assert endless.poll() is None, endless.communicate()
            time.sleep(0.05)
        endless.send_signal(signal.SIGTERM)
        _, complaint = endless.communicate(timeout=60)
    assert endless.returncode == 130
    assert "the same command goes on" in complaint
    assert "Traceback" not in complaint
    finished = Results(path, engine).of("paper")

    wanted = sum(each.kills for each in finished) + 1
    with campaign(path, "--paper", str(wanted)) as rest:
        told, complaint = rest.communicate(timeout=120)
    assert rest.returncode == 0, complaint
    assert [each.seed for each in Results(path, engine).of("paper")] == list(range(1000, 1001 + len(finished)))
    summary = msgspec.json.decode(told, type=list[Summary])[0]
    assert summary.kills >= wanted
    assert summary.rounds == len(finished) + 1
    assert summary.seeds == f"1000-{1000 + len(finished)}"
    assert summary.violations == []


def test_results_cut_short_in_a_line_keep_the_lines_before_it(tmp_path: Path) -> None:
    path = tmp_path / "kills.jsonl"
    for seed in (1, 2):
        Results(path, "new").add(result(seed=seed, engine="new"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])

    results = Results(path, "new")
    assert [each.seed for each in results.of("paper")] == [1]
    results.add(result(seed=3, engine="new"))
    assert [each.seed for each in Results(path, "new").of("paper")] == [1, 3]


def test_summary_counts_the_rounds_of_its_kind_and_its_engine_only(tmp_path: Path) -> None:
    results = Results(tmp_path / "kills.jsonl", "new")
    for seed, engine, kind in ((1, "old", "paper"), (2, "new", "paper"), (3, "new", "paper"), (7, "new", "ccxt")):
        results.add(result(seed=seed, engine=engine, kind=kind, violations=["broken"] if seed == 3 else []))

    summary = results.summary("paper")
    assert (summary.rounds, summary.kills, summary.seeds) == (2, 6, "2-3")
    assert summary.violations == ["seed 3: broken"]


def test_ranges_join_neighbours_only() -> None:
    assert ranges([7, 1, 2, 3, 9, 10]) == "1-3, 7, 9-10"


def test_digest_without_a_folder_looks_at_nothing_in_it_and_at_all_else(tmp_path: Path) -> None:
    for name in ("a.py", "inner/b.py", "inner_too/c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    before = source_digest(tmp_path, without="inner")

    (tmp_path / "inner" / "b.py").write_text("changed")
    assert source_digest(tmp_path, without="inner") == before
    (tmp_path / "inner_too" / "c.py").write_text("changed")
    assert source_digest(tmp_path, without="inner") != before


@pytest.mark.parametrize("change", ["content", "name", "more", "less"])
def test_digest_of_a_source_tree_changes_with_each_python_file_and_with_nothing_else(
    tmp_path: Path, change: str
) -> None:
    (tmp_path / "inner").mkdir()
    for name in ("a.py", "inner/b.py"):
        (tmp_path / name).write_text(name)
    before = source_digest(tmp_path)
    assert source_digest(tmp_path, without="inner") != before
    (tmp_path / "inner" / "b.pyc").write_text("compiled")
    assert source_digest(tmp_path) == before

    match change:
        case "content":
            (tmp_path / "a.py").write_text("b.py")
        case "name":
            (tmp_path / "inner" / "b.py").rename(tmp_path / "b.py")
        case "more":
            (tmp_path / "inner" / "c.py").write_text("")
        case _:
            (tmp_path / "a.py").unlink()
    assert source_digest(tmp_path) != before
