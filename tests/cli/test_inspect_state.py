"""`inspect-state`: what a bot holds now and then, which event set a value, and why nothing was bought."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cli.options import open_log
from engine.core.events import Cause, OrderOutcomeUnknown, OrderRequested, OrdersSurveyed, RateLimited
from engine.core.identity import parse_client_order_id
from engine.runtime.examine import _causes, look_up, state_file, story, why
from engine.runtime.replica import Replica
from engine.store.port import Recorded
from tests.cli.tampering import alter, observe
from tests.cli.terminal import EAGER, LIVELY, Running, bot_file, bytes_below, krypto
from tests.kernel import trade

NEVER_OVER_MS = 9_999_999_999_000
TINY = {"price": 0.035, "price_tick": 0.000001, "min_notional": 0.0001, "seed": 7, "outages": False}


def inspected(folder: Path, *arguments: object) -> Any:
    """Give the state of the bot of a folder as JSON."""
    result = krypto("inspect-state", "bot", "--state-dir", folder / "state", "--json", *arguments)
    assert result.code == 0, result.err
    return result.json


def of(folder: Path, kind: str) -> list[Any]:
    """Give the events of a kind of the bot of a folder."""
    return [each for each in events(folder) if each["event"]["type"] == kind]


def events(folder: Path) -> list[Any]:
    """Give the events of the bot of a folder."""
    return krypto("replay", "bot", "--state-dir", folder / "state", "--json").records


@pytest.mark.spec("inspect-state shows what the state file shows", section="issue: CLI")
def test_inspect_state_now_is_the_state_file(lived: Path) -> None:
    assert inspected(lived) == json.loads((lived / "state" / "bot_state_bot.json").read_bytes())


def test_inspect_state_shows_lots_and_trails_to_a_reader(lived: Path) -> None:
    result = krypto("inspect-state", "--state-dir", lived / "state")
    state = inspected(lived)
    assert result.code == 0
    assert f"{state['stats']['total_trades']} opened, {state['stats']['winning_trades']} won" in result.out
    for lot in state["strategy_state"]["pending_sell_orders"]:
        parsed = parse_client_order_id(lot["buy_order_id"])
        assert parsed is not None
        assert f"lot {parsed[1]} " in result.out
        assert f"${lot['target_sell_price']:,.2f}" in result.out
    assert "active" in result.out
    assert "open lots     cost $" in result.out
    assert " at last price (" in result.out
    assert re.search(r"realised +[+-]\$", result.out)


def test_inspect_state_shows_what_an_operator_is_sent_there_for(copied: Path) -> None:
    quiet = krypto("inspect-state", "--state-dir", copied / "state").out
    assert [word for word in ("halted", "silent until", "at the exchange") if word in quiet] == []
    observe(copied, RateLimited(NEVER_OVER_MS), OrdersSurveyed(("k0a1b2c3d4e0000099",)))
    shown = " ".join(krypto("inspect-state", "--state-dir", copied / "state").out.split())
    assert "halted an operator must decide about orders of this log at the exchange, nothing is sent" in shown
    assert "see krypto-engine recover" in shown
    assert "silent until 2286-11-20T17:46:39Z" in shown


def test_inspect_state_shows_orders_with_their_ids_and_how_they_stand(tmp_path: Path) -> None:
    path = bot_file(tmp_path, **LIVELY, sell_order_type="limit")
    assert krypto("run", "-c", path, "--speed", "max", "--for", "2h").code == 0
    shown = krypto("inspect-state", "--state-dir", tmp_path / "state").out
    requested = {each["event"]["client_order_id"]: each["event"] for each in of(tmp_path, "order_requested")}
    accepted = {each["event"]["client_order_id"]: each for each in of(tmp_path, "order_accepted")}
    name = list(accepted)[-1]
    assert requested[name]["side"] == "sell"
    for text in ("sell 0.00", name, accepted[name]["event"]["exchange_order_id"]):
        assert text in shown, text
    assert "resting" in shown

    alter(tmp_path, f"DELETE FROM event WHERE row_id >= {accepted[name]['position']}")
    (tmp_path / "state" / "events.head").unlink()
    observe(tmp_path, OrderOutcomeUnknown(name, "timed out"))
    doubtful = krypto("inspect-state", "--state-dir", tmp_path / "state").out
    assert re.search(rf"lot {requested[name]['lot']} .* unknown\n", doubtful)
    assert re.search(rf"status +unknown\n +id +{name}\n", doubtful)


def test_inspect_state_of_a_market_in_bitcoin_shows_every_digit(tmp_path: Path) -> None:
    path = bot_file(
        tmp_path, symbol="ETH/BTC", strategy_params=EAGER | {"amount_usd": 0.01}, market=TINY, profit_target=3
    )
    ran = krypto("run", "-c", path, "--speed", "max", "--for", "1h")
    assert ran.code == 0, ran.err
    shown = krypto("inspect-state", "--state-dir", tmp_path / "state").out
    assert re.search(r"open lots +cost 0\.\d{4,8} BTC, worth 0\.\d{4,8} BTC at last price", shown)
    assert re.search(r"realised +0 BTC", shown)
    assert all(len(line) <= 80 for line in ran.lines + shown.splitlines() if "[Bot-" not in line and "/" not in line)


def test_inspect_state_without_a_name_shows_every_bot(tmp_path: Path) -> None:
    paths = [bot_file(tmp_path, name) for name in ("one", "two", "three")]
    flags = [flag for path in paths for flag in ("-c", path)]
    assert krypto("run", *flags, "--speed", "max", "--for", "1h").code == 0
    result = krypto("inspect-state", "--state-dir", tmp_path / "state", "--json")
    assert [each["bot_id"] for each in result.json] == ["one", "two", "three"]
    shown = krypto("inspect-state", "--state-dir", tmp_path / "state").out
    assert all(name in shown for name in ("one", "two", "three"))


@pytest.mark.spec("inspect-state shows the state at any event or time", section="issue: CLI")
def test_inspect_state_at_each_purchase_shows_one_more_lot(lived: Path) -> None:
    bought = [each for each in events(lived) if each["event"]["type"] == "purchase_recorded"]
    for count, each in enumerate(bought, start=1):
        state = inspected(lived, "--at", each["sequence"])
        assert state["strategy_state"]["purchase_count"] == count
        assert state["log"] == {"sequence": each["sequence"], "checksum": each["checksum"]}


def test_inspect_state_at_a_time_equals_that_at_its_last_event(lived: Path) -> None:
    before = [each for each in events(lived) if each["at"] <= 1_735_693_200_000]
    by_time = inspected(lived, "--at", "2025-01-01T01:00:00Z")
    by_event = inspected(lived, "--at", before[-1]["sequence"])
    for state in (by_time, by_event):
        state["stats"].pop("last_price")
    assert by_time == by_event


def test_inspect_state_at_the_end_equals_that_of_now(lived: Path) -> None:
    assert inspected(lived, "--at", "2999-01-01T00:00:00Z") == inspected(lived)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--at", "soon"),
        ("--at", "5", "--why", "stats"),
        ("--at", "1999-01-01T00:00:00Z"),
        ("--why", "stats", "--why-no-trade"),
    ],
)
def test_inspect_state_at_no_moment_of_the_bot_is_a_usage_error(lived: Path, arguments: tuple[str, ...]) -> None:
    result = krypto("inspect-state", "bot", "--state-dir", lived / "state", *arguments)
    assert result.code == 2
    assert len(result.err.splitlines()) == 1


@pytest.mark.spec("inspect-state --why names the event that set a value and its causes", section="issue: CLI")
def test_inspect_state_why_a_profit_leads_from_the_sale_back_to_the_price(lived: Path) -> None:
    found = inspected(lived, "--why", "stats.total_profit")
    assert found["value"] == inspected(lived)["stats"]["total_profit"]
    assert found["event"]["event"]["type"] == "sale_recorded"
    kinds = [each["event"]["type"] for each in found["causes"]]
    assert kinds[0] == "order_filled"
    assert "order_requested" in kinds
    assert kinds[-1] == "price_observed"
    assert found["causes"][-1]["stream"].startswith("feed:")


def test_inspect_state_why_of_a_log_in_which_an_event_causes_itself_comes_to_an_end(copied: Path) -> None:
    itself = "json_array('bot:bot', sequence)"
    alter(copied, f"UPDATE event SET body = json_set(body, '$.cause', {itself}) WHERE tag = 'order_filled'")
    found = inspected(copied, "--why", "stats.total_profit")
    assert [each["event"]["type"] for each in found["causes"]] == ["order_filled"]


def test_trade_under_the_id_of_the_order_that_it_caused_leads_in_no_circle() -> None:
    filled = Recorded(5, "bot:bot", 5, 0, None, trade("b", "t1", 50_000, 1), b"")
    order = OrderRequested("b", 2, "sell", "market", Decimal(1), Decimal(50_000), "target")
    requested = Recorded(6, "bot:bot", 6, 0, Cause("bot:bot", 5), order, b"")
    seen = {(each.stream, each.sequence): each for each in (filled, requested)}
    assert list(_causes(requested, seen)) == [filled]


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("stats.total_trades", "purchase_recorded"),
        ("strategy_state.purchase_count", "purchase_recorded"),
        ("strategy_state.pending_sell_order.target_sell_price", "sell_target_set"),
        ("strategy_state.purchases.0.status", "sale_recorded"),
        ("connectivity.last_success", "connectivity_checked"),
        ("bot_id", "bot_created"),
    ],
)
def test_inspect_state_why_a_key_names_the_kind_of_event_that_sets_it(lived: Path, key: str, kind: str) -> None:
    found = inspected(lived, "--why", key)
    assert found["event"]["event"]["type"] == kind
    shown = krypto("inspect-state", "bot", "--state-dir", lived / "state", "--why", key).out
    assert key in shown
    assert kind in shown


@pytest.mark.spec("the event that --why names is where the value changed", section="issue: CLI")
@pytest.mark.parametrize("key", ["stats.total_profit", "stats.current_position", "strategy_state.total_spent"])
def test_inspect_state_why_a_value_was_another_one_just_before(lived: Path, key: str) -> None:
    found = inspected(lived, "--why", key)
    section, name = key.split(".")
    sequence = found["event"]["sequence"]
    assert inspected(lived, "--at", sequence)[section][name] == found["value"]
    assert inspected(lived, "--at", sequence - 1)[section][name] != found["value"]


@pytest.mark.parametrize(
    "key", ["stats.total_profits", "nothing", "stats.total_profit.more", "", "strategy_state.purchases.99"]
)
def test_inspect_state_why_a_key_that_is_none_names_those_there_are(lived: Path, key: str) -> None:
    result = krypto("inspect-state", "bot", "--state-dir", lived / "state", "--why", key)
    assert result.code == 2
    assert "there is no key" in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.spec("inspect-state --why-no-trade gives the last skip and its numbers", section="issue: CLI")
def test_inspect_state_why_no_trade_gives_the_last_skip_with_its_numbers(lived: Path) -> None:
    found = inspected(lived, "--why-no-trade")
    skips = [each for each in events(lived) if each["event"]["type"] in {"indicators_skipped", "entry_skipped"}]
    assert found["last"]["sequence"] == skips[-1]["sequence"]
    assert found["last"]["event"] == skips[-1]["event"]
    assert found["now"]
    shown = krypto("inspect-state", "bot", "--state-dir", lived / "state", "--why-no-trade").out
    assert f"event {skips[-1]['sequence']}," in shown
    assert "at the last price" in shown


def test_inspect_state_why_no_trade_names_votes_and_indicators(tmp_path: Path) -> None:
    path = bot_file(tmp_path, strategy_params={"amount_usd": 100})
    assert krypto("run", "-c", path, "--speed", "max", "--for", "10m").code == 0
    found = inspected(tmp_path, "--why-no-trade")
    assert found["last"]["event"]["rule"] == "votes"
    assert {"rsi:14", "ema:25"} <= set(found["last"]["event"]["numbers"])


def test_inspect_state_why_no_trade_of_a_paused_bot_says_so(copied: Path) -> None:
    with Running("-c", copied / "bot.yml", "--speed", "1") as engine:
        engine.wait_for("Session started")
        assert krypto("pause", "--state-dir", copied / "state").code == 0
        assert inspected(copied, "--why-no-trade")["now"] == "the bot is paused"
        assert krypto("stop", "--state-dir", copied / "state").code == 0
        assert engine.end().code == 0
    assert "paused" in inspected(copied, "--why-no-trade")["now"]


@pytest.mark.spec("the read-only verbs work while the engine runs", section="issue: CLI")
def test_looking_verbs_while_an_engine_runs_see_its_log(copied: Path) -> None:
    with Running("-c", copied / "bot.yml", "--speed", "1") as engine:
        engine.wait_for("Session started")
        state = inspected(copied)
        assert state["strategy_state"]["purchase_count"] > 3
        story = krypto("replay", "bot", "--state-dir", copied / "state")
        assert story.code == 0
        assert "Session started" in story.lines[-1] or "Connectivity" in story.lines[-1]
        assert krypto("verify", "--state-dir", copied / "state").code == 0
        assert krypto("replay", "bot", "--state-dir", copied / "state", "--redecide", "--verify").code == 0
        assert engine.process.poll() is None
        krypto("stop", "--state-dir", copied / "state")
        assert engine.end().code == 0


def test_looking_verbs_leave_the_log_as_it_is(copied: Path) -> None:
    def lasting() -> dict[str, bytes]:
        found = bytes_below(copied / "state")
        return {name: content for name, content in found.items() if not name.endswith(("-shm", "-wal"))}

    before = lasting()
    for arguments in (["inspect-state"], ["inspect-state", "--why", "stats"], ["replay", "--redecide"], ["verify"]):
        name = ["bot"] if "--why" in arguments else []
        assert krypto(*arguments, *name, "--state-dir", copied / "state").code == 0
    assert lasting() == before


def test_inspect_state_of_a_bot_that_bought_nothing_has_no_figures(tmp_path: Path) -> None:
    path = bot_file(tmp_path, strategy_params={"amount_usd": 100})
    assert krypto("run", "-c", path, "--speed", "max", "--for", "1s").code == 0
    state = inspected(tmp_path)
    assert state["strategy_state"]["purchase_count"] == 0
    assert state["strategy_state"]["pending_sell_order"] is None
    assert inspected(tmp_path, "--why", "strategy_state.last_purchase_price")["value"] is None
    assert inspected(tmp_path, "--why-no-trade")["now"]


@pytest.mark.parametrize("verb", ["inspect-state", "replay"])
def test_looking_verb_on_a_log_without_a_bot_says_so(copied: Path, verb: str) -> None:
    alter(copied, "DELETE FROM event", "DELETE FROM stream", chained=True)
    state = ("--state-dir", copied / "state")
    result = krypto(verb, *state)
    assert "this log holds no bot yet" in result.out + result.err
    named = krypto(verb, "bot", *state)
    assert named.code == 2
    assert "this log holds no bot yet" in named.err
    assert krypto("inspect-state", *state, "--json").json == []
    assert krypto("verify", *state).code == 0


@pytest.mark.parametrize(
    "key", ["stats.current_position", "strategy_state.trailing_states", "connectivity.last_success", "log.sequence"]
)
def test_inspect_state_why_names_the_last_event_after_which_the_value_differed(lived: Path, key: str) -> None:
    with open_log(lived / "state") as reader:
        replica, value, setter = Replica(), None, None
        for recorded in story(reader, "bot", None, replica):
            now = None if replica.state is None else look_up(state_file(replica), key)
            if now != value:
                value, setter = now, recorded
        assert why(reader, "bot", key).event == setter
