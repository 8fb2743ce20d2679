"""The independent checker finds nothing in sound logs, and in forged ones exactly the rule that was broken.

Forged logs are mended behind the change: chain, witness and state file fit, so that nothing but the rule can notice.
"""

import base64
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from engine.testing.independent import RULES, check
from engine.testing.independent.__main__ import main
from tests.simulation.conftest import Lived
from tests.simulation.forgery import (
    HARMLESS,
    alter,
    change_state,
    events_of,
    execute,
    mend,
    place_of,
    rewrite,
    row_of,
    write_witness,
)

CANARY: Final = "canary/7?k+9=secret value"
Change = Callable[[Path], object]


def rules_of(found: list[str]) -> set[str]:
    """Give the rules that were broken; every line must begin with one."""
    rules = {line.partition(":")[0] for line in found}
    assert rules <= set(RULES), found
    return rules


@pytest.mark.spec("A second checker, which shares no code, finds nothing in sound logs", section="What shows it")
def test_sound_logs_of_paper_and_live_bots_break_no_rule(paper: Path, live: Lived) -> None:
    terms = {"canaries": [CANARY], "stopped": True, "signing_tolerance_ms": 1_000, "clock_tolerance_ms": 1_000}
    assert {"trailing_triggered", "sale_recorded", "trailing_watermark_moved"} <= {
        tag for _, tag, _ in events_of(paper)
    }

    assert check(paper, None, terms) == []
    assert check(live.directory, live.history, terms) == []


def test_check_leaves_the_directory_as_it_is(paper: Path) -> None:
    before = {path.name: path.read_bytes() for path in paper.iterdir()}

    check(paper, None, {"canaries": [CANARY]})

    assert {path.name: path.read_bytes() for path in paper.iterdir()} == before


def test_paper_order_that_is_left_as_sent_is_found_where_all_should_be_at_rest(paper: Path) -> None:
    sent = place_of(paper, "order_sent", -1)
    execute(paper, ("DELETE FROM event WHERE row_id > ?", (sent,)))
    state_of(paper).unlink()
    mend(paper)

    assert check(paper, None, {}) == []
    assert check(paper, [], {"quiet": False}) == []
    assert rules_of(check(paper, [], {})) == {"order"}


def test_two_bots_with_one_log_id_are_found(paper: Path) -> None:
    created, _ = row_of(paper, place_of(paper, "bot_created"))
    execute(
        paper,
        ("INSERT INTO stream VALUES (77, 'bot:twin')", ()),
        (
            "INSERT INTO event SELECT max(row_id) + 1, 77, 1, 'bot_created', ?, zeroblob(16) FROM event",
            (json.dumps(created),),
        ),
    )
    mend(paper)

    assert rules_of(check(paper, None, {})) == {"intent"}


def test_trade_that_is_told_again_changes_nothing(paper: Path) -> None:
    fill_twice(paper)

    assert check(paper, None, {}) == []


def test_empty_directory_breaks_no_rule(tmp_path: Path) -> None:
    assert check(tmp_path, [], {}) == []


def test_file_that_is_no_log_breaks_the_chain(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"no database at all" * 100)

    assert rules_of(check(tmp_path, None, {})) == {"chain"}


def state_of(directory: Path) -> Path:
    """Give the only state file."""
    (path,) = directory.glob("bot_state_*.json")
    return path


def in_state(*keys: str, value: Any) -> Change:
    """Describe a change of one figure of the state file."""

    def change(directory: Path) -> None:
        def put(says: dict[str, Any]) -> None:
            part: Any = says
            for key in keys[:-1]:
                part = part[int(key) if key.isdigit() else key]
            assert part[keys[-1]] != value
            part[keys[-1]] = value

        change_state(state_of(directory), put)

    return change


def in_event(tag: str, nth: int = 0, **changes: Any) -> Change:
    """Describe a change of one event, mended behind it."""
    return lambda directory: alter(directory, place_of(directory, tag, nth), changes)


def instead(tag: str, nth: int = 0, **says: Any) -> Change:
    """Describe one event put in the place of another."""
    body = {**HARMLESS, **says}
    return lambda directory: alter(directory, place_of(directory, tag, nth), lambda _: body)


def command(name: str) -> dict[str, Any]:
    """Give the event of an operator's command."""
    return {"type": "command_received", "command": name, "by": "test"}


def a_byte(directory: Path) -> None:
    """Change a stored byte and nothing else."""
    execute(directory, ("UPDATE event SET body = replace(body, '\"at\":1', '\"at\": 1') WHERE row_id = 40", ()))


def a_tag(directory: Path) -> None:
    """Have a row's tag differ from its body's type."""
    execute(directory, ("UPDATE event SET tag = 'timer_fired' WHERE row_id = 40", ()))


def a_hole(directory: Path) -> None:
    """Take out a row, and leave its place empty."""
    execute(directory, ("DELETE FROM event WHERE row_id = 40", ()))


