"""How often a live executor asks about an order, and when one that is missing calls for a thorough look.

One order that rests at the exchange, answers as a test tells them, and a clock that it sets.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from engine.core.events import BotEvent, OrderAccepted, OrderCancelRequested, OrderFilled, OrderRequested, OrderSent
from engine.core.reducers import apply
from engine.core.state import BotState, Order, OrderStatus
from engine.exchanges.port import Accepted, Fill, Gateway, OrderReport, Outcome, Unknown
from engine.runtime.account_desk import AccountDesk
from engine.runtime.bot import Bot
from engine.runtime.live_executor import APART_MS, LiveExecutor
from engine.runtime.reconciliation import GONE_AFTER, Desked, Reconciler
from engine.runtime.reports import filled
from tests.kernel import Kernel, one
from tests.runtime.test_reports import NAME, OPEN

SILENT = Unknown("timed out")


class Stage:
    """An executor whose bot has an order that rests at the exchange, or has not been sent yet."""

    repeats_create, valid_ms, grace_ms = False, 5_000, 10_000

    def __init__(self, *, rests: bool = True) -> None:
        kernel = Kernel(buy_order_type="limit")
        self.name = one(kernel.price(50_000, settled=False), OrderRequested).client_order_id
        self.now_ms = kernel.now_ms
        self.steady_since_ms = 0
        self.answer: OrderReport | Unknown | None = SILENT
        self.asked = 0
        self.booked: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.bot = cast("Bot", SimpleNamespace())
        self._keep(kernel.state)
        if rests:
            self.record(OrderSent(self.name, self.now_ms, 5_000), OrderAccepted(self.name, "7"))
        self.executor = LiveExecutor(
            cast("Gateway", self),
            self._record,
            now_ms=lambda: self.now_ms,
            spawn=self._run,
            witnessed=self._witnessed,
            may_send=lambda: True,
            steady_since_ms=lambda: self.steady_since_ms,
            done=lambda: None,
        )

    def _keep(self, state: BotState) -> None:
        self.bot.__dict__.update(state=state, durable=(state,))

    def record(self, *events: BotEvent) -> None:
        """Let events be in the log."""
        self.booked += [event.client_order_id for event in events if isinstance(event, OrderFilled)]
        for event in events:
            self._keep(apply(self.bot.state, event, self.now_ms))

    async def _record(self, _bot: Bot, events: Sequence[BotEvent]) -> int | None:
        self.record(*events)
        return 1

    async def _witnessed(self, position: int) -> None:
        assert position == 1

    @staticmethod
    def _run(call: Coroutine[Any, Any, None]) -> None:
        """Carry a call out at once: nothing in it waits."""
        with pytest.raises(StopIteration):
            call.send(None)

    async def query(self, state: BotState, order: Order) -> OrderReport | Unknown | None:
        assert order in state.orders.values()
        self.asked += 1
        self.meanwhile()
        return self.answer

    cancel = query

    async def create(self, state: BotState, order: Order) -> Outcome:
        assert order in state.orders.values()
        self.asked += 1
        self.meanwhile()
        return Accepted("7")

    def trades(self, _state: BotState) -> tuple[OrderReport, ...]:
        return ()

    def look(self, answer: OrderReport | Unknown | None) -> None:
        """Ask now, and be answered so."""
        self.answer = answer
        asyncio.run(self.executor.look_now(self.bot, self.name))

    def stands(self, filled: str = "0") -> OrderReport:
        return OrderReport(self.name, "7", "open", Decimal(filled))

    def wait_s(self) -> float | None:
        """Say in how many seconds a call is owed."""
        due_ms = self.executor.next_ms(self.bot)
        return None if due_ms is None else max(due_ms - self.now_ms, 0) / 1000

    def settle(self) -> int:
        """Do what is owed now; give how many calls that were."""
        before = self.asked
        asyncio.run(self.executor.settle(self.bot, self.now_ms))
        return self.asked - before


def test_cancellation_that_settles_nothing_is_asked_for_again_at_growing_intervals() -> None:
    stage = Stage()
    stage.record(OrderCancelRequested(stage.name, "timeout"))
    assert stage.wait_s() == 0
    waits = []
    for _ in range(12):
        stage.answer = stage.stands()
        assert stage.settle() == 1
        wait_s = stage.wait_s()
        assert wait_s is not None
        waits.append(wait_s)
        stage.now_ms += int(wait_s * 1000) - 1
        assert stage.settle() == 0
        stage.now_ms += 1
    assert waits == [1, 2, 4, 8, 16, 32, 64, 64, 64, 64, 64, 64]


def test_order_found_standing_is_at_rest_and_the_next_look_waits_for_nothing() -> None:
    stage = Stage()
    stage.executor.look(stage.name)
    assert stage.wait_s() == 0
    stage.answer = stage.stands()
    assert stage.settle() == 1
    assert stage.wait_s() is None
    stage.executor.look(stage.name)
    assert stage.wait_s() == 0
    assert not stage.executor.is_quiet


def test_open_order_is_looked_for_until_it_is_found_and_its_trades_are_told() -> None:
    stage = Stage()
    waits = []
    for answer in (None, SILENT, stage.stands("0.001")):
        stage.look(answer)
        assert not stage.executor.is_quiet
        waits.append(stage.wait_s())
        stage.now_ms += 100_000
    assert waits == [1, 2, 4]
    stage.look(stage.stands())
    assert stage.executor.is_quiet
    assert stage.wait_s() is None


def test_looks_that_do_not_find_an_order_count_once_a_minute_and_from_the_first_that_finds_it_anew() -> None:
    stage = Stage()
    counts = [stage.executor.absences(stage.name)]

    def look(answer: OrderReport | Unknown | None, after_ms: int) -> None:
        stage.now_ms += after_ms
        stage.look(answer)
        counts.append(stage.executor.absences(stage.name))

    look(None, 0)
    look(None, APART_MS - 1)
    look(None, 1)
    look(SILENT, APART_MS)
    look(None, 0)
    assert counts == [0, 1, 1, 2, 2, 3]
    stage.steady_since_ms = stage.now_ms + 1_000
    look(None, APART_MS)
    look(None, 1_000)
    assert counts[-2:] == [3, 4], "a minute in which the clock was set anew is none"
    look(stage.stands(), APART_MS)
    look(None, APART_MS)
    assert counts[-2:] == [0, 1]


def test_answer_is_held_against_the_order_as_it_is_by_then() -> None:
    stage = Stage()
    trade = Fill("t1", Decimal(50_000), Decimal("0.0001"), Decimal(0), "USD", Decimal(0), "maker")
    order = stage.bot.state.orders[stage.name]
    stage.meanwhile = lambda: stage.record(filled(order, trade))
    stage.look(replace(stage.stands("0.0001"), fills=(trade,)))
    assert stage.booked == [stage.name], "by whoever was first, and not by the answer again"


def test_absence_is_proven_only_by_a_clock_that_ran_evenly_all_the_while() -> None:
    stage = Stage(rests=False)
    stage.record(OrderSent(stage.name, stage.now_ms, stage.valid_ms))
    stage.steady_since_ms = stage.now_ms + 60_000
    stage.now_ms = stage.steady_since_ms + stage.valid_ms + stage.grace_ms
    stage.look(None)
    assert stage.bot.state.orders[stage.name].status == "unknown"
    stage.now_ms += 1
    stage.look(None)
    assert stage.bot.state.done_orders[stage.name].status == "rejected"


def test_order_counts_as_being_sent_for_as_long_as_its_answer_is_out() -> None:
    stage, counts = Stage(rests=False), []
    stage.meanwhile = lambda: counts.append((stage.executor.sending, set(stage.executor.busy)))
    assert stage.settle() == 1
    assert counts == [(1, {stage.name})]
    assert (stage.executor.sending, stage.executor.busy) == (0, set())


async def record(*_: object) -> int | None:
    """Take no note: nothing is looked at here."""
    raise AssertionError


@pytest.mark.parametrize(
    ("status", "absences", "is_gone"),
    [
        ("open", GONE_AFTER, True),
        ("open", GONE_AFTER - 1, False),
        ("unknown", GONE_AFTER, False),
        ("sent", GONE_AFTER, False),
        ("canceled", GONE_AFTER, False),
    ],
)
def test_missing_order_is_gone_only_if_it_was_accepted_and_not_found_often_enough(
    status: OrderStatus, absences: int, *, is_gone: bool
) -> None:
    held = SimpleNamespace(state=SimpleNamespace(orders={NAME: replace(OPEN, status=status)}))
    executor = SimpleNamespace(absences={NAME: absences}.__getitem__)
    reconciler = Reconciler(cast("AccountDesk", None), "BTC/USD", record, lambda: 0)
    assert not reconciler.has_gone()
    reconciler.seats.append(Desked(cast("Bot", held), cast("LiveExecutor", executor)))

    assert reconciler.has_gone() is is_gone
