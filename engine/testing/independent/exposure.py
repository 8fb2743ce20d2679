"""The rule of exposure: what a bot has at stake at the exchange, after every single change there.

Owns the reckoning, from the exchange's history; the log tells only which lot a sell is of, at what price a market buy
was decided, and what remainder was given up as dust. Source: docs/decisions.md, "Money".
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from engine.testing.independent.bots import BotBook
from engine.testing.independent.history import History, Record
from engine.testing.independent.orders import ZERO, Order
from engine.testing.independent.rows import number


class Stake:
    """What one lot has at the exchange: what its buy may still spend, and what was bought and not sold."""

    def __init__(self, order: Order | None, base: str, quote: str, remainder: Decimal) -> None:
        """Start with nothing."""
        self._order: Final = order
        self._base: Final = base
        self._quote: Final = quote
        self._remainder: Final = remainder
        self.unfilled = self.price = self.held = self.cost = ZERO
        self.bought_quantity = self.sold = ZERO

    @property
    def money(self) -> Decimal:
        """Give the quote at stake; a remainder that is dust in the end is none."""
        left = self.held - self.sold
        held = self.cost * left / self.held if self.held and left > self._remainder else ZERO
        return self.unfilled * self.price + held

    @property
    def is_open(self) -> bool:
        """Tell whether it counts as a lot."""
        return self.unfilled > 0 or self.held - self.sold > self._remainder

    def placed(self, record: Record) -> None:
        """Take an order to buy."""
        self.unfilled = number(record["quantity"]) - self.bought_quantity
        self.price = number(record["price"]) if record["price"] is not None else self._decided_at()

    def bought(self, record: Record) -> None:
        """Take a trade of the buy; how much worse a market order trades than it was decided at is no stake."""
        quantity, price = number(record["quantity"]), number(record["price"])
        is_market = self._order is not None and self._order.kind == "market"
        self.unfilled = max(self.unfilled - quantity, ZERO)
        self.bought_quantity += quantity
        self.held += quantity - self._base_fee(record)
        self.cost += quantity * (min(price, self._decided_at()) if is_market else price)
        self.cost += number(record["fee"]) if record["fee_asset"] == self._quote and not is_market else ZERO

    def sells(self, record: Record) -> None:
        """Take a trade of a sell; what the exchange took for it in base is not held any more either."""
        self.sold += number(record["quantity"]) + self._base_fee(record)

    def _base_fee(self, record: Record) -> Decimal:
        return number(record["fee"]) if record["fee_asset"] == self._base else ZERO

    def ended(self) -> None:
        """Take the end of the buy."""
        self.unfilled = ZERO

    def _decided_at(self) -> Decimal:
        return number(self._order.wanted["seen_price"]) if self._order else ZERO


def exposure_violations(book: BotBook, history: History, terms: Mapping[str, Any]) -> Iterator[str]:
    """Say when a bot first had more at stake than its budget, or more lots than it may; one line each.

    Which lot a sell was of that a recovery took over is a guess: the log that knew it is lost. From then on only a buy
    that the bot decides is held against it, not a lot that it takes over, for another may have seemed to be left.
    """
    limits = terms.get("bots", {}).get(book.bot, {})
    budget, most = number(limits.get("budget", book.budget)), int(limits.get("max_open_lots", book.max_open_lots))
    told: set[str] = set()
    for at_ms, stakes, is_excused in _moments(book, history):
        money, lots = sum((stake.money for stake in stakes), ZERO), sum(1 for stake in stakes if stake.is_open)
        if money > budget and "budget" not in told:
            told.add("budget")
            yield f"exposure: {book.bot}: {money:.8f} at stake at {at_ms}, the budget is {budget}"
        if lots > most and not is_excused and "lots" not in told:
            told.add("lots")
            yield f"exposure: {book.bot}: {lots} lots at {at_ms}, {most} are allowed"


def _moments(book: BotBook, history: History) -> Iterator[tuple[int, list[Stake], bool]]:
    """Give what is at stake after every order, trade and end of a bot, and whether its sells' lots are a guess."""
    stakes: dict[int, Stake] = {}
    live: dict[int, Stake] = {}
    unknown: dict[str, int] = {}
    is_guessed = False
    quote = book.symbol.partition("/")[2]
    for record in history.records:
        name = record.get("client_order_id")
        if record.get("what") not in {"order", "trade", "end"} or not str(name).startswith(book.orders.prefix):
            continue
        if record.get("untold") and record["side"] == "buy":  # the order was ended as if it were not: nobody could know
            continue
        order = book.orders.by_name.get(str(name))
        is_guessed = is_guessed or (order is not None and order.is_adopted and order.side == "sell")
        key = order.lot if order else unknown.setdefault(str(name), -len(unknown) - 1)
        stake = stakes.get(key)
        if stake is None:
            first = order if order and order.side == "buy" else None
            stake = stakes[key] = Stake(first, book.ledger.base, quote, _remainder(book, key))
        _take(stake, record, order)
        live[key] = stake
        if not stake.is_open:
            del live[key]
        is_decided = record["what"] == "order" and order is not None and order.side == "buy" and not order.is_adopted
        yield record["at_ms"], list(live.values()), is_guessed and not is_decided


def _take(stake: Stake, record: Record, order: Order | None) -> None:
    side = order.side if order else record.get("side")
    if side == "sell":
        if record["what"] == "trade":
            stake.sells(record)
    elif record["what"] == "order":
        stake.placed(record)
    elif record["what"] == "trade":
        stake.bought(record)
    else:
        stake.ended()


def _remainder(book: BotBook, key: int) -> Decimal:
    """Give what is never sold of a lot that is closed: its remainder became dust, and those of lots before it.

    A late trade of a purchase makes another lot of the same number, once the first is closed.
    """
    lot = book.ledger.lots.get(key)
    former = sum((each.remainder for each in book.ledger.closed if each.order.lot == key), ZERO)
    return former if lot is None or lot.status == "pending" else former + lot.remainder
