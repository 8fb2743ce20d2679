"""Checks of the connection: counting failures, waiting longer each time, and coming back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.backoff import MOST_S, backoff_s
from engine.core.effects import next_probe_ms, outstanding
from engine.core.events import (
    BackoffStarted,
    ConnectivityChecked,
    ConnectivityRestored,
    OrderOutcomeUnknown,
    OrderSent,
    OutageDeclared,
    PricesSkipped,
)
from tests.kernel import START_MS, Kernel, bought, of, one, tags

SPEC = pytest.mark.spec


@SPEC("after failure n the bot waits 30 × 2^(n−1) s, at most 300", section="Backoff Strategy")
@pytest.mark.parametrize(
    ("failure", "wait_s"), [(1, 30), (2, 60), (3, 120), (4, 240), (5, 300), (6, 300), (7, 300), (1_000_000, 300)]
)
def test_backoff_after_a_failure_is_that_of_the_table(failure: int, wait_s: int) -> None:
    assert backoff_s(failure) == wait_s


@given(st.integers(1, 10**9))
def test_backoff_for_any_failure_never_shrinks_and_is_capped(failure: int) -> None:
    assert backoff_s(failure) <= backoff_s(failure + 1) <= MOST_S


@SPEC("the bot waits after every failure, the first one included", section="decision 4")
@SPEC("while failing, the end of the backoff is the next probe", section="decision 5")
def test_checks_that_fail_one_after_the_other_wait_as_the_table_says() -> None:
    kernel = Kernel()
    waits = []
    for _ in range(7):
        started = one(kernel.check(reachable=False), BackoffStarted)
        assert started.until_ms == kernel.now_ms + started.wait_s * 1000 == next_probe_ms(kernel.state)
        waits.append(started.wait_s)
        kernel.wait(started.wait_s)
    assert waits == [30, 60, 120, 240, 300, 300, 300]
    assert kernel.lines()[-2:] == ["⚠️  Connectivity check failed (failure #7)", "Waiting 300s before retry..."]


@SPEC("the interval of checks counts from the last success", section="decision 5")
@pytest.mark.parametrize("interval_s", [120, 45])
def test_check_that_succeeds_makes_the_next_one_due_an_interval_later(interval_s: int) -> None:
    kernel = Kernel(connectivity_check_interval=interval_s)
    assert next_probe_ms(kernel.state) == START_MS, "the first check is owed at once"
    assert tags(kernel.check(reachable=True, after_s=7)) == ["connectivity_checked"]
    assert next_probe_ms(kernel.state) == kernel.now_ms + interval_s * 1000
    assert kernel.file_json()["connectivity"] == {"last_success": "2024-11-03T12:10:07Z", "failure_count": 0}


@SPEC("an outage is declared once, when the failures reach max_connectivity_failures", section="decision 6")
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_outage_is_declared_once_and_again_after_it_is_over(limit: int) -> None:
    kernel = Kernel(max_connectivity_failures=limit)
    for _ in range(2):
        declared = [len(of(kernel.check(reachable=False, after_s=30), OutageDeclared)) for _ in range(limit + 2)]
        assert declared == [0] * (limit - 1) + [1, 0, 0]
        restored = one(kernel.check(reachable=True, after_s=30), ConnectivityRestored)
        assert (restored.failures, restored.length_ms) == (limit + 2, (limit + 2) * 30_000)
        assert kernel.state.connectivity.failure_count == 0


@SPEC("while waiting no trading cycle runs", section="decision 4")
def test_prices_while_waiting_pass_without_a_decision() -> None:
    kernel = bought(50_000, sell_order_type="market")
    kernel.votes(yes=True)
    kernel.check(reachable=False)
    assert kernel.prices(49_000, 51_000) == []
    events = kernel.check(reachable=True)
    skipped = one(events, PricesSkipped)
    assert (skipped.last, skipped.reason) == (kernel.view.price_sequence, "backoff")


@SPEC("while waiting, stop, pause and other commands act at once", section="decision 4")
def test_commands_while_waiting_act_at_once() -> None:
    kernel = bought(50_000, sell_order_type="trailing_market", max_connectivity_failures=9)
    kernel.check(reachable=False)
    kernel.command("pause")
    assert kernel.state.paused
    assert tags(kernel.command("reset-trailing")) == ["command_received", "trailing_reset"]
    kernel.command("resume")
    kernel.command("stop")
    assert kernel.state.stopping


def test_order_intended_before_a_failure_is_not_sent_before_the_connection_is_back() -> None:
    kernel = Kernel()
    kernel.price(50_000, settled=False)
    assert tags(kernel.check(reachable=False), only="order") == []
    assert outstanding(kernel.state) == ()
    assert tags(kernel.check(reachable=True), only="order")[:3] == ["order_sent", "order_accepted", "order_filled"]
    assert kernel.lot.status == "open"


@SPEC("while waiting no trading cycle runs", section="decision 4")
def test_order_whose_answer_is_missing_is_asked_about_when_the_connection_is_back() -> None:
    kernel = Kernel()
    kernel.price(50_000, settled=False)
    (name,) = kernel.state.orders
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000), OrderOutcomeUnknown(name, "timeout"))
    assert tags(kernel.check(reachable=False), only="order") == []
    assert outstanding(kernel.state) == ()
    kernel.check(reachable=True)
    assert kernel.lot.status == "open"


@SPEC("a failed check says what is away: the internet or the exchange", section="decision 3")
@pytest.mark.parametrize(
    ("diagnosis", "line"),
    [
        ("no internet", "⚠️  Connectivity check failed (failure #1): no internet"),
        ("exchange down", "⚠️  Connectivity check failed (failure #1): exchange down"),
        (None, "⚠️  Connectivity check failed (failure #1)"),
    ],
)
def test_check_that_fails_tells_its_diagnosis(diagnosis: str | None, line: str) -> None:
    kernel = Kernel()
    kernel.observe(ConnectivityChecked("exchange", reachable=False, diagnosis=diagnosis, failure=1))
    assert line in kernel.lines()


def test_failures_and_their_backoff_survive_a_restart() -> None:
    kernel = Kernel()
    kernel.check(reachable=False)
    kernel.check(reachable=False, after_s=30)
    before = kernel.state.connectivity
    kernel.restart()
    assert kernel.state.connectivity == before
    assert one(kernel.check(reachable=False, after_s=60), BackoffStarted).wait_s == 120
