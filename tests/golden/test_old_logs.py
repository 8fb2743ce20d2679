"""Old logs: what every version left behind folds, verifies and decides again under this program, and goes on.

Method: real logs of each version (tests/golden/logs), each in a copy. What the version of the log made of it was noted
when the log was kept. Nothing here may change a kept file.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine import __version__
from engine.core.events import PriceObserved
from engine.core.projection import state_file_name
from engine.store.codec import EVENT_TYPES
from engine.store.port import Batch, Entry
from engine.store.reader import LogReader
from engine.store.sqlite import SqliteLog
from tests.cli.tampering import alter
from tests.cli.terminal import krypto
from tests.golden.logs.notes import FOLDER, copied, logs, noted, read_notes
from tests.golden.logs.scenarios import SCENARIOS, WORLDS

LOGS = pytest.mark.parametrize("place", logs(), ids=lambda place: f"{place.parent.name}-{place.name}")
PAPER = pytest.mark.parametrize(
    "place",
    [each for each in logs() if each.name not in {"live", "mistaken", *WORLDS}],
    ids=lambda place: f"{place.parent.name}-{place.name}",
)
MOST_BYTES = 220_000
EVENTFUL = {
    "simulated": {"purchase_recorded", "sale_recorded", "trailing_activated", "trailing_triggered"},
    "recorded": {"purchase_recorded", "outage_declared", "connectivity_restored", "trailing_reset", "prices_skipped"},
    "reconfigured": {"purchase_recorded", "config_changed"},
    "commanded": {"command_received", "kill_switch_engaged", "kill_switch_released", "sale_recorded"},
    "live": {"order_outcome_unknown", "order_cancel_requested", "order_canceled", "account_observed", "sale_recorded"},
    "mistaken": {"order_reconciled", "discrepancy_found", "order_rejected", "dust_recorded"},
    "limited": {"limit_reached", "stop_loss_triggered"},
} | {each: {"recovery_started", "recovery_confirmed", "backoff_started"} for each in WORLDS}
"""What must have happened in a log for it to be worth keeping."""


@pytest.fixture(autouse=True)
def kept_files_stay() -> Iterator[None]:
    """Fail a test that changed anything that is kept."""
    before = fingerprint()
    yield
    assert fingerprint() == before


def fingerprint() -> dict[str, str]:
    """Give a digest of every kept file."""
    files = [path for place in logs() for path in place.rglob("*") if path.is_file()]
    return {str(path): blake2b(path.read_bytes()).hexdigest() for path in files}


def contains(whole: Any, part: Any) -> bool:
    """Tell whether a JSON value says at least what another says."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and contains(whole[key], part[key]) for key in part)
    if isinstance(part, list) and isinstance(whole, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)


def bodies(state: Path) -> list[tuple[Any, ...]]:
    """Give the rows of a log as they are stored."""
    with closing(sqlite3.connect(state / "events.db")) as connection:
        return connection.execute("SELECT row_id, stream, sequence, tag, body, checksum FROM event").fetchall()


def test_this_version_has_its_logs() -> None:
    assert {place.name for place in logs() if place.parent.name == __version__} == set(SCENARIOS), (
        "run: python -m tests.golden.logs"
    )


@LOGS
def test_kept_log_is_small_whole_and_eventful(place: Path) -> None:
    notes = read_notes(place)
    with copied(place) as folder:
        names = {path.name for path in (folder / "state").iterdir()}
    assert names == {"events.db", "events.head", *map(state_file_name, notes.bots)}
    assert max(path.stat().st_size for path in place.rglob("*")) < MOST_BYTES
    assert notes.engine_version == place.parent.name
    assert set(notes.tags) >= EVENTFUL[place.name] | {"session_started", "session_stopped", "price_observed"}


@pytest.mark.spec("the logs that are kept hold every kind of event", section="Old logs")
def test_logs_of_this_version_hold_every_kind_of_event() -> None:
    kept = [read_notes(place).tags for place in logs() if place.parent.name == __version__]
    assert set().union(*kept) == set(EVENT_TYPES)