def no_body(directory: Path) -> None:
    """Put something else than JSON in the place of a body."""
    execute(directory, ("UPDATE event SET body = '{' WHERE row_id = 40", ()))
    mend(directory)


def without_its_end(directory: Path) -> None:
    """Lose the last row, as after a disk that lied; the state file, written later, is lost as well."""
    execute(directory, ("DELETE FROM event WHERE row_id = (SELECT max(row_id) FROM event)", ()))
    state_of(directory).unlink()


def another_witness(directory: Path) -> None:
    """Have the witness name another checksum."""
    write_witness(directory, 40, bytes(16))


def no_witness_left(directory: Path) -> None:
    """Damage both halves of the witness."""
    (directory / "events.head").write_bytes(bytes(128))


def back_in_time(directory: Path) -> None:
    """Record a price a millisecond before the one before it."""
    (before, _), (body, _) = (row_of(directory, place_of(directory, "price_observed", nth)) for nth in (20, 21))
    rewrite(directory, place_of(directory, "price_observed", 21), {**body, "at": before["at"] - 1})


def under_the_floor(directory: Path) -> None:
    """Have the best bid at the price that fired a sell stand under the floor."""
    position = place_of(directory, "trailing_triggered", direction="up")
    prices = [row_id for row_id, tag, _ in events_of(directory) if tag == "price_observed" and row_id < position]
    alter(directory, prices[-1], {"bid": "1"})


def before_an_order(command_name: str, end: Callable[[Path], dict[str, Any]]) -> Change:
    """Describe a command before an order that leaves, and what ends it after it."""

    def change(directory: Path) -> None:
        sent = place_of(directory, "order_sent", 1)
        free = [row_id for row_id, tag, _ in events_of(directory) if tag in {"connectivity_checked", "entry_skipped"}]
        before, after = max(each for each in free if each < sent), min(each for each in free if each > sent)
        alter(directory, before, lambda _: command(command_name))
        ended = end(directory)
        alter(directory, after, lambda _: ended)

    return change


def a_session(directory: Path) -> dict[str, Any]:
    """Give the event with which the bot's session began."""
    began: dict[str, Any] = row_of(directory, place_of(directory, "session_started"))[0]["e"]
    return began


def wrong_number(directory: Path) -> None:
    """Have a sell say that it is another order than its id says."""
    alter(directory, place_of(directory, "order_requested", side="sell"), {"number": 77})


def fill_twice(directory: Path, **changes: str) -> None:
    """Book the first trade again, in the place of something harmless."""
    filled = next(says for _, tag, says in events_of(directory) if tag == "order_filled")
    instead("connectivity_checked", -1, **{**filled, **changes})(directory)


def fill_twice_otherwise(directory: Path) -> None:
    """Book the first trade again with another price."""
    fill_twice(directory, price="1")


def with_budget(directory: Path) -> None:
    """Have the bot's budget be too small for its third purchase."""
    alter(directory, 1, lambda says: {**says, "config": {**says["config"], "budget": "299"}})


