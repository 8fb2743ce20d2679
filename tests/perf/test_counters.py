"""The exact counts behind the promised speeds. Nothing is timed here: `make bench` does that."""

from pathlib import Path

import pytest

from engine.core.market import TIMEFRAMES_MS
from tests.perf.counters import HEAVY, commits_of_producers, modules_of
from tests.perf.engines import HOUR_MS, config, crowd, run
from tests.perf.figures import Figure
from tests.perf.moments import Moment, moments

BOTS = 25
OUR_MODULES = 55
INDICATORS = 3
"""What `dca` reads as it is configured by default: closes, RSI, EMA."""


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("engine") / "state"
    run(directory, [config()], 2 * HOUR_MS)
    return directory


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Moment]:
    return moments(tmp_path_factory.mktemp("crowd"), crowd(BOTS), HOUR_MS // 2)


@pytest.mark.spec("Looking at a bot loads no event loop, exchange library or data frame", section="issue: Speed")
@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        pytest.param(["inspect-state"], set(), id="inspect-state"),
        pytest.param(["inspect-state", "bench", "--json"], set(), id="inspect-state as JSON"),
        pytest.param(["inspect-state", "bench", "--at", "20"], {"heapq"}, id="inspect-state at an event"),
        pytest.param(["replay", "bench"], {"heapq"}, id="replay"),
        pytest.param(["verify"], {"hashlib"}, id="verify"),
    ],
)
def test_look_loads_nothing_heavy(state_dir: Path, arguments: list[str], needed: set[str]) -> None:
    assert modules_of(*arguments, "--state-dir", str(state_dir)).heavy <= needed


def test_look_at_a_state_loads_few_modules_of_ours(state_dir: Path) -> None:
    loaded = modules_of("inspect-state", "--state-dir", str(state_dir))
    assert len(loaded.own) <= OUR_MODULES
    assert not loaded.own & {"engine.core.decider", "engine.store.sqlite", "engine.runtime.world", "cli.run"}
    assert not loaded.all & {"difflib", "getpass", "tempfile"}


def test_heavy_modules_are_found_where_they_are_needed() -> None:
    assert modules_of("run", "--help").heavy & HEAVY


@pytest.mark.spec("A price is one row of the log, however many bots watch it", section="issue: Speed")
def test_price_of_many_bots_is_one_row(found: list[Moment]) -> None:
    assert {each.rows["price_observed"] for each in found if each.rows} == {1}
    assert sum(each.is_quiet for each in found) > len(found) // 2


@pytest.mark.spec("No indicator is computed at a price that closes no candle", section="issue: Speed")
def test_indicators_are_computed_only_where_a_candle_closes(found: list[Moment]) -> None:
    timeframe_ms = TIMEFRAMES_MS[config().timeframe]
    closing = [each.computed for each in found[1:] if each.closes(timeframe_ms)]
    others = [each.computed for each in found[1:] if not each.closes(timeframe_ms)]
    assert sum(others) == 0
    assert set(closing) == {INDICATORS}, "once for all bots"


@pytest.mark.parametrize(
    ("producers", "events_each", "commits"),
    [
        pytest.param(1, 7, 7, id="one waits for each event"),
        pytest.param(100, 5, 5, id="a hundred share every commit"),
    ],
)
def test_commits_of_producers_are_as_few_as_can_be(
    tmp_path: Path, producers: int, events_each: int, commits: int
) -> None:
    assert commits_of_producers(tmp_path, producers, events_each) == commits


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        pytest.param(Figure(name="a", measured=2.6, at_most=2.5), "MISSED", id="above the bar"),
        pytest.param(Figure(name="a", measured=2.5, at_most=2.5), "ok", id="on the bar"),
        pytest.param(Figure(name="a", measured=9.9, at_least=10), "MISSED", id="under the bar"),
        pytest.param(Figure(name="a", measured=10, at_least=10), "ok", id="on the least"),
        pytest.param(Figure(name="a", measured=10), "stated", id="no bar"),
    ],
)
def test_figure_says_whether_its_bar_is_met(figure: Figure, verdict: str) -> None:
    assert figure.verdict == verdict