@pytest.mark.spec("logs of every released version fold to the state that their version noted", section="Old logs")
@LOGS
def test_old_log_folds_to_what_its_version_noted(place: Path) -> None:
    notes = read_notes(place)
    with copied(place) as folder:
        found = noted(folder / "state")
        assert (found.rows, found.tags) == (notes.rows, notes.tags)
        for bot, note in notes.bots.items():
            now = found.bots[bot]
            assert now.sequence == note.sequence
            assert now.observations == note.observations
            if now.schema == note.schema:
                assert now.digest == note.digest
            result = krypto("inspect-state", bot, "--state-dir", folder / "state", "--json")
            shown = msgspec.json.decode((place / "state" / state_file_name(bot)).read_bytes())
            assert contains(result.json, shown), shown


@pytest.mark.spec("old logs verify, and decide again identically under the same rules", section="Old logs")
@LOGS
def test_old_log_verifies_and_decides_again(place: Path) -> None:
    with copied(place) as folder:
        for bot, note in read_notes(place).bots.items():
            result = krypto("replay", bot, "--verify", "--redecide", "--state-dir", folder / "state")
            assert (result.code, result.err) == (0, "")
            assert result.lines[0].startswith("sound")
            verdict = next(line for line in result.lines if "decided again" in line)
            if noted(folder / "state").bots[bot].decision_version == note.decision_version:
                assert verdict.startswith("identical"), result.out
            assert f"{note.decisions:,} decision" in verdict


@pytest.mark.spec("differences from older rules are listed and are no fault", section="Old logs")
def test_old_log_of_other_rules_lists_what_differs_as_newer_rules() -> None:
    (place,) = [place for place in logs() if place == FOLDER / __version__ / "simulated"]
    older = "UPDATE event SET body = json_set(body, '$.e.decision_version', 1) WHERE tag = 'session_started'"
    other = "UPDATE event SET body = json_set(body, '$.e.target', '99999.99') WHERE tag = 'sell_target_set'"
    with copied(place) as folder:
        alter(folder, other, chained=True)
        assert krypto("replay", "bot", "--redecide", "--state-dir", folder / "state").code == 6
        alter(folder, older, chained=True)
        result = krypto("replay", "bot", "--redecide", "--state-dir", folder / "state")
        assert (result.code, result.err) == (0, "")
        assert result.lines[0].startswith("newer rules differ")
        assert any(line.startswith("  at event ") for line in result.lines)
        told = krypto("replay", "bot", "--redecide", "--state-dir", folder / "state", "--json").json["redecide"]
        assert all(each["newer_rules"] for each in told["divergences"])
        targets = [each for each in told["divergences"] if (each["recorded"] or {}).get("target") == 99999.99]
        assert len(targets) == read_notes(place).tags["sell_target_set"]


@LOGS
def test_old_log_is_taken_up_and_appended_to(place: Path) -> None:
    with copied(place) as folder:
        before = bodies(folder / "state")

        last = before[-1]
        at_ms = msgspec.json.decode(last[4])["at"] + 1_000
        with LogReader.open(folder / "state") as reader:
            feed = next(name for name in reader.streams() if name.startswith("feed:"))

        async def scenario() -> None:
            log = await SqliteLog.open(folder / "state", linger=asyncio.sleep)
            try:
                entry = Entry(PriceObserved(last=Decimal(50_000)), at_ms)
                await log.append([Batch(feed, log.head(feed).sequence, (entry,))], urgent=True)
            finally:
                await log.close()

        asyncio.run(scenario())
        assert bodies(folder / "state")[:-1] == before
        assert krypto("verify", "--state-dir", folder / "state").out.startswith("sound")


@pytest.mark.spec("old logs are gone on with", section="Old logs")
@PAPER
def test_old_log_is_gone_on_with_by_the_program(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with copied(place) as folder:
        monkeypatch.chdir(folder)
        before = bodies(folder / "state")
        result = krypto("run", "-c", "bot.yml", "--speed", "max", "--for", "20m")
        assert (result.code, result.err) == (0, "")
        assert any("Recovered from the log at event" in line for line in result.lines)
        after = bodies(folder / "state")
        assert after[: len(before)] == before
        assert {"session_started", "session_stopped"} <= {row[3] for row in after[len(before) :]}
        again = krypto("replay", "--verify", "--redecide", "--state-dir", "state")
        assert again.code == 0, again
        assert again.lines[0].startswith("sound")
