"""Who looks on in a simulated world: notes which fault met which orders, and what the log has said for certain.

Owns the knowledge that no crash takes back: which orders are durably sent, which bots were paused and answered so.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from engine.core.events import OrderAccepted, OrderReconciled, OrderSent
from engine.core.identity import parse_client_order_id
from engine.core.state import BotState, Order
from engine.runtime.journal import Published
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.exchange.monitor import Limits, Monitor
from engine.testing.simulation.life import Life
from engine.testing.simulation.secrecy import canaries_in
from engine.testing.simulation.vouched import is_vouched_for, position_of_sent

States = Callable[[], list[BotState]]
NO_ORDER: Final = "no order"
ORDER_STATES: Final = (NO_ORDER, "requested", "sent", "unknown", "open", "part filled", "canceling", "closing", "ended")
"""The states of an order that the table of visits tells apart, as the log has it when a fault strikes."""


class Watch:
    """What was seen of a world. `visits` counts "fault|state of an order"; `folder` is where the log of now stands."""

    def __init__(self, exchange: SimulatedExchange, limits: Mapping[str, Limits]) -> None:
        """Look on at an exchange; `limits` are those of the bots, by their ids."""
        self.faults: Final[Counter[str]] = Counter()
        self.visits: Final[Counter[str]] = Counter()
        self.sent: Final[set[str]] = set()
        self.paused: Final[set[str]] = set()
        self.killed: Final[set[str]] = set()
        self._asked: Final[Counter[tuple[str, str]]] = Counter()
        self._crossed: Final[set[tuple[str, str]]] = set()
        self.states: States = list
        self._last_states: list[BotState] = []
        self.is_stopped = False
        """Whether a recovery waits for its confirmation: until then nothing may leave."""

        self.folder: Path | None = None
        self._life = 0
        self._exchange: Final = exchange
        self._bots: Final[dict[str, str]] = {}
        self.monitor: Final = Monitor(
            exchange,
            limits_of=lambda log_id: limits.get(self._known_bots().get(log_id, "")),
            is_durable=self.sent.__contains__,
            may_send=lambda log_id: not self.is_stopped and self._known_bots().get(log_id) not in self.paused,
        )
        exchange.noted.append(self._note)
        exchange.left.append(self._left)

    def hear(self, said: object) -> None:
        """Listen to what an engine says to whoever runs it: no secret may be in it."""
        for found in canaries_in(said):
            self.monitor.tell("secret", f"{found} was in a line that was said")

    def listener(self, life: Life) -> Callable[[Published], None]:
        """Give who is told what has become durable, as long as that life lasts."""
        self._life = life.number

        def listen(published: Published) -> None:
            if life.is_dead:
                return
            if isinstance(published.event, OrderAccepted):
                self._exchange.known.add(published.event.exchange_order_id)
            if isinstance(published.event, OrderReconciled) and published.event.new_status == "gone":
                self._given_up(published.event.client_order_id)
            if isinstance(published.event, OrderSent):
                name = published.event.client_order_id
                self.sent.add(name)
                if self.folder is not None and position_of_sent(self.folder, name) is None:
                    self.monitor.tell("durable", f"{name} was said to be sent before the log held that")

        return listen

    def _given_up(self, client_order_id: str) -> None:
        """Judge an order that is held to be gone: only one that the exchange has dropped is missing for so long."""
        order = self._exchange.matching.by_client_id.get(client_order_id)
        if order is not None and (order.purged_ms is None or order.purged_ms > self._exchange.at_ms):
            self.monitor.tell("gone", f"{client_order_id} was given up, and is {order.status} at the exchange")

    def log_ids(self) -> Mapping[str, str]:
        """Give the bots by the ids of their logs, all that any life has had."""
        return dict(self._known_bots())

    def _known_bots(self) -> dict[str, str]:
        """Give the bots by their logs' ids, as far as any life has had them."""
        self._bots.update({state.log_id: state.bot_id for state in self.states()})
        return self._bots

    def _left(self, client_order_id: str) -> None:
        """Judge what an order needs before it leaves: a witness of its intent, and a look at the account."""
        if self.folder is not None and not is_vouched_for(self.folder, client_order_id):
            self.monitor.tell("witness", f"{client_order_id} left before the witness vouched for its intent")
        orders = {name: (order, state) for state in self.states() for name, order in state.orders.items()}
        order, state = orders.get(client_order_id, (None, None))
        if order is not None and order.sent_ms != self._exchange.signed[client_order_id]:
            self.monitor.tell("signature", f"{client_order_id} is signed with another time than the log has")
        if order is not None and state is not None and order.side == "buy" and state.bot_id in self.killed:
            self.monitor.tell("kill", f"{client_order_id} left although its bot was stopped from buying")
        symbol = "" if state is None else state.config.symbol
        if (self._life, symbol) not in self._exchange.looked:
            self.monitor.tell("look", f"{client_order_id} left before its account was looked at")

    def struck(self, fault: str, client_order_id: str | None = None) -> None:
        """Count a fault, and the states of the orders that it met."""
        self.faults[fault] += 1
        self.met(fault, client_order_id)

    def met(self, fault: str, client_order_id: str | None = None) -> None:
        """Count the states of the orders that something met: of one of ours, or of all that are on their way.

        While no engine is open, the states are those that the last one had made durable.
        """
        self._last_states = self.states() or self._last_states
        orders = {name: order for state in self._last_states for name, order in state.orders.items()}
        if client_order_id is not None:
            if parse_client_order_id(client_order_id) is None:
                return
            met = {_state_of(orders.get(client_order_id)) if client_order_id in orders else "ended"}
        else:
            met = {_state_of(order) for order in orders.values()} or {NO_ORDER}
        for state in met:
            self.visits[f"{fault}|{state}"] += 1

    def _note(self, record: Mapping[str, Any]) -> None:
        if record["what"] == "fault":
            self.struck(record["kind"], record.get("client_order_id"))
        elif record["what"] == "request" and record["fault"] is not None and not self._exchange.is_cut:
            self.struck(f"{record['verb']} {record['fault']}", record.get("client_order_id"))
        elif record["what"] == "disaster":
            self.paused.clear()  # a pause may be lost with the end of the log; one that is not stands in the log
            self.killed.clear()
        elif record["what"] == "clock":
            self.struck(f"clock {record['kind']}")
        elif record["what"] == "command":
            if not _is_answer(record):
                self.struck(f"operator {record['name']}")
            self._command(self.paused, record, {"pause"}, {"resume", "flatten"})  # which sells: no pause stands
            self._command(self.killed, record, {"kill", "flatten"}, {"revive"})
        elif record["what"] == "life":
            self._asked.clear()
            self._crossed.clear()

    def _command(self, stopped: set[str], record: Mapping[str, Any], stops: set[str], ends: set[str]) -> None:
        """Note whom a command has stopped for certain.

        What ends that may have come about once it was asked for, also before a stop is answered that was asked earlier.
        """
        bot, name, step = record["bot"], record["name"], -1 if _is_answer(record) else 1
        if name in ends:
            stopped.discard(bot)
            self._asked[bot, name] += step
            self._crossed.update((bot, each) for each in stops if self._asked[bot, each])
        elif name in stops:
            self._asked[bot, name] += step
            is_certain = (bot, name) not in self._crossed and not any(self._asked[bot, each] for each in ends)
            if record["acknowledged"] and is_certain:
                stopped.add(bot)
            if not self._asked[bot, name]:
                self._crossed.discard((bot, name))


def _is_answer(record: Mapping[str, Any]) -> bool:
    return bool(record["acknowledged"] or record.get("refused"))


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
