"""The continuous check at the exchange: every order is judged in the moment in which it leaves and is taken.

Owns the rules that hold at every moment, which a look at the end would miss. It counts for itself what each log bought
and sold there and shares no arithmetic with the engine. A fill that the exchange itself kept back when it told how an
order had ended is not held against anybody: the end of the world shows whether it was booked. Source: docs/evidence.md.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec

from engine.core.exact import exactly
from engine.core.identity import parse_client_order_id
from engine.core.units import HUNDRED, ZERO
from engine.testing.simulation.exchange.exchange import COARSER, SimulatedExchange
from engine.testing.simulation.exchange.markets import Market
from engine.testing.simulation.exchange.orders import Placed, Side, Trade

_HEAD: Final = 24
"""So many characters of a violation name the order."""


class Limits(msgspec.Struct, frozen=True):
    """What a log may do: its budget in quote, how many lots it may hold, and base it was given besides what it bought.

    `slack_percent` of the budget is allowed on top: the price may move between decision and trade.
    """

    budget: Decimal
    most_lots: int
    given_base: Decimal = ZERO
    slack_percent: Decimal = Decimal(3)


class _Books(msgspec.Struct, eq=False):
    """What one log did at the exchange: money that left less money that came, base by order, and what is open.

    `left` is what sells that ended had not sold, where they had sold something: also what another sold since, for when
    that was sized nobody here knows.
    """

    paid: Decimal = ZERO
    bought: dict[str, Decimal] = {}
    untold: Decimal = ZERO
    sold: Decimal = ZERO
    left: dict[str, Decimal] = {}
    buying: dict[str, Placed] = {}
    selling: dict[str, Placed] = {}
    worth: dict[str, Decimal] = {}

    @property
    def held(self) -> Decimal:
        """Give the base that is left of what was bought."""
        return sum(self.bought.values(), ZERO) - self.sold

    def count(self, name: str, side: Side, trade: Trade, market: Market) -> None:
        """Count a trade of an order."""
        cost, fee = trade.price * trade.quantity, trade.fee if trade.fee_asset == market.quote else ZERO
        if side == "buy":
            fee_base = trade.fee if trade.fee_asset == market.base else ZERO
            self.paid += cost + fee
            self.bought[name] = self.bought.get(name, ZERO) + trade.quantity - fee_base
        else:
            self.paid -= cost - fee
            self.sold += trade.quantity

    def open_worth(self) -> Decimal:
        """Give what the open buys may still cost."""
        return sum((self.worth[name] * order.remaining for name, order in self.buying.items()), ZERO)

    def least_lots(self, worthless: Decimal, lost: Decimal) -> int:
        """Give the number of lots that must be open at least: the fewest purchases that make up what is held.

        What was bought or left in parts under `worthless` cannot be sold and is no lot; nor are `lost` steps.
        """
        dust = sum((each for part in (self.bought, self.left) for each in part.values() if each < worthless), ZERO)
        left, lots = self.held - dust - lost * len(self.bought), 0
        for quantity in sorted(self.bought.values(), reverse=True):
            if left <= 0:
                break
            left -= quantity
            lots += 1
        return lots + sum(1 for name in self.buying if name not in self.bought)


class Monitor:
    """Watches an exchange. `violations` are lines that begin with the name of the rule that was broken.

    `limits_of` gives the limits of a log by its id (None: there is no such log), `is_durable` tells whether the log
    holds a client order id for good, `may_send` whether nothing forbade a log to send when the order left.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        *,
        limits_of: Callable[[str], Limits | None],
        is_durable: Callable[[str], bool],
        may_send: Callable[[str], bool],
    ) -> None:
        """Take the exchange, and who knows of the logs."""
        self.violations: Final[list[str]] = []
        self._exchange: Final = exchange
        self._limits_of: Final = limits_of
        self._is_durable: Final = is_durable
        self._may_send: Final = may_send
        self._told: Final[set[tuple[str, str]]] = set()
        self._taken: Final[dict[str, str]] = {}
        self._counted: Final[dict[str, int]] = {}
        self._books: Final[dict[tuple[str, str], _Books]] = {}
        exchange.left.append(self._left)
        exchange.accepted.append(self._accepted)
        exchange.moved.append(self._moved)

    def _left(self, client_order_id: str) -> None:
        """Judge an order that leaves the engine."""
        parsed = parse_client_order_id(client_order_id)
        if parsed is None:
            self.tell("shape", f"{client_order_id} left, which is no id of a log")
            return
        if not self._is_durable(client_order_id):
            self.tell("durable", f"{client_order_id} left before the log held it for good")
        if not self._may_send(parsed[0]):
            self.tell("pause", f"{client_order_id} left although its bot was stopped from sending")

    @exactly
    def _accepted(self, order: Placed) -> None:
        """Judge an order that the exchange has just taken."""
        name = order.wish.client_order_id
        parsed = parse_client_order_id(name)
        if parsed is None or order.wish.life == 0:
            return  # somebody else's
        first = self._taken.setdefault(name, order.exchange_order_id)
        if first != order.exchange_order_id:
            self.tell("twice", f"{name} was taken as {first} and as {order.exchange_order_id}")
        limits = self._limits_of(parsed[0])
        if limits is None:
            self.tell("stranger", f"{name} belongs to no log")
            return
        if not self._is_durable(name):
            self.tell("durable", f"{name} was taken, and the log does not hold it")
        books = self._books.setdefault((parsed[0], order.wish.symbol), _Books())
        if order.wish.side == "buy":
            market = self._exchange.markets[order.wish.symbol]
            price = order.wish.price or market.tick(order.at_ms, 0).last
            books.buying[name], books.worth[name] = order, price
        else:
            books.selling[name] = order
        self._weigh(name, books, limits)

    @exactly
    def _moved(self, order: Placed) -> None:
        """Book what changed about an order, and judge again."""
        name, wish = order.wish.client_order_id, order.wish
        parsed = parse_client_order_id(name)
        limits = None if parsed is None else self._limits_of(parsed[0])
        if parsed is None or limits is None:
            return
        books = self._books[parsed[0], wish.symbol]
        market = self._exchange.markets[wish.symbol]
        counted = self._counted.get(order.exchange_order_id, 0)
        self._counted[order.exchange_order_id] = len(order.trades)
        for trade in order.trades[counted:]:
            if trade.is_untold:  # nobody can know: it may be sold once more, and what it bought is nobody's stake
                books.untold += trade.quantity
            if not (trade.is_untold and wish.side == "buy"):
                books.count(name, wish.side, trade, market)
        if not order.is_open:
            books.buying.pop(name, None)
            if books.selling.pop(name, None) is not None and order.trades:
                books.left[name] = order.remaining
        self._weigh(name, books, limits)

    def _weigh(self, name: str, books: _Books, limits: Limits) -> None:
        """Hold what a log has at stake, at worst, against its limits."""
        at_stake = books.paid + books.open_worth()
        if at_stake > limits.budget * (HUNDRED + limits.slack_percent) / HUNDRED:
            self.tell("budget", f"with {name} {at_stake:f} are at stake of a budget of {limits.budget:f}")
        selling = sum((order.remaining for order in books.selling.values()), ZERO)
        if selling > books.held + books.untold + limits.given_base:
            self.tell("oversell", f"with {name} {selling:f} are for sale and {books.held:f} are held")
        market = self._exchange.markets[self._exchange.matching.by_client_id[name].wish.symbol]
        worthless = market.rules.min_notional * COARSER / market.tick(self._exchange.at_ms, 0).last
        lots = books.least_lots(worthless, market.rules.quantity_step * COARSER)
        if lots > limits.most_lots:
            self.tell("lots", f"with {name} at least {lots} lots are open, and {limits.most_lots} may be")

    def tell(self, rule: str, text: str) -> None:
        """Note a violation; one rule is broken by one order once."""
        if (rule, text[:_HEAD]) in self._told:
            return
        self._told.add((rule, text[:_HEAD]))
        line = f"{rule}: {text} (at {self._exchange.at_ms})"
        self.violations.append(line)
        self._exchange.record({"what": "violation", "at_ms": self._exchange.at_ms, "rule": rule, "text": text})
