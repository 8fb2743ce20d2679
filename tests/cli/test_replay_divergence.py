"""`replay --redecide` and `--verify` on logs that were changed: what differs, where, and with which exit code."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.tampering import alter
from tests.cli.terminal import Result, krypto

OLDER = "UPDATE event SET body = json_set(body, '$.e.decision_version', 1) WHERE tag = 'session_started'"


def rows(folder: Path, query: str) -> list[tuple[int, ...]]:
    """Ask the log of a folder."""
    with closing(sqlite3.connect(folder / "state" / "events.db")) as connection:
        return connection.execute(query).fetchall()


def redecided(folder: Path, *arguments: str) -> Result:
    """Decide the life of the bot again."""
    return krypto("replay", "bot", "--redecide", "--state-dir", folder / "state", *arguments)


def altered_target(folder: Path) -> int:
    """Change what the second sell target came to; give the event."""
    query = "SELECT sequence FROM event WHERE tag = 'sell_target_set' ORDER BY sequence LIMIT 1 OFFSET 1"
    ((sequence,),) = rows(folder, query)
    change = f"""UPDATE event SET body = json_set(body, '$.e.target', '99999.99')
        WHERE tag = 'sell_target_set' AND sequence = {sequence}"""
    alter(folder, change, chained=True)
    return sequence


@pytest.mark.spec("redecide reports the first divergence with both sides", section="issue: CLI")
def test_redecide_of_an_altered_decision_names_it_with_both_sides(copied: Path) -> None:
    sequence = altered_target(copied)
    assert krypto("verify", "--state-dir", copied / "state").code == 0
    result = redecided(copied)
    assert result.code == 6
    assert result.lines[0].startswith("diverged")
    assert f"at event {sequence}," in result.lines[1]
    recorded, _, decided = " ".join(result.lines[2:]).partition(" decided ")
    assert "recorded" in recorded
    assert "99999.99" in recorded
    assert decided
    assert "99999.99" not in decided


def test_redecide_in_json_gives_both_sides(copied: Path) -> None:
    sequence = altered_target(copied)
    result = redecided(copied, "--json")
    assert result.code == 6
    (divergence,) = result.json["redecide"]["divergences"]
    assert divergence["sequence"] == sequence
    assert divergence["recorded"]["target"] == 99999.99
    assert divergence["decided"]["target"] < 99999
    assert divergence["newer_rules"] is False


def test_redecide_of_a_missing_decision_says_what_should_stand_there(copied: Path) -> None:
    ((last, stream, sequence),) = rows(
        copied,
        "SELECT row_id, stream, sequence FROM event WHERE tag = 'indicators_skipped' ORDER BY row_id DESC LIMIT 1",
    )
    alter(
        copied,
        f"DELETE FROM event WHERE row_id = {last}",
        f"UPDATE event SET sequence = -sequence WHERE stream = {stream} AND sequence > {sequence}",
        "UPDATE event SET sequence = -sequence - 1 WHERE sequence < 0",
        f"UPDATE event SET row_id = -row_id WHERE row_id > {last}",
        "UPDATE event SET row_id = -row_id - 1 WHERE row_id < 0",
        chained=True,
    )
    result = redecided(copied)
    assert result.code == 6
    assert "recorded  nothing" in result.out
    assert "IndicatorsSkipped" in result.out


@pytest.mark.spec("an altered observation shows in the decisions that no longer follow", section="issue: CLI")
def test_redecide_of_an_altered_price_diverges_where_it_mattered(copied: Path) -> None:
    ((sequence,),) = rows(
        copied, "SELECT json_extract(body, '$.cause[1]') FROM event WHERE tag = 'trailing_triggered' LIMIT 1"
    )
    alter(
        copied,
        f"""UPDATE event SET body = json_set(body, '$.e.last', '48000', '$.e.bid', '48000', '$.e.ask', '48000')
        WHERE tag = 'price_observed' AND sequence = {sequence}""",
        chained=True,
    )
    result = redecided(copied)
    assert result.code == 6
    assert "TrailingTriggered" in result.out


@pytest.mark.spec("a difference by newer rules is listed and is no fault", section="design: decision_version")
def test_redecide_of_sessions_with_older_rules_lists_differences_and_ends_well(copied: Path) -> None:
    alter(copied, OLDER, chained=True)
    sequence = altered_target(copied)
    result = redecided(copied)
    assert result.code == 0
    assert result.lines[0].startswith("newer rules differ")
    assert f"at event {sequence}," in result.out
    assert redecided(copied, "--json").json["redecide"]["divergences"][0]["newer_rules"] is True


def test_redecide_of_sessions_with_older_rules_that_decide_alike_is_identical(copied: Path) -> None:
    alter(copied, OLDER, chained=True)
    result = redecided(copied)
    assert result.code == 0
    assert result.out.startswith("identical")


@pytest.mark.spec("a state that does not fold to the digest its session ended with is found", section="issue: CLI")
def test_verify_of_a_consistent_forgery_fails_on_the_digest_of_the_session(copied: Path) -> None:
    altered_target(copied)
    result = krypto("replay", "bot", "--verify", "--state-dir", copied / "state")
    assert result.code == 6
    assert result.out.startswith("damaged")
    found = krypto("replay", "bot", "--verify", "--state-dir", copied / "state", "--json")
    assert found.code == 6
    assert found.json["digests"]["differing"] != []


def test_replay_verify_and_redecide_together_fail_on_either(copied: Path) -> None:
    altered_target(copied)
    assert krypto("replay", "bot", "--verify", "--redecide", "--state-dir", copied / "state").code == 6
