"""`replay`: the story of `run` again from the log, up to any event or time, as lines, events or JSON."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.replay import MOST_FILE
from tests.cli.terminal import LIVELY, bot_file, krypto

PROGRAM = re.compile(r"\] (State saved|Using cached OHLCV data|OHLCV data cached|Recovered from the log)")
OUTAGE = {"seed": 12, "outages": False, "scripted_outages": [{"from_s": 5000, "length_s": 700, "kind": "internet"}]}


def told(lines: list[str]) -> list[str]:
    """Leave the lines about the bot, without those about the program."""
    return [line for line in lines if "[Bot-" in line and not PROGRAM.search(line)]


def replayed(folder: Path, *arguments: object) -> list[str]:
    """Replay the bot of a folder; give the lines."""
    result = krypto("replay", "bot", "--state-dir", folder / "state", *arguments)
    assert result.code == 0, result.err
    return result.lines


@pytest.mark.spec("run and replay print the same line for the same event", section="Files and interfaces")
def test_replay_of_several_sessions_tells_line_by_line_what_run_told(tmp_path: Path) -> None:
    sessions: list[tuple[dict[str, Any], str]] = [
        ({"market": OUTAGE}, "50m"),
        ({"market": OUTAGE, "profit_target": 0.5, "connectivity_hosts": ["203.0.113.1:53"]}, "70m"),
        ({"market": OUTAGE, "sell_order_type": "limit", "buy_order_type": "trailing_limit"}, "2h"),
    ]
    lines: list[str] = []
    for changes, span in sessions:
        path = bot_file(tmp_path, **{**LIVELY, **changes})
        result = krypto("run", "-c", path, "--speed", "max", "--for", span, "--routine")
        assert result.code == 0, result.err
        lines += result.lines
    story = replayed(tmp_path, "--routine")
    assert story == told(lines)
    for text in (
        "Configuration changed",
        "Waiting 30s before retry...",
        "Connectivity restored",
        "Sold",
        "no internet",
    ):
        assert any(text in line for line in story), text
    assert len(lines) > len(story) + 100


@pytest.mark.spec("run and replay leave out the same routine", section="Files and interfaces")
def test_replay_without_routine_tells_what_run_told_without_it(tmp_path: Path) -> None:
    path = bot_file(tmp_path, **LIVELY)
    lines = krypto("run", "-c", path, "--speed", "max", "--for", "1h", "--no-routine").lines
    story = replayed(tmp_path)
    assert story == told(lines)
    left_out = set(replayed(tmp_path, "--routine")) - set(story)
    assert left_out
    assert all("Connectivity check passed" in line for line in left_out)


@pytest.mark.parametrize("flag", ["--no-routine", "--quiet"])
def test_run_that_shows_less_tells_nothing_that_replay_does_not(tmp_path: Path, flag: str) -> None:
    path = bot_file(tmp_path, **LIVELY)
    lines = krypto("run", "-c", path, "--speed", "max", "--for", "1h", flag).lines
    story = replayed(tmp_path, "--routine")
    assert set(told(lines)) < set(story)
    assert bool(told(lines)) == (flag != "--quiet")


@pytest.mark.spec("replay stops at any event or time it is given", section="issue: CLI")
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_replay_at_an_event_ends_with_it(lived: Path, share: float) -> None:
    records = krypto("replay", "--state-dir", lived / "state", "--json").records
    cut = 1 + int(share * (len(records) - 1))
    found = krypto("replay", "--state-dir", lived / "state", "--json", "--at", cut).records
    assert found == records[:cut]
    assert [each["sequence"] for each in found] == list(range(1, cut + 1))


@pytest.mark.parametrize(
    ("moment", "last"),
    [
        ("2025-01-01T00:30:00Z", 1_735_691_400_000),
        ("2025-01-01T00:30:00", 1_735_691_400_000),
        ("2025-01-01T02:30:00+02:00", 1_735_691_400_000),
        ("2999-01-01", None),
    ],
)
def test_replay_at_a_time_ends_with_its_last_event(lived: Path, moment: str, last: int | None) -> None:
    records = krypto("replay", "--state-dir", lived / "state", "--json", "--events").records
    found = krypto("replay", "--state-dir", lived / "state", "--json", "--events", "--at", moment).records
    assert found == [each for each in records if last is None or each["at"] <= last]


@pytest.mark.parametrize("moment", ["yesterday", "-5", "", "12.5", "2025-13-01"])
def test_replay_at_no_moment_is_a_usage_error(lived: Path, moment: str) -> None:
    result = krypto("replay", "--state-dir", lived / "state", f"--at={moment}")
    assert result.code == 2
    assert "2025-11-03T10:30:00Z" in result.err
    assert result.out == ""


@pytest.mark.parametrize("flag", ["--verify", "--redecide"])
def test_replay_at_a_moment_that_is_to_check_the_whole_log_is_a_usage_error(lived: Path, flag: str) -> None:
    result = krypto("replay", "--state-dir", lived / "state", "--at", "50", flag)
    assert result.code == 2
    assert "--at" in result.err


def test_replay_events_shows_every_event_of_bot_and_feed(lived: Path) -> None:
    total = krypto("verify", "--state-dir", lived / "state", "--json").json["rows"]
    lines = replayed(lived, "--events")
    records = krypto("replay", "--state-dir", lived / "state", "--events", "--json").records
    assert len(lines) == len(records) == total
    assert [each["position"] for each in records] == list(range(1, total + 1))
    assert {each["stream"].partition(":")[0] for each in records} == {"bot", "feed"}
    caused = [each for each in records if each["cause"] is not None]
    assert caused
    seen = {(each["stream"], each["sequence"]): each["position"] for each in records}
    assert all(seen[tuple(each["cause"])] < each["position"] for each in caused)


def test_replay_without_a_name_takes_the_only_bot(lived: Path) -> None:
    assert krypto("replay", "--state-dir", lived / "state").lines == replayed(lived)


@pytest.mark.parametrize("verb", ["replay", "inspect-state"])
def test_replay_of_an_unknown_bot_names_those_there_are(lived: Path, verb: str) -> None:
    result = krypto(verb, "nobody", "--state-dir", lived / "state")
    assert result.code == 2
    assert "'nobody'" in result.err
    assert "it knows bot" in result.err


def test_replay_without_a_name_among_several_asks_for_one(tmp_path: Path) -> None:
    paths = [bot_file(tmp_path, name) for name in ("one", "two")]
    assert krypto("run", "-c", paths[0], "-c", paths[1], "--speed", "max", "--for", "5m").code == 0
    result = krypto("replay", "--state-dir", tmp_path / "state")
    assert result.code == 2
    assert "one, two" in result.err


@pytest.mark.spec("replay --verify checks sequences, checksums, witness, digests and state file", section="issue: CLI")
def test_replay_verify_of_a_sound_log_says_what_it_checked(lived: Path) -> None:
    lines = replayed(lived, "--verify")
    assert lines[0].startswith("sound  ")
    assert "equal to the log" in lines[-1]
    found = krypto("replay", "--state-dir", lived / "state", "--verify", "--json").json
    assert found["verify"]["damages"] == []
    assert found["digests"]["checked"] >= 1
    assert found["digests"]["differing"] == []
    assert found["state_file"] == {"equal": True, "found": "equal to the log"}


@pytest.mark.spec("replay --verify tells of a state file that is not what the log gives", section="issue: CLI")
@pytest.mark.parametrize(
    ("written", "told"),
    [
        (lambda file: file.replace(b'"total_trades": ', b'"total_trades": 9'), "it differs from the log in stats: "),
        (lambda file: file.replace(b'"stats":', b'"statistics":'), "it is unreadable ('stats'): "),
        (lambda _: b'{"log":' + b"[" * 100_000, "it is unreadable (maximum recursion depth exceeded"),
        (lambda _: b" " * (MOST_FILE + 1), "it is larger than 67,108,864 bytes: "),
        (lambda _: b"", "it is unreadable ("),
        (lambda _: None, "there is none"),
    ],
    ids=["edited", "key missing", "nested", "huge", "empty", "none"],
)
def test_replay_verify_tells_how_a_state_file_differs_and_the_log_stays_sound(
    copied: Path, written: Callable[[bytes], bytes | None], told: str
) -> None:
    path = copied / "state" / "bot_state_bot.json"
    content = written(path.read_bytes())
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    lines = replayed(copied, "--verify")
    assert lines[0].startswith("sound  ")
    assert lines[-1].strip().startswith(f"state file: {told}")
    found = krypto("replay", "--state-dir", copied / "state", "--verify", "--json").json["state_file"]
    assert found["equal"] is (None if content is None else False)
    assert found["found"].startswith(told)


@pytest.mark.spec("deciding every observation again gives the same decisions", section="issue: CLI")
def test_replay_redecide_of_a_sound_log_is_identical(lived: Path) -> None:
    (line,) = replayed(lived, "--redecide")
    assert line.startswith("identical  ")
    found = krypto("replay", "--state-dir", lived / "state", "--redecide", "--json").json["redecide"]
    records = krypto("replay", "--state-dir", lived / "state", "--json").records
    assert found["divergences"] == []
    assert 0 < found["decisions"] < len(records)
    assert found["observations"] > 700
