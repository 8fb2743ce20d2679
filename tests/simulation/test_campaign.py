"""A campaign can be broken off at any moment and resumed, and never counts anything twice or for another engine."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import engine as source
from engine.core.errors import UsageError
from engine.store.sqlite import SqliteLog
from engine.testing.simulation.campaign import SCHEDULES_A_BLOCK, WORLDS_A_BLOCK, Campaign, Work, run, run_block
from engine.testing.simulation.loop import HangError
from engine.testing.simulation.report import Failure, StorageSum, Sum
from engine.testing.simulation.running import run_world
from engine.testing.simulation.script import Store
from engine.testing.simulation.storage import run_schedules
from engine.testing.simulation.tally import Tally, Violation
from engine.testing.simulation.world import World

PATIENCE_S = 60.0
OPEN = Path("/proc/self/fd")

_PROVE = """
import signal
import sys
from pathlib import Path
from cli.main import main
from engine.testing.simulation import campaign
campaign._MEMORY = Path(sys.argv.pop(1))
campaign.WORLDS_A_BLOCK = 2_000  # which keep a worker that is left for minutes
signal.signal(signal.SIGINT, signal.default_int_handler)  # which nobody hears whose parent runs in the background
main()
"""


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """Give the source of an engine."""
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "core.py").write_text("A = 1\n")
    return folder


def worlds(first: int, seeds: int) -> Sum:
    return Sum(first=first, seeds=seeds, digest=f"{first}", orders=seeds)


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # that of the listing itself
        return ""


def broken_at(schedule: int) -> Violation:
    return Violation(schedule, "crash", "it broke")


def test_campaign_killed_while_it_wrote_goes_on_as_often_as_one_likes(engine: Path, tmp_path: Path) -> None:
    path = tmp_path / "campaign.jsonl"
    for start in range(1, 40, 10):
        with Campaign(engine, path) as campaign:
            assert campaign.totals[0].seeds == start - 1
            campaign.take(worlds(start, 10))
        path.write_bytes(path.read_bytes() + b'{"engine": "cut')
    with Campaign(engine, path) as campaign:
        assert campaign.totals[0].seeds == 40


def test_campaign_runs_what_is_not_done_yet_and_nothing_twice(engine: Path) -> None:
    campaign = Campaign(engine)
    campaign.take(worlds(11, 10))
    campaign.take(worlds(41, 5))
    left = campaign.left(Work("worlds", 1, 60))
    seeds = [seed for work in left for seed in range(work.first, work.first + work.count)]
    assert seeds == [*range(1, 11), *range(21, 41), *range(46, 61)]
    assert all(work.count <= WORLDS_A_BLOCK for work in left)
    assert campaign.left(Work("worlds", 11, 10)) == []
    assert campaign.left(Work("schedules", 0, SCHEDULES_A_BLOCK)) == [Work("schedules", 0, SCHEDULES_A_BLOCK)]


def test_block_that_overlaps_another_is_counted_once(engine: Path, tmp_path: Path) -> None:
    path = tmp_path / "campaign.jsonl"
    with Campaign(engine, path) as campaign:
        campaign.take(worlds(1, 20))
        campaign.take(worlds(1, 20))
        campaign.take(worlds(15, 20))
        campaign.take(StorageSum(first=1, schedules=20))
    with Campaign(engine, path) as again:
        assert (again.totals[0].seeds, again.totals[1].schedules) == (20, 20)


def test_totals_are_the_same_in_whatever_order_the_blocks_came(engine: Path) -> None:
    broken = [Sum(first=at, seeds=2, digest=f"{at}", failures=(Failure(at, ("it broke",)),)) for at in (1, 3, 5)]
    torn = [StorageSum(first=at, schedules=2, outcomes={"whole": at}, violations=(broken_at(at),)) for at in (0, 2, 10)]
    blocks: list[Sum | StorageSum] = [*broken, *torn]
    campaigns = []
    for order in (1, -1):
        campaigns.append(Campaign(engine))
        for came in blocks[::order]:
            campaigns[-1].take(came)
    even, odd = campaigns
    assert even.totals == odd.totals
    assert [each.seed for each in odd.totals[0].failures] == [1, 3, 5]
    assert odd.totals[1].violations == (broken_at(0), broken_at(2), broken_at(10))
    assert even.violations == odd.violations == 6
    assert (even.totals[0].seeds, even.totals[0].first, even.totals[1].outcomes) == (6, 1, {"whole": 12})


def test_campaign_of_another_engine_begins_anew_and_one_whose_engine_changes_ends(engine: Path, tmp_path: Path) -> None:
    path = tmp_path / "campaign.jsonl"
    with Campaign(engine, path) as campaign:
        campaign.take(worlds(1, 20))
        (engine / "core.py").write_text("A = 2\n")
        with pytest.raises(UsageError, match="changed while the campaign ran"):
            campaign.take(worlds(21, 20))
    with Campaign(engine, path) as campaign:
        assert campaign.totals[0].seeds == 0


def test_file_of_a_running_campaign_is_refused_to_another(engine: Path, tmp_path: Path) -> None:
    path = tmp_path / "campaign.jsonl"
    with Campaign(engine, path) as campaign, pytest.raises(UsageError, match="another campaign writes"):
        Campaign(engine, path)
    assert campaign.totals[0].seeds == 0


def test_file_that_is_no_campaign_is_refused_and_left_alone(engine: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\nsell milk\n")
    with pytest.raises(UsageError, match="line 1 is no block"):
        Campaign(engine, path)
    assert path.read_text() == "buy milk\nsell milk\n"


def test_schedules_and_worlds_of_a_campaign_are_run_and_told_after_each_block(engine: Path) -> None:
    campaign = Campaign(engine)
    told: list[tuple[int, int]] = []

    def tell(each: Campaign) -> None:
        told.append((each.totals[1].schedules, each.totals[0].seeds))

    run(campaign, [Work("schedules", 0, 50), Work("worlds", 1, 2)], 1, tell)
    assert told == [(50, 0), (50, 2)]
    assert campaign.violations == 0
    assert campaign.totals[0].seconds > 0


@pytest.mark.parametrize("fault", [HangError("nothing is ready"), KeyError("BTC/USD"), AssertionError("a wallet")])
def test_world_that_breaks_is_a_violation_with_its_tape_and_not_the_end_of_a_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    async def breaks(_self: World, *_: object, **__: object) -> bool:
        raise fault

    monkeypatch.setattr(World, "_lived", breaks)
    report = run_world(5, tmp_path)
    (violation,) = report.violations
    assert violation.startswith(f"broke: {type(fault).__name__}")
    assert report.tape
    assert not report.is_judged


def test_world_that_tells_of_its_folder_leaves_the_same_trace_in_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(self: World, *_: object, **__: object) -> bool:
        self.exchange.note("recovery", number=1, how="refused", fault=f"{self.directory} holds no log")
        raise FileNotFoundError(2, "No such file", str(self.directory / "events.db"))

    monkeypatch.setattr(World, "_lived", breaks)
    folders = [tmp_path / name for name in ("one", "another")]
    for folder in folders:
        folder.mkdir()
    one, another = (run_world(5, folder) for folder in folders)
    assert one == another
    assert one.violations == ("broke: FileNotFoundError: [Errno 2] No such file: 'STATE/life-0/events.db'",)


@pytest.mark.skipif(not OPEN.is_dir(), reason="what is open is told by Linux alone")
def test_worlds_leave_no_file_open_that_a_killed_life_had_open(tmp_path: Path) -> None:
    """Hold what a campaign showed that ran out of descriptors after 3,000 worlds in one process."""
    for seed in range(1, 4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        assert run_world(seed, folder).lives > 4
    assert [name for each in OPEN.iterdir() if str(tmp_path) in (name := _target(each))] == []


def test_storage_schedules_that_tell_of_their_folder_say_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(folder: Path, *_: object) -> SqliteLog:
        raise FileNotFoundError(folder)

    def planted(seed: int, first: int, count: int, scratch: Path) -> Tally:
        return run_schedules(seed, first, count, scratch, Store(broken))

    monkeypatch.setattr("engine.testing.simulation.campaign.run_schedules", planted)
    one, another = (run_block(Work("schedules", 0, 1)) for _ in range(2))
    assert one == another
    assert isinstance(one, StorageSum)
    assert len(one.violations) == 1
    assert "STATE/whole" in one.violations[0].what


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_campaign_that_is_killed_takes_its_workers_with_it_and_can_be_gone_on_with(
    tmp_path: Path, number: signal.Signals
) -> None:
    folder, record = tmp_path / "scratch", tmp_path / "record.jsonl"
    folder.mkdir()
    options = ("prove", "--seeds", "4000", "--jobs", "2", "--record", str(record))
    command = [sys.executable, "-c", _PROVE, str(folder), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as made:
        end_s = time.monotonic() + PATIENCE_S
        while len(list(folder.glob("*/*/life-*"))) < 2:
            assert time.monotonic() < end_s, "no worker has begun a world"
            time.sleep(0.05)
        made.send_signal(number)
        made.communicate(timeout=30)  # what it would print is awaited until no worker is left that could
    assert made.returncode == (130 if number == signal.SIGINT else -number)
    with Campaign(Path(source.__file__).parent, record) as campaign:
        assert sum(work.count for work in campaign.left(Work("worlds", 1, 4_000))) == 4_000
