"""The independent checker holds a live bot's log against the exchange's history: every rule that needs both.

The log and the history are of a real run against the local exchange, which serves as the control: untouched, they break
no rule. Then one of the two is changed.
"""

from collections.abc import Callable
from typing import Any, Final

import pytest

from engine.testing.independent import check
from tests.simulation.conftest import Lived
from tests.simulation.forgery import HARMLESS, alter, events_of, place_of
from tests.simulation.histories import Record
from tests.simulation.test_independent import rules_of

Forge = Callable[[Lived], object]


def records(live: Lived, what: str, **says: object) -> list[Record]:
    """Give the records of a kind that say so."""
    assert live.history is not None
    return [
        record
        for record in live.history
        if record["what"] == what and all(record.get(key) == value for key, value in says.items())
    ]


def told(what: str, nth: int, **changes: Any) -> Forge:
    """Describe a change of one record of the history."""

    def forge(live: Lived) -> None:
        record = records(live, what)[nth]
        assert any(record[key] != value for key, value in changes.items())
        record.update(changes)

    return forge


def again(what: str, nth: int, **changes: Any) -> Forge:
    """Describe a record that stands in the history once more, with changes."""
    return lambda live: (live.history or []).append({**records(live, what)[nth], **changes})


def lost(what: str, nth: int) -> Forge:
    """Describe a record that is missing in the history."""
    return lambda live: (live.history or []).remove(records(live, what)[nth])


def booked_otherwise(live: Lived) -> None:
    """Have the log book another fee than was charged; it is in quote, of the sale, and everything after it agrees."""
    position = place_of(live.directory, "order_filled", 1)
    alter(live.directory, position, {"fee": "0.123"})


def never_recorded_as_sent(live: Lived) -> None:
    """Take the sending of the sell that rests out of the log, with what came of it."""
    name = records(live, "order")[-1]["client_order_id"]
    for tag in ("order_sent", "order_accepted"):
        alter(live.directory, place_of(live.directory, tag, client_order_id=name), lambda _: HARMLESS)


def never_answered(live: Lived) -> None:
    """Take the acceptance of the sell that rests out of the log: it is left as sent."""
    name = records(live, "order")[-1]["client_order_id"]
    alter(live.directory, place_of(live.directory, "order_accepted", client_order_id=name), lambda _: HARMLESS)


def ended_in_the_log(live: Lived) -> None:
    """Have the log hold the sell that rests at the exchange to be canceled."""
    name = records(live, "order")[-1]["client_order_id"]
    accepted = place_of(live.directory, "order_accepted", client_order_id=name)
    after = [row for row, tag, _ in events_of(live.directory) if row > accepted and tag == "command_received"]
    alter(live.directory, after[0], lambda _: {"type": "order_canceled", "client_order_id": name, "filled": "0"})


def last_order_ends(live: Lived) -> None:
    """Have the exchange end the sell that rests."""
    last = records(live, "order")[-1]
    end = {"what": "end", "at_ms": last["at_ms"], "order_id": last["order_id"], "status": "canceled"}
    (live.history or []).append({**end, "client_order_id": last["client_order_id"]})


def held_to_be_not_placed(live: Lived) -> None:
    """Have the log take no answer to the last order for a refusal, and take it back later."""
    name = records(live, "order")[-1]["client_order_id"]
    accepted = place_of(live.directory, "order_accepted", client_order_id=name)
    reject = {"type": "order_rejected", "client_order_id": name, "proof": "no answer", "reason": "none came"}
    alter(live.directory, accepted, lambda _: reject)
    later = min(row for row, tag, _ in events_of(live.directory) if row > accepted and tag == "command_received")
    back = {"type": "order_reconciled", "client_order_id": name, "old_status": "rejected", "new_status": "open"}
    alter(live.directory, later, lambda _: back)


def pause_that_is_nowhere(live: Lived) -> None:
    """Have a pause acknowledged before the first order, of which the log knows nothing."""
    (live.history or []).insert(0, command("pause"))


def pause_after_which_it_sent(live: Lived) -> None:
    """Have a pause acknowledged before the last order, while the log has one, and its end, before the first."""
    history = live.history or []
    history.insert(history.index(records(live, "request", verb="create")[-1]), command("pause"))
    pause_in_the_log(live)