FORGED: Final[dict[str, tuple[set[str], Change]]] = {
    "byte": ({"chain"}, a_byte),
    "tag": ({"chain"}, a_tag),
    "hole": ({"chain"}, a_hole),
    "body": ({"chain"}, no_body),
    "lost end": ({"witness"}, without_its_end),
    "another row": ({"witness"}, another_witness),
    "witness": ({"witness"}, no_witness_left),
    "time": ({"time"}, back_in_time),
    "number": ({"intent"}, wrong_number),
    "never sent": ({"intent"}, instead("order_sent")),
    "booked twice": ({"trade", "position", "statistics"}, fill_twice_otherwise),
    "held": ({"position"}, in_event("purchase_recorded", held="0.5")),
    "cost": ({"position"}, in_event("purchase_recorded", cost="1")),
    "proceeds": ({"position"}, in_event("sale_recorded", proceeds="1")),
    "profit": ({"position"}, in_event("sale_recorded", profit="1")),
    "shown profit": ({"position"}, in_state("stats", "total_profit", value=77)),
    "shown position": ({"position"}, in_state("stats", "current_position", value=77)),
    "shown dust": ({"position"}, in_state("strategy_state", "dust", "cost", value=77)),
    "shown lots": ({"position"}, in_state("strategy_state", "pending_sell_orders", value=[])),
    "total_trades": ({"statistics"}, in_state("stats", "total_trades", value=77)),
    "winning_trades": ({"statistics"}, in_state("stats", "winning_trades", value=77)),
    "losing_trades": ({"statistics"}, in_state("stats", "losing_trades", value=77)),
    "purchase_count": ({"statistics"}, in_state("strategy_state", "purchase_count", value=77)),
    "total_spent": ({"statistics"}, in_state("strategy_state", "total_spent", value=77)),
    "total_purchased": ({"statistics"}, in_state("strategy_state", "total_purchased", value=77)),
    "last_purchase_time": ({"statistics"}, in_state("strategy_state", "last_purchase_time", value=77)),
    "buy_price": ({"statistics"}, in_state("strategy_state", "purchases", "0", "buy_price", value=77)),
    "paused": ({"statistics"}, in_state("paused", value=True)),
    "another place": ({"statistics"}, in_state("log", "checksum", value="00" * 16)),
    "watermark goes back": ({"trail"}, in_event("trailing_watermark_moved", watermark="999999")),
    "fires unheard": ({"trail"}, instead("trailing_activated")),
    "fires too soon": ({"trail"}, in_event("trailing_started", percent="49")),
    "under the floor": ({"trail"}, under_the_floor),
    "begins elsewhere": ({"trail"}, in_event("trailing_activated", watermark="45184.14")),
    "outlives a reset": ({"trail"}, instead("connectivity_checked", -1, **command("reset-trailing"))),
    "outlives an outage": ({"trail"}, instead("connectivity_checked", -1, type="outage_declared", failure_count=3)),
    "over the budget": ({"exposure"}, with_budget),
    "decided before another ended": ({"intent", "position"}, in_event("order_requested", quantity="0.5")),
    "paused bot sends": ({"pause"}, before_an_order("pause", lambda _: command("resume"))),
    "stopped bot sends": ({"pause"}, before_an_order("stop", a_session)),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_log_breaks_the_rule_that_was_forged_and_no_other(paper: Path, name: str) -> None:
    expected, change = FORGED[name]
    change(paper)

    assert rules_of(check(paper, None, {})) == expected


@pytest.mark.parametrize(("sold", "may_be"), [("0.00121", False), ("0.00200", True)], ids=["sellable", "dust"])
def test_what_a_sale_leaves_of_a_lot_it_closed_must_be_too_small_to_sell(
    paper: Path, sold: str, *, may_be: bool
) -> None:
    name = row_of(paper, place_of(paper, "sale_recorded"))[0]["e"]["client_order_id"]
    for tag in ("order_requested", "order_filled"):
        alter(paper, place_of(paper, tag, client_order_id=name), {"quantity": sold})

    assert any("left, which can be sold" in line for line in check(paper, None, {})) is not may_be


def test_orderly_end_that_the_log_does_not_hold_is_found(paper: Path) -> None:
    instead("session_stopped")(paper)

    assert check(paper, None, {}) == []
    assert rules_of(check(paper, None, {"stopped": True})) == {"time"}


def test_trail_whose_reset_was_lost_with_the_end_of_the_log_is_held_against_nobody(paper: Path) -> None:
    alter(paper, place_of(paper, "command_received", -1), command("reset-trailing"))
    assert rules_of(check(paper, None, {})) == {"trail"}
    began = {"type": "recovery_started", "order_number": 1_000, "accepted": []}
    alter(paper, place_of(paper, "feed_detached", -1), lambda _: began)

    assert rules_of(check(paper, None, {})) == set()


def test_witness_that_lags_is_found_only_after_an_orderly_end(paper: Path) -> None:
    write_witness(paper, 40, row_of(paper, 40)[1])

    assert check(paper, None, {}) == []
    assert rules_of(check(paper, None, {"stopped": True})) == {"witness"}


@pytest.mark.parametrize(
    "form",
    [
        CANARY.encode(),
        CANARY.encode().hex().encode(),
        CANARY.encode().hex().upper().encode(),
        quote(CANARY, safe="").encode(),
        *(base64.b64encode(b"x" * offset + CANARY.encode() + b"tail") for offset in range(4)),
        *(base64.urlsafe_b64encode(b"\xff" * offset + CANARY.encode() + b"tail") for offset in range(3)),
    ],
    ids=["text", "hex", "HEX", "address", "base64-0", "base64-1", "base64-2", "base64-3", "url-0", "url-1", "url-2"],
)
def test_canary_in_any_file_and_form_is_found_and_not_printed(paper: Path, form: bytes) -> None:
    (paper / "leak.bin").write_bytes(b"before " + form + b" after")

    found = check(paper, None, {"canaries": ["another", CANARY]})

    assert rules_of(found) == {"secret"}
    assert all("leak.bin holds canary 1" in line and CANARY not in line for line in found)


def test_command_prints_violations_and_ends_with_one(
    live: Lived, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "history.jsonl"
    told.write_text("\n".join(json.dumps(record) for record in live.history or []), "utf-8")

    assert main([str(live.directory), "--history", str(told)]) == 0
    assert capsys.readouterr().out == "nothing found\n"
    told.write_text("", "utf-8")
    assert main([str(live.directory), "--history", str(told)]) == 1
    assert capsys.readouterr().out.startswith("trade: ")


def test_log_that_still_has_its_write_ahead_file_is_read_whole(paper: Path, tmp_path: Path) -> None:
    with sqlite3.connect(paper / "events.db", isolation_level=None) as connection:
        connection.execute("UPDATE checkpoint SET sequence = sequence + 1")
        copy = tmp_path / "killed"
        shutil.copytree(paper, copy)
    connection.close()

    assert (copy / "events.db-wal").stat().st_size > 0
    assert check(copy, None, {}) == []
