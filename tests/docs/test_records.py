"""The figures of docs/evidence.md are the sums of the records beside them, which anyone can add up again."""

import lzma
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from engine.testing.simulation.campaign import Block
from engine.testing.simulation.report import StorageSum, Sum, added, in_order
from tests.campaigns.again import recorded
from tests.campaigns.results import Kind, Results
from tests.docs.evidence import FOLDER
from tests.prove.plants import PLANTS


def read(name: str) -> Any:
    return msgspec.json.decode((FOLDER / name).read_bytes())


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    return recorded(FOLDER / "worlds.jsonl.xz")


def total(rows: list[Any]) -> Any:
    """Add up the blocks of a kind: each seed once, and none left out."""
    rows = sorted(rows, key=lambda row: row.first)
    counts = [row.seeds if isinstance(row, Sum) else row.schedules for row in rows]
    ends = [row.first + count for row, count in zip(rows, counts, strict=True)]
    assert [row.first for row in rows[1:]] == ends[:-1]
    return in_order(added(rows), rows)


def test_worlds_told_of_are_the_sum_of_their_record(blocks: list[Block]) -> None:
    result = read("worlds.json")
    assert {block.engine for block in blocks} == {result["engine"]}
    summed = total([block.worlds for block in blocks if block.worlds])
    told = msgspec.convert(result["worlds"], Sum)
    assert summed.seconds == pytest.approx(told.seconds)
    assert msgspec.structs.replace(summed, seconds=told.seconds) == told


def test_schedules_told_of_are_the_sum_of_their_record(blocks: list[Block]) -> None:
    summed = total([block.schedules for block in blocks if block.schedules])
    assert summed == msgspec.convert(read("worlds.json")["schedules"], StorageSum)


def test_every_planted_bug_of_the_table_is_told_of_and_was_found() -> None:
    found = {row["name"]: row["trouble"] for row in read("planted.json")["kills"]}
    assert found == dict.fromkeys((plant.name for plant in PLANTS), None)


def test_kills_told_of_are_the_sum_of_their_record(tmp_path: Path) -> None:
    path = tmp_path / "kills.jsonl"
    path.write_bytes(lzma.decompress((FOLDER / "kills.jsonl.xz").read_bytes()))
    told = {row["kind"]: row for row in read("kills.json")}
    summed = {kind: Results(path, told[kind]["engine"]).summary(kind) for kind in get_args(Kind)}
    assert msgspec.json.decode(msgspec.json.encode(summed)) == told
