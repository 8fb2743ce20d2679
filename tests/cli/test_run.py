"""`run`: several bots on one log, the three speeds, the end of a span and of a recording, and going on after a stop."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from engine.core.identity import bot_stream
from engine.feeds.simulated import SimulatedMarket, SimulatedSettings
from tests.cli.terminal import LIVELY, Running, bot_file, krypto

START_MS = 1_735_689_600_000
MINUTE_MS = 60_000
TRIES = 6


def record(path: Path, seed: int, hours: int) -> Path:
    """Write a recording of five-minute candles, as the simulated market would have made them."""
    market = SimulatedMarket("BTC/USD", "BTC", "USD", SimulatedSettings(seed=seed, cadence_s=60))
    candles = market.candles(5 * MINUTE_MS, START_MS, START_MS + hours * 60 * MINUTE_MS)
    rows = [f"{each.open_ms},{each.open},{each.high},{each.low},{each.close},{each.volume}" for each in candles]
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]) + "\n")
    return path


def records(folder: Path, bot: str = "bot") -> list[Any]:
    """Give every event of a bot and its feeds."""
    result = krypto("replay", bot, "--state-dir", folder / "state", "--events", "--json")
    assert result.code == 0, result.err
    return result.records


def prices(folder: Path, bot: str = "bot") -> list[tuple[int, float]]:
    """Give the prices that the log holds, with their times."""
    seen = [each for each in records(folder, bot) if each["event"]["type"] == "price_observed"]
    return [(each["at"], each["event"]["last"]) for each in seen]


@pytest.mark.spec("run takes several bots into one process and one log", section="issue: CLI")
def test_run_of_several_bots_keeps_them_in_one_log_each_replayable(tmp_path: Path) -> None:
    csv = record(tmp_path / "day.csv", 5, 2)
    recorded = {"exchange": "recorded", "market": {"path": str(csv)}}
    paths = [
        bot_file(tmp_path, "first", **LIVELY),
        bot_file(tmp_path, "second", **LIVELY, profit_target=0.5),
        bot_file(tmp_path, "other-market", market={"seed": 3, "outages": False}),
        bot_file(tmp_path, "recorded", **recorded, timeframe="15m"),
    ]
    flags = [flag for path in paths for flag in ("-c", path)]
    result = krypto("run", *flags, "--speed", "max", "--for", "2h")
    assert result.code == 0, result.err
    ids = ["first", "second", "other-market", "recorded"]
    assert sorted(path.name for path in (tmp_path / "state").glob("*.db")) == ["events.db"]
    assert [each["bot_id"] for each in krypto("inspect-state", "--state-dir", tmp_path / "state", "--json").json] == ids
    for bot in ids:
        assert f"[Bot-{bot}] Session stopped" in result.out
        assert krypto("replay", bot, "--state-dir", tmp_path / "state", "--verify", "--redecide").code == 0
    feeds = {bot: {each["stream"] for each in records(tmp_path, bot)} - {bot_stream(bot)} for bot in ids}
    assert feeds["first"] == feeds["second"]
    assert len(set.union(*feeds.values())) == 3


def test_run_of_two_bots_decides_for_each_as_if_it_ran_alone(tmp_path: Path) -> None:
    def holdings(folder: Path, bot: str) -> Any:
        state = krypto("inspect-state", bot, "--state-dir", folder / "state", "--json").json
        for lot in state["strategy_state"]["purchases"] + state["strategy_state"]["pending_sell_orders"]:
            lot.pop("buy_order_id")
        state["strategy_state"].pop("pending_sell_order")
        return state["stats"], state["strategy_state"]

    goals = {"a": 0.3, "b": 0.6}
    for folder, bots in ((tmp_path / "a", "a"), (tmp_path / "b", "b"), (tmp_path / "both", "ab")):
        folder.mkdir()
        paths = [bot_file(folder, bot, **LIVELY, profit_target=goals[bot]) for bot in bots]
        flags = [flag for path in paths for flag in ("-c", path)]
        assert krypto("run", *flags, "--speed", "max", "--for", "90m").code == 0
    for bot in goals:
        assert holdings(tmp_path / bot, bot) == holdings(tmp_path / "both", bot)


@pytest.mark.spec("--speed N lets N market seconds pass in a second", section="issue: Markets without a network")
@pytest.mark.parametrize(("speed", "span", "takes_s"), [("1", "2s", 1.0), ("2", "3s", 1.0), ("3600", "1h", 1.0)])
def test_run_at_a_speed_takes_its_time(tmp_path: Path, speed: str, span: str, takes_s: float) -> None:
    market = {"seed": 7, "outages": False, "cadence_s": 1}
    began = time.monotonic()
    assert krypto("run", "-c", bot_file(tmp_path, market=market), "--speed", speed, "--for", span).code == 0
    assert takes_s * 0.9 < time.monotonic() - began < takes_s + 15
    times = [at_ms for at_ms, _ in prices(tmp_path)]
    assert times == list(range(START_MS, times[-1] + 1, 1000))


@pytest.mark.spec("--for ends a run after that much market time", section="issue: CLI")
@pytest.mark.parametrize(("span", "span_ms"), [("90s", 90_000), ("7m", 420_000), ("1h", 3_600_000)])
def test_run_for_a_span_ends_at_its_end(tmp_path: Path, span: str, span_ms: int) -> None:
    result = krypto("run", "-c", bot_file(tmp_path), "--speed", "max", "--for", span)
    assert result.code == 0
    assert "Stopped: time is up" in result.out
    seen = records(tmp_path)
    assert seen[-1]["event"]["type"] == "session_stopped"
    assert seen[-1]["event"]["reason"] == "time is up"
    assert seen[-1]["at"] == START_MS + span_ms
    assert prices(tmp_path)[-1][0] == START_MS + span_ms // 10_000 * 10_000


@pytest.mark.spec("nothing is dropped or decided otherwise at any speed", section="Markets without a network")
def test_run_at_two_speeds_records_the_same_facts(tmp_path: Path) -> None:
    told = []
    for speed in ("max", "7200"):
        folder = tmp_path / speed
        folder.mkdir()
        result = krypto("run", "-c", bot_file(folder, **LIVELY), "--speed", speed, "--for", "2h", "--no-routine")
        assert result.code == 0
        told.append([line for line in result.lines if "[Bot-" in line and "State saved to" not in line])
    assert told[0] == told[1]
    assert prices(tmp_path / "max") == prices(tmp_path / "7200")


@pytest.mark.spec("at the end of a recording run stops cleanly with exit 0", section="issue: Markets without a network")
def test_run_of_a_recording_ends_with_it(tmp_path: Path) -> None:
    csv = record(tmp_path / "day.csv", 5, 6)
    path = bot_file(tmp_path, exchange="recorded", market={"path": str(csv)})
    result = krypto("run", "-c", path, "--speed", "max")
    assert result.code == 0
    assert "Stopped: end of the recording" in result.out
    seen = prices(tmp_path)
    assert len(seen) == 6 * 12 * 4
    assert seen[0][0] == START_MS
    assert seen[-1][0] == START_MS + 6 * 60 * MINUTE_MS
    again = krypto("run", "-c", path, "--speed", "max")
    assert again.code == 0
    assert prices(tmp_path) == seen
    assert krypto("replay", "bot", "--state-dir", tmp_path / "state", "--verify", "--redecide").code == 0


@pytest.mark.spec("a restarted bot goes on after the last price in its log", section="Markets without a network")
@pytest.mark.parametrize("kind", ["simulated", "recorded"])
def test_run_in_pieces_sees_every_price_once(tmp_path: Path, kind: str) -> None:
    market: dict[str, Any] = {"seed": 12, "outages": False}
    if kind == "recorded":
        market = {"path": str(record(tmp_path / "day.csv", 12, 5))}
    found = []
    for name, spans in (("whole", ["4h"]), ("pieces", ["1s", "37m", "59s", "83m"])):
        folder = tmp_path / name
        folder.mkdir()
        path = bot_file(folder, exchange=kind, market=market)
        for span in spans:
            assert krypto("run", "-c", path, "--speed", "max", "--for", span).code == 0
        found.append(prices(folder))
    whole, pieces = found
    assert pieces == whole[: len(pieces)]
    assert len(pieces) > 80


def test_run_again_tells_what_it_recovered(copied: Path) -> None:
    state = json.loads((copied / "state" / "bot_state_bot.json").read_bytes())
    result = krypto("run", "-c", copied / "bot.yml", "--speed", "max", "--for", "1m")
    lots, trails = (len(state["strategy_state"][key]) for key in ("pending_sell_orders", "trailing_states"))
    recovered = next(line for line in result.lines if "Recovered from the log at event" in line)
    assert f" {lots} lot" in recovered
    assert f" {trails} trail" in recovered
    assert "paused" not in recovered


def test_run_again_of_a_bot_without_a_purchase_tells_that_it_was_recovered(tmp_path: Path) -> None:
    path = bot_file(tmp_path)
    lines = [krypto("run", "-c", path, "--speed", "max", "--for", "1s").lines for _ in range(2)]
    recovered = [[line for line in each if "Recovered from the log at event" in line] for each in lines]
    assert [len(each) for each in recovered] == [0, 1]
    assert recovered[1][0].endswith(": 0 lots, 0 open orders, 0 trails")


def refused_after_s(path: Path, standing: int) -> float:
    """Have a bot refused because of another process, which is named; give how long that took."""
    began = time.monotonic()
    result = krypto("run", "-c", path, "--speed", "max", "--for", "1h")
    took_s = time.monotonic() - began
    assert result.code == 3
    assert f"process {standing}" in result.err
    assert len(result.err.splitlines()) == 1
    return took_s


@pytest.mark.spec("a second process on the directory exits at once, naming the first", section="Identity")
def test_run_in_a_directory_that_is_in_use_is_refused_naming_the_process(copied: Path) -> None:
    with Running("-c", copied / "bot.yml") as engine:
        engine.wait_for("Session started")
        other = bot_file(copied, "other")
        for path in (copied / "bot.yml", other):
            assert any(refused_after_s(path, engine.process.pid) < 2 for _ in range(TRIES))
        assert engine.process.poll() is None
        assert krypto("stop", "--state-dir", copied / "state").code == 0
        assert engine.end().code == 0
    assert krypto("verify", "--state-dir", copied / "state").code == 0
    assert [each["bot_id"] for each in krypto("inspect-state", "--state-dir", copied / "state", "--json").json] == [
        "bot"
    ]


def test_run_summary_names_places_and_what_to_type_next(tmp_path: Path) -> None:
    result = krypto("run", "-c", bot_file(tmp_path, **LIVELY), "--speed", "max", "--for", "2h", "--quiet")
    assert "[Bot-" not in result.out
    assert str(tmp_path / "state" / "events.db") in result.out
    assert str(tmp_path / "state" / "bot_state_bot.json") in result.out
    commands = [line.split("  ")[1].split() for line in result.lines if line.startswith("  krypto-engine")]
    assert len(commands) == 4
    for _, *arguments in commands:
        assert krypto(*arguments).code == 0