def pause_in_the_log(live: Lived) -> None:
    """Have the log hold a pause, and its end, before the first order."""
    alter(live.directory, place_of(live.directory, "account_observed"), lambda _: in_the_log("pause"))
    alter(live.directory, place_of(live.directory, "balances_observed"), lambda _: in_the_log("resume"))


def in_the_log(name: str) -> Record:
    """Give the event of a command."""
    return {"type": "command_received", "command": name, "by": "test"}


def command(name: str) -> Record:
    """Give the record of an acknowledged command."""
    return {"what": "command", "at_ms": 0, "bot": "live-bot", "name": name, "acknowledged": True, "life": 1}


FORGED: Final[dict[str, tuple[set[str], Forge]]] = {
    "quantity": ({"intent"}, told("order", 0, quantity="0.00198")),
    "side": ({"intent"}, told("order", 1, side="buy")),
    "kind": ({"intent"}, told("order", 0, kind="limit")),
    "price": ({"intent"}, told("order", 1, price="1")),
    "symbol": ({"intent"}, told("order", 1, symbol="ETHUSD")),
    "another id there": ({"intent"}, told("order", 1, order_id="77")),
    "placed twice": ({"intent"}, again("order", 1)),
    "asked for twice": ({"intent"}, again("request", 0, verb="create")),
    "not recorded as sent": ({"intent"}, never_recorded_as_sent),
    "signed at another time": ({"intent"}, told("order", 0, signed_ms=1)),
    "taken before it was sent": ({"intent"}, told("order", 0, at_ms=1)),
    "other fee": ({"trade"}, told("trade", 1, fee="0.5")),
    "other asset": ({"trade"}, told("trade", 1, fee_asset="EUR")),
    "other price": ({"trade"}, told("trade", 1, price="1")),
    "booked with another fee": ({"trade"}, booked_otherwise),
    "never booked": ({"trade", "position"}, again("trade", 1, trade_id="77")),
    "never traded": ({"trade", "position"}, lost("trade", -1)),
    "acknowledged and forgotten": ({"pause"}, pause_that_is_nowhere),
    "sent after a pause": ({"pause"}, pause_after_which_it_sent),
    "left as sent": ({"order"}, never_answered),
    "held to be not placed": ({"order"}, held_to_be_not_placed),
    "open there": ({"order"}, ended_in_the_log),
    "open here": ({"order"}, last_order_ends),
}


@pytest.mark.parametrize("name", FORGED)
def test_log_and_history_that_differ_break_the_rule_and_no_other(live: Lived, name: str) -> None:
    expected, forge = FORGED[name]
    terms = {"signing_tolerance_ms": 60_000, "clock_tolerance_ms": 60_000}
    assert check(live.directory, live.history, terms) == []
    forge(live)

    assert rules_of(check(live.directory, live.history, terms)) == expected


def test_order_under_this_logs_ids_that_was_never_requested_is_found(live: Lived) -> None:
    name = records(live, "order")[0]["client_order_id"][:-1] + "z"
    again("order", 0, client_order_id=name, order_id="77")(live)
    again("end", 0, client_order_id=name, order_id="77")(live)

    found = check(live.directory, live.history, {})

    assert any(line.startswith("intent:") and name in line and "never requested" in line for line in found), found


def test_orders_of_others_are_nobodys_business(live: Lived) -> None:
    for name in (None, "web_1234", "kzzzzzzzzzz0000001"):
        again("order", 0, client_order_id=name, order_id="77", quantity="9")(live)
        again("trade", 0, client_order_id=name, order_id="77", trade_id="78", quantity="9")(live)

    assert check(live.directory, [*(live.history or []), {"what": "weather"}], {}) == []


@pytest.mark.parametrize("limits", [{"budget": "99"}, {"max_open_lots": 0}], ids=["budget", "lots"])
def test_more_at_stake_than_allowed_is_found_at_the_first_moment(live: Lived, limits: dict[str, object]) -> None:
    found = check(live.directory, live.history, {"bots": {"live-bot": limits}})

    assert rules_of(found) == {"exposure"}
    assert len(found) == 1
    assert f" at {records(live, 'order')[0]['at_ms']}" in found[0]


def test_exposure_of_two_buys_at_once_is_found_though_both_end_well(live: Lived) -> None:
    second = records(live, "order", side="buy")[1]
    history = live.history or []
    moved = [each for each in history if each.get("client_order_id") == second["client_order_id"]]
    rest = [each for each in history if each not in moved]
    first_end = next(place for place, each in enumerate(rest) if each["what"] == "end") + 1

    found = check(live.directory, [*rest[:first_end], *moved, *rest[first_end:]], {})

    assert rules_of(found) == {"exposure"}, found


