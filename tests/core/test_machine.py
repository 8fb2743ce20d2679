"""A bot under everything at once: prices, outages, pauses, resets, refusals, restarts and repeated reports.

The machine does one thing after the other; after each, the books are held against the log, and the rules that the
specification numbers against the state.
"""

from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.core.backoff import backoff_s
from engine.core.effects import due, next_probe_ms, outstanding
from engine.core.events import OrderFilled, OrderRequested, OutageDeclared, PurchaseRecorded, TrailingReset
from engine.core.projection import has_state_file
from tests.core.books import audit
from tests.core.walks import MISHAPS, PRICES, SETTINGS, Step, born, take
from tests.kernel import Kernel, of


class BotMachine(RuleBasedStateMachine):
    """One bot and what may befall it."""

    kernel: Kernel

    @initialize(settings=SETTINGS)
    def begin(self, settings: dict[str, Any]) -> None:
        """Let the bot see its first price."""
        self.kernel = born(settings)

    @rule(steps=st.lists(PRICES, min_size=1, max_size=5))
    def follow(self, steps: list[Step]) -> None:
        """Let prices pass by."""
        for step in steps:
            take(self.kernel, step)

    @rule(step=MISHAPS)
    def befall(self, step: Step) -> None:
        """Let something else happen."""
        take(self.kernel, step)

    @rule()
    def come_back(self) -> None:
        """End every pause and outage."""
        take(self.kernel, ("command", "resume"))
        take(self.kernel, ("check", True))

    @precondition(lambda self: bool(of(self.kernel.told(), OrderFilled)))
    @rule(data=st.data())
    def hear_again(self, data: st.DataObject) -> None:
        """Hear of a trade that is long known (Order protocol: repeats are harmless)."""
        fill = data.draw(st.sampled_from(of(self.kernel.told(), OrderFilled)))
        before = self.kernel.state
        assert self.kernel.observe(fill) == [fill]
        assert self.kernel.state == before

    @invariant()
    def books_add_up(self) -> None:
        """Money; decisions 9 and 10: position, cash, cost and profit tie to each other."""
        audit(self.kernel)

    @invariant()
    def nothing_is_owed_twice(self) -> None:
        """Design, kernel: at most one call is owed per order, and none is sent while the bot lets prices pass."""
        owed = [effect.client_order_id for effect in outstanding(self.kernel.state)]
        assert len(owed) == len(set(owed))
        state = self.kernel.state
        if state.paused:
            assert not [order for order in state.orders.values() if order.status == "requested"]

    @invariant()
    def backoff_follows_the_table(self) -> None:
        """Decisions 4 and 5: the wait after failure n, after which the probe is owed."""
        link = self.kernel.state.connectivity
        assert (link.backoff_until_ms is None) is (link.failure_count == 0)
        if link.backoff_until_ms is not None:
            assert next_probe_ms(self.kernel.state) == link.backoff_until_ms
            assert link.backoff_until_ms <= self.kernel.now_ms + backoff_s(link.failure_count) * 1000

    @invariant()
    def outage_resets_trails_once(self) -> None:
        """Decision 6: an outage is declared at the limit, and no trail follows prices through it."""
        state = self.kernel.state
        reached = state.connectivity.failure_count >= state.config.max_connectivity_failures
        assert state.connectivity.outage is reached
        if reached:
            assert all(trail.status == "triggered" for trail in state.trails.values())
        declared = len(of(self.kernel.told(), OutageDeclared))
        reset = [each for each in of(self.kernel.told(), TrailingReset) if each.reason == "outage"]
        assert declared or not reset

    @invariant()
    def file_exists_from_the_first_purchase(self) -> None:
        """Decision 11: no file before the first purchase, one ever after."""
        assert has_state_file(self.kernel.state) is bool(of(self.kernel.told(), PurchaseRecorded))

    @invariant()
    def deadlines_lie_ahead(self) -> None:
        """Orders: a resting order older than its timeout has been cancelled."""
        due_ms = due(self.kernel.state)
        assert due_ms is None or due_ms > self.kernel.now_ms

    @invariant()
    def sells_keep_the_promise(self) -> None:
        """Decision 18: with a floor, no limit sell stands under its lot's target."""
        if self.kernel.config.trailing_sell_floor == "target":
            targets = {lot.number: lot.target for lot in self.kernel.state.lots.values()}
            for order in of(self.kernel.told(), OrderRequested):
                target = targets.get(order.lot or 0)
                if target is not None and order.limit_price is not None:
                    assert order.limit_price >= target


TestBotMachine = BotMachine.TestCase
TestBotMachine.settings = hypothesis_settings(hypothesis_settings.default, stateful_step_count=25)
