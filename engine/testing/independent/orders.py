"""Orders as a bot's stream tells them: what was wanted, what was sent, what traded, and where each stands.

Owns this second, independent reading of the order events. Never asks the exchange's side.
Source: docs/events.md, docs/live-trading.md "The life of an order", docs/storage.md "Checking it without the engine".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from engine.testing.independent.rows import Row, number

ZERO: Final = Decimal(0)
DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
PREFIX: Final = "k"
NUMBER_LENGTH: Final = 7
SENDING: Final = frozenset({"order_requested", "order_sent", "order_cancel_requested"})
SUPERSEDED: Final = "superseded"
"""What has come back beside its successor is to be cancelled: in a recovery, too, though not before its end."""

FRESH_MS: Final = 10_000
"""So old may the decision be when an order leaves that rests on the price of a moment."""


@dataclass(frozen=True, slots=True)
class Fill:
    """One booked trade. Two that differ only in when they were told, and in what a fee was then worth, are one."""

    trade_id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    fee_quote: Decimal = field(compare=False)
    at_ms: int = field(compare=False)


class Order:
    """One order of a bot, from its intent on."""

    def __init__(self, row: Row) -> None:
        """Start with the intent."""
        says = row.says
        self.wanted: Final = says
        self.sequence: Final = row.sequence
        self.wanted_ms: Final = row.at_ms
        self.name: Final[str] = says["client_order_id"]
        self.side: Final[str] = says["side"]
        self.kind: Final[str] = says["kind"]
        self.quantity: Final = number(says["quantity"])
        self.lot: Final[int] = says["number"] if self.side == "buy" else says["lot"]
        self.dust_quantity: Final = number(says.get("dust_quantity", "0"))
        self.limit: Final = None if says.get("limit_price") is None else number(says["limit_price"])
        self.sent: Final[list[Row]] = []
        self.exchange_ids: Final[set[str]] = set()
        self.fills: Final[list[Fill]] = []
        self.recorded = 0
        self.is_adopted: Final = row.tag == "order_adopted"
        """Whether it was taken over from the exchange: its intent was lost with the end of the log."""
        self.may_have_left = self.is_adopted
        """Whether it can stand at the exchange without `order_sent`, which was lost with the end of the log."""
        self.status = "open" if self.is_adopted else "requested"
        if self.is_adopted:
            self.exchange_ids.add(says["exchange_order_id"])
        self.closed_at = ZERO
        self.proof: str | None = None
        """Why it was held to be not placed, if it ever was."""

    @property
    def filled(self) -> Decimal:
        """Give how much of it traded."""
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def traded_late(self) -> bool:
        """Tell whether it traded more than was told of its end."""
        return self.status in {"rejected", "gone", "closed"} and self.filled > self.closed_at

    @property
    def rests_on_a_moment(self) -> bool:
        """Tell whether it was decided for the price of a moment: all are but limit sells at their target."""
        return self.kind == "market" or self.side == "buy" or self.wanted["purpose"] != "target"

    @property
    def is_ended(self) -> bool:
        """Tell whether nothing is to come of it any more."""
        if self.status in {"rejected", "withdrawn", "gone"} or self.filled >= self.quantity:
            return True
        return self.status == "closed" and self.filled >= self.closed_at

    def unrecorded(self) -> list[Fill]:
        """Give the fills that no purchase or sale has taken up yet."""
        return self.fills[self.recorded :]

    def take(self, row: Row) -> None:
        """Take in what the stream says next about it."""
        says = row.says
        match row.tag:
            case "order_sent":
                self.sent.append(row)
                self.status = "sent"
            case "order_accepted":
                self.exchange_ids.add(says["exchange_order_id"])
                self.status = "open"
            case "order_rejected":
                self.status, self.proof = "rejected", str(says["proof"])
            case "order_outcome_unknown" if self.status == "sent":
                self.status = "unknown"
            case "order_filled":
                if fill_of(row) not in self.fills:  # a repeat changes nothing
                    self.fills.append(fill_of(row))
                self.status = "open" if self.status in {"sent", "unknown"} else self.status
            case "order_cancel_requested" if self.status == "requested":
                self.status = "withdrawn"
            case "order_canceled" | "order_expired":
                self.status, self.closed_at = "closed", number(says["filled"])
            case "order_reconciled":
                self.status = says["new_status"]
            case _:
                pass


class Orders:
    """All orders of one bot, by client order id; what is wrong about them is kept until it is asked for."""

    def __init__(self, bot: str, log_id: str, *, is_live: bool) -> None:
        """Start with none."""
        self.bot: Final = bot
        self.log_id: Final = log_id
        self.is_live: Final = is_live
        self.by_name: Final[dict[str, Order]] = {}
        self.by_lot: Final[dict[int, Order]] = {}
        self.wrong: Final[list[str]] = []
        self.number = 0
        """The highest number that is used or left out."""
        self.left_out: Final[list[tuple[int, int]]] = []
        self.accepted: Final[set[str]] = set()
        """What an operator has confirmed as unmatched, by the exchange's ids."""
        self.is_recovering = False
        self._beyond = 0

    @property
    def prefix(self) -> str:
        """Give how every client order id of this log begins."""
        return PREFIX + self.log_id

    def take(self, row: Row) -> None:
        """Take in an event whose tag begins with `order_`."""
        name = row.says["client_order_id"]
        order = self.by_name.get(name)
        if row.tag in SENDING and self.is_recovering and not self._is_superseded(row, order):
            self.wrong.append(
                f"intent: {self.bot} {row.sequence}: {row.tag} of {name} before the recovery is confirmed"
            )
        if row.tag == "order_requested":
            self._requested(row, name, order)
        elif row.tag == "order_adopted":
            self._adopted(row, name, order)
        elif order is None:
            self.wrong.append(f"intent: {self.bot} {row.sequence}: {row.tag} of {name}, which was never requested")
        else:
            self.wrong.extend(f"{rule}: {self.bot} {row.sequence}: {text}" for rule, text in self._amiss(row, order))
            order.take(row)

    def _is_superseded(self, row: Row, order: Order | None) -> bool:
        """Tell whether a sell or buy is taken back because another was decided in its stead, or sold its base.

        It came back although it was held to be not placed, or another sell of its lot traded once more.
        """
        if order is None or row.tag != "order_cancel_requested" or row.says["reason"] != SUPERSEDED:
            return False
        sells = [each for each in self.by_name.values() if each.side == "sell" and each.lot == order.lot]
        others = [each for each in sells if each is not order] if order in sells else []
        return order.proof is not None or any(each.traded_late or (each.proof and each.fills) for each in others)

    def _requested(self, row: Row, name: str, order: Order | None) -> None:
        if order is not None:
            self.wrong.append(f"intent: {self.bot} {row.sequence}: {name} is requested a second time")
            return
        self.number += 1
        count, expected = self.number, row.says["number"]
        if expected != count or name != client_order_id(self.log_id, count):
            self.wrong.append(f"intent: {self.bot} {row.sequence}: {name} is not the id of order number {count}")
        self._keep(Order(row))

    def _adopted(self, row: Row, name: str, order: Order | None) -> None:
        count = row.says["number"]
        if order is not None:
            self.wrong.append(f"intent: {self.bot} {row.sequence}: {name} is adopted, and the log held it")
            return
        if not self.is_recovering:
            self.wrong.append(f"intent: {self.bot} {row.sequence}: {name} is adopted while no recovery is under way")
        self._beyond = max(self._beyond, count)
        if not (self.is_left_out(count) or count > self.number) or name != client_order_id(self.log_id, count):
            self.wrong.append(f"intent: {self.bot} {row.sequence}: {name} is not the id of {count}, a number left out")
        self._keep(Order(row))

    def _keep(self, new: Order) -> None:
        self.by_name[new.name] = new
        if new.side == "buy":
            self.by_lot[new.lot] = new

    def recovery(self, row: Row) -> None:
        """Take in the beginning of a recovery, or its confirmation: both leave order numbers out."""
        self.is_recovering = row.tag == "recovery_started"
        self.accepted.update(row.says.get("accepted", ()))
        if self.is_recovering:
            for order in self.by_name.values():
                order.may_have_left |= not order.sent and not order.is_ended
        number_after = int(row.says.get("order_number", 0))
        if self.is_recovering and number_after <= self.number:
            self.wrong.append(f"intent: {self.bot} {row.sequence}: {row.tag} goes on after {number_after}, no further")
        if number_after > self.number:
            self.left_out.append((self.number + 1, number_after))
            self.number = number_after
        if not self.is_recovering and self._beyond > self.number:
            self.wrong.append(
                f"intent: {self.bot} {row.sequence}: numbers go on after {number_after}, not {self._beyond}"
            )

    def is_left_out(self, count: int) -> bool:
        """Tell whether a recovery left a number out, so that the lost end of a log may have used it."""
        return any(first <= count <= last for first, last in self.left_out)

    def is_lost(self, name: str) -> bool:
        """Tell whether an id is of a number that was left out: an order that the log lost."""
        digits = name.removeprefix(self.prefix)
        count = 0
        for digit in digits:
            count = count * len(DIGITS) + DIGITS.index(digit)
        return self.is_left_out(count)

    def _amiss(self, row: Row, order: Order) -> Iterator[tuple[str, str]]:
        """Say what is wrong with an event about a known order."""
        if row.tag == "order_sent" and (order.is_ended or order.may_have_left or (order.sent and self.is_live)):
            yield "intent", f"{order.name} is sent again, or after its end"
        if row.tag == "order_sent" and self.is_live and order.rests_on_a_moment:
            age_ms = int(row.says["sent_ms"]) - order.wanted_ms
            if age_ms > FRESH_MS:
                yield "intent", f"{order.name} is sent {age_ms} ms after it was decided"
        if row.tag in {"order_accepted", "order_filled", "order_outcome_unknown"} and not (
            order.sent or order.may_have_left
        ):
            yield "intent", f"{row.tag} of {order.name}, which was never sent"
        if row.tag == "order_filled":
            fill = fill_of(row)
            if any(each.trade_id == fill.trade_id and each != fill for each in order.fills):
                yield "trade", f"trade {fill.trade_id} of {order.name} is booked a second time, with other amounts"


def client_order_id(log_id: str, count: int) -> str:
    """Give the id of the order of a log with a number."""
    text = ""
    for _ in range(NUMBER_LENGTH):
        count, digit = divmod(count, len(DIGITS))
        text = DIGITS[digit] + text
    return PREFIX + log_id + text


def is_live(config: Mapping[str, Any]) -> bool:
    """Tell whether a configuration trades at an exchange, so that the exchange's history must know its orders."""
    return bool(config.get("live")) and not config.get("paper_trading", True)


def fill_of(row: Row) -> Fill:
    """Read a booked trade; a repeat of it is equal whenever it comes."""
    says = row.says
    price, quantity, fee = (number(says[key]) for key in ("price", "quantity", "fee"))
    return Fill(str(says["trade_id"]), price, quantity, fee, says["fee_asset"], number(says["fee_quote"]), row.at_ms)