def test_run_that_did_not_come_to_rest_may_owe_bookings_but_may_not_invent_them(live: Lived) -> None:
    again("trade", 1, trade_id="77")(live)
    never_answered(live)
    assert check(live.directory, live.history, {"quiet": False}) == []

    lost("trade", 0)(live)
    assert rules_of(check(live.directory, live.history, {"quiet": False})) == {"trade"}


def test_pause_whose_end_was_asked_for_holds_nothing_back(live: Lived) -> None:
    history = live.history or []
    last = history.index(records(live, "request", verb="create")[-1])
    history[last:last] = [command("pause"), {**command("resume"), "acknowledged": False}]
    pause_in_the_log(live)

    assert check(live.directory, history, {}) == []


def pause_while_the_last_order_is_on_its_way(live: Lived, *before: Record) -> list[Record]:
    """Have a pause acknowledged after the last order has left and before it arrives; the log holds one, and its end."""
    history = live.history or []
    left = history.index(records(live, "request", verb="create")[-1]) + 1
    assert history.index(records(live, "order")[-1]) >= left
    history[left:left] = [*before, command("pause")]
    pause_in_the_log(live)
    return history


def test_order_that_arrives_after_a_pause_was_acknowledged_is_found_though_it_had_left_before(live: Lived) -> None:
    found = check(live.directory, pause_while_the_last_order_is_on_its_way(live), {})

    assert rules_of(found) == {"pause"}
    assert len(found) == 1
    assert "still on its way" in found[0]


@pytest.mark.parametrize("name", ["pause", "resume"])
@pytest.mark.parametrize("is_refused", [True, False], ids=["refused", "never answered"])
def test_command_that_was_refused_takes_nothing_from_the_next_pause(
    live: Lived, name: str, *, is_refused: bool
) -> None:
    asked, resume = {**command(name), "acknowledged": False}, {**command("resume"), "acknowledged": False}
    refused = [{**asked, "refused": True}] if is_refused else []
    before = [asked, resume, command("resume"), *refused, {**command("pause"), "acknowledged": False}]
    found = check(live.directory, pause_while_the_last_order_is_on_its_way(live, *before), {})

    assert rules_of(found) == ({"pause"} if is_refused else set())


def test_order_that_was_given_up_or_left_in_another_life_may_arrive_after_a_pause(live: Lived) -> None:
    resume = {**command("resume"), "acknowledged": False}
    history = pause_while_the_last_order_is_on_its_way(live)
    (at,) = (number for number, record in enumerate(history) if record == command("pause"))

    for between in ({"what": "life", "number": 2}, resume):
        assert check(live.directory, [*history[:at], between, *history[at:]], {}) == []
    history[at - 1]["fault"] = "request_late"
    assert check(live.directory, history, {}) == []


@pytest.mark.parametrize("changes", [{"bot": "another"}, {"acknowledged": False}], ids=["of another bot", "not told"])
def test_order_may_arrive_after_a_pause_on_which_nobody_may_count(live: Lived, changes: Record) -> None:
    history = pause_while_the_last_order_is_on_its_way(live)
    history[history.index(command("pause"))].update(changes)

    assert check(live.directory, history, {}) == []


def test_order_of_another_log_may_arrive_after_a_pause(live: Lived) -> None:
    history = live.history or []
    others: Record = {"client_order_id": "kzzzzzzzzzz0000001", "order_id": "77"}
    request, order = {**records(live, "request", verb="create")[-1], **others}, {**records(live, "order")[-1], **others}
    history += [request, command("pause"), order]
    pause_in_the_log(live)

    assert check(live.directory, history, {}) == []


@pytest.mark.parametrize("is_named", [True, False], ids=["named", "another"])
def test_orders_that_an_operator_confirmed_are_held_against_nobody(live: Lived, *, is_named: bool) -> None:
    name = records(live, "order")[0]["client_order_id"]
    for each in (name, name[:-1] + "z"):
        again("order", 1, client_order_id=each, order_id="77")(live)
    yes = {"type": "recovery_confirmed", "by": "me", "accepted": ["77" if is_named else "78"]}
    alter(live.directory, place_of(live.directory, "command_received", -1), lambda _: yes)

    assert rules_of(check(live.directory, live.history, {})) == (set() if is_named else {"intent"})
