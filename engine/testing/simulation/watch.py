"""Who looks on in a simulated world: notes which fault met which orders, and what the log has said for certain.

Owns the knowledge that no crash takes back: which orders are durably sent, which bots were paused and answered so.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.core.events import OrderSent
from engine.core.state import BotState, Order
from engine.runtime.journal import Published
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.exchange.monitor import Limits, Monitor
from engine.testing.simulation.life import Life

States = Callable[[], list[BotState]]
NO_ORDER: Final = "no order"
ORDER_STATES: Final = (NO_ORDER, "requested", "sent", "unknown", "open", "part filled", "canceling", "closing", "ended")
"""The states of an order that the table of visits tells apart, as the log has it when a fault strikes."""


class Watch:
    """What was seen of a world. `visits` counts "fault|state of an order"."""

    def __init__(self, exchange: SimulatedExchange, limits: Limits) -> None:
        """Look on at an exchange; `limits` are those of every bot."""
        self.faults: Final[Counter[str]] = Counter()
        self.visits: Final[Counter[str]] = Counter()
        self.sent: Final[set[str]] = set()
        self.paused: Final[set[str]] = set()
        self.states: States = list
        self.is_stopped = False
        """Whether a recovery waits for its confirmation: until then nothing may leave."""

        self._bots: Final[dict[str, str]] = {}
        self.monitor: Final = Monitor(
            exchange,
            limits_of=lambda log_id: limits if log_id in self._known_bots() else None,
            is_durable=self.sent.__contains__,
            may_send=lambda log_id: not self.is_stopped and self._known_bots().get(log_id) not in self.paused,
        )
        exchange.noted.append(self._note)

    def listener(self, life: Life) -> Callable[[Published], None]:
        """Give who is told what has become durable, as long as that life lasts."""

        def listen(published: Published) -> None:
            if life.is_dead:
                return
            if isinstance(published.event, OrderSent):
                self.sent.add(published.event.client_order_id)

        return listen

    def log_ids(self) -> Mapping[str, str]:
        """Give the bots by the ids of their logs, all that any life has had."""
        return dict(self._known_bots())

    def _known_bots(self) -> dict[str, str]:
        """Give the bots by their logs' ids, as far as any life has had them."""
        self._bots.update({state.log_id: state.bot_id for state in self.states()})
        return self._bots

    def struck(self, fault: str, client_order_id: str | None = None) -> None:
        """Count a fault, and the states of the orders that it met: of one, or of all that are on their way."""
        self.faults[fault] += 1
        orders = {name: order for state in self.states() for name, order in state.orders.items()}
        if client_order_id is not None:
            met = {_state_of(orders.get(client_order_id)) if client_order_id in orders else "ended"}
        else:
            met = {_state_of(order) for order in orders.values()} or {NO_ORDER}
        for state in met:
            self.visits[f"{fault}|{state}"] += 1

    def _note(self, record: Mapping[str, Any]) -> None:
        if record["what"] == "fault":
            self.struck(record["kind"], record.get("client_order_id"))
        elif record["what"] == "request" and record["fault"] is not None:
            self.struck(f"{record['verb']} {record['fault']}", record.get("client_order_id"))
        elif record["what"] == "disaster":
            self.paused.clear()  # a pause may be lost with the end of the log; one that is not stands in the log
        elif record["what"] == "command":
            if record["name"] in {"resume", "flatten"}:  # to sell all that there is ends a pause, too
                self.paused.discard(record["bot"])
            elif record["name"] == "pause" and record["acknowledged"]:
                self.paused.add(record["bot"])


def _state_of(order: Order | None) -> str:
    if order is None:
        return NO_ORDER
    if order.status in {"canceled", "expired"}:
        return "closing"
    if order.status == "open" and order.cancel_reason is not None:
        return "canceling"
    if order.status == "open" and order.filled:
        return "part filled"
    return "ended" if order.is_terminal else order.status
