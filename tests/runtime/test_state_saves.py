"""When the state file is written, seen on real runs: not before the first purchase, and then at its five moments."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from engine.core.events import OutageDeclared, PurchaseRecorded, SaleRecorded, TrailingReset
from engine.core.instants import iso_utc
from tests.cli.terminal import LIVELY, bot_file, krypto, umask
from tests.runtime.watched import HOUR_MS, MINUTE_MS, Watched

OUTAGE = {"seed": 7, "outages": False, "scripted_outages": [{"from_s": 4000, "length_s": 400}]}


@pytest.fixture(scope="module")
def quiet_run(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Run three hours with an outage, saving only when something happened."""
    watched = Watched(bot_file(tmp_path_factory.mktemp("quiet"), auto_save=False, market=OUTAGE))
    watched.run(3 * HOUR_MS)
    return watched


@pytest.fixture(scope="module")
def saving_run(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Run three hours with an outage, saving from time to time too."""
    watched = Watched(bot_file(tmp_path_factory.mktemp("saving"), save_interval=120, market=OUTAGE))
    watched.run(3 * HOUR_MS)
    return watched


def saved_with(watched: Watched, sequence: int) -> dict[str, Any]:
    """Give the first content that reflects an event."""
    return next(each for each in watched.saves() if each["log"]["sequence"] >= sequence)


@pytest.mark.spec("there is no state file before the first purchase", section="decision 11")
def test_state_file_before_the_first_purchase_does_not_exist(quiet_run: Watched, saving_run: Watched) -> None:
    for watched in (quiet_run, saving_run):
        first = watched.of_type(PurchaseRecorded)[0]
        assert first.at_ms > watched.published[0].at_ms + 10 * MINUTE_MS
        assert min(each["log"]["sequence"] for each in watched.saves()) >= first.sequence


@pytest.mark.spec("a run that buys nothing leaves no state file", section="Troubleshooting: State File Not Found")
def test_state_file_of_a_run_without_purchase_is_never_made(tmp_path: Path) -> None:
    result = krypto("run", "-c", bot_file(tmp_path), "--speed", "max", "--for", "5m")
    assert result.code == 0
    assert "written with the first purchase" in result.out
    assert list((tmp_path / "state").glob("bot_state_*")) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        pytest.param(
            PurchaseRecorded,
            "State saved after purchase",
            id="purchase",
            marks=pytest.mark.spec("the state is saved at once after every purchase", section="When State is Saved"),
        ),
        pytest.param(
            SaleRecorded,
            "State saved after sell",
            id="sale",
            marks=pytest.mark.spec("the state is saved at once after every sale", section="When State is Saved"),
        ),
        pytest.param(
            OutageDeclared,
            "State saved after resetting trailing state",
            id="outage",
            marks=pytest.mark.spec(
                "the state is saved after an outage has reset the trails", section="When State is Saved"
            ),
        ),
    ],
)
def test_state_file_after_an_event_of_its_kind_reflects_it_at_that_moment(
    quiet_run: Watched, kind: type, text: str
) -> None:
    happened = quiet_run.of_type(kind)
    assert happened
    for each in happened:
        assert saved_with(quiet_run, each.sequence)["last_update"] == iso_utc(each.at_ms)
    assert {at_ms for at_ms, said in quiet_run.said if said == text} == {each.at_ms for each in happened}


@pytest.mark.spec("without auto_save only purchase, sale, outage and stop write the file", section="decision 11")
def test_state_file_without_auto_save_changes_at_nothing_else(quiet_run: Watched) -> None:
    moments = [
        *(each.at_ms for kind in (PurchaseRecorded, SaleRecorded, OutageDeclared) for each in quiet_run.of_type(kind)),
        quiet_run.published[-1].at_ms,
    ]
    assert sorted({iso_utc(at_ms) for at_ms in moments}) == [each["last_update"] for each in quiet_run.saves()]


def test_state_file_saved_in_an_outage_shows_the_trails_reset(quiet_run: Watched) -> None:
    reset = [each for each in quiet_run.of_type(TrailingReset) if each.event.reason == "outage"]  # type: ignore[attr-defined]
    saved = saved_with(quiet_run, quiet_run.of_type(OutageDeclared)[0].sequence)
    assert reset
    assert saved["strategy_state"]["trailing_states"] == []
    assert saved["connectivity"]["failure_count"] == 2
    assert saved["log"]["sequence"] > reset[-1].sequence


@pytest.mark.spec("the state is saved every save_interval seconds while auto_save", section="When State is Saved")
def test_state_file_with_auto_save_is_written_every_interval(saving_run: Watched) -> None:
    periodic = [at_ms for at_ms, said in saving_run.said if said.startswith("State saved to ")]
    first = saving_run.of_type(PurchaseRecorded)[0].at_ms
    start, end = saving_run.published[0].at_ms, saving_run.published[-1].at_ms
    expected = [at_ms for at_ms in range(start, end + 1, 120_000) if at_ms >= first]
    kinds = (PurchaseRecorded, SaleRecorded, OutageDeclared)
    happened = {each.at_ms for kind in kinds for each in saving_run.of_type(kind)}
    assert sorted({*periodic, *happened}) == sorted({*expected, *happened, end})


def test_state_files_of_bots_on_one_market_keep_their_own_intervals(tmp_path: Path) -> None:
    intervals_s = {"often": 120, "seldom": 1800}
    watched = Watched(*[bot_file(tmp_path, bot, save_interval=each, **LIVELY) for bot, each in intervals_s.items()])
    watched.run(2 * HOUR_MS)
    for bot, interval_s in intervals_s.items():
        times = [at_ms for at_ms, said in watched.said if said.startswith("State saved to ") and f"_{bot}." in said]
        start = watched.published[0].at_ms
        assert {(at_ms - start) % (interval_s * 1000) for at_ms in times} == {0}
        assert len(times) >= 2 * 3600 // interval_s // 2
    assert watched.of_type(PurchaseRecorded)


@pytest.mark.spec("the state is saved a last time when the bot stops", section="When State is Saved")
def test_state_file_after_stop_reflects_the_last_event(quiet_run: Watched) -> None:
    last = quiet_run.published[-1]
    saved = json.loads(quiet_run.state_file.read_bytes())
    assert saved["log"]["sequence"] == last.sequence
    assert saved["last_update"] == iso_utc(last.at_ms)


def test_state_files_seen_during_a_run_are_always_whole(saving_run: Watched) -> None:
    sequences = [each["log"]["sequence"] for each in saving_run.saves()]
    assert len(sequences) > 8
    assert sequences == sorted(sequences)
    for published_before, content in saving_run.files:
        assert content is None or content["log"]["sequence"] <= published_before


@pytest.mark.spec("a state directory is 0700 and its files are 0600", section="Identity")
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_state_directory_after_a_run_is_private(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        krypto("run", "-c", bot_file(tmp_path), "--speed", "max", "--for", "1h")
    state = tmp_path / "state"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
    assert {"events.db", "events.head", "bot_state_bot.json"} <= set(modes)
    assert {name: oct(mode) for name, mode in modes.items() if mode != 0o600} == {}


def test_state_directory_found_open_to_others_is_closed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o755)
    krypto("run", "-c", bot_file(tmp_path), "--speed", "max", "--for", "1m")
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
