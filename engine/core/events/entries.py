"""Events of trading proper: entries not taken, purchases, targets and sales."""

from decimal import Decimal
from typing import ClassVar

from engine.core.events.base import Event


class IndicatorsSkipped(Event, frozen=True, tag="indicators_skipped"):
    """Indicators were not looked at, because the price moved less than `min_price_change_percent`.

    `change_percent` is the absolute move from `from_price`, the last purchase. Once per changed cause.
    """

    urgent: ClassVar[bool] = False
    rule: str
    price: Decimal
    from_price: Decimal
    change_percent: Decimal
    threshold_percent: Decimal


class IndicatorsAwaited(Event, frozen=True, tag="indicators_awaited"):
    """An entry is up for consideration, and the candles are too old for it: they are owed to this bot.

    The entry is considered at the first price after they came. Source: docs/adr/0015-candles-are-awaited.md.
    """

    urgent: ClassVar[bool] = False
    timeframe: str


class EntrySkipped(Event, frozen=True, tag="entry_skipped"):
    """No purchase was made; `rule` says why and `numbers` holds what it compared. Once per changed cause."""

    urgent: ClassVar[bool] = False
    rule: str
    text: str
    numbers: dict[str, str] = {}


class PurchaseRecorded(Event, frozen=True, tag="purchase_recorded"):
    """A buy is complete and its lot is whole.

    When a trade of it comes later and the lot is still open, it is recorded again, whole, in place of the record
    before; of a lot that is closed by then, what came late is a purchase of its own under the same number.

    `price` is the mean. `quantity` is what was filled, `held` what is left of it after fees in base; `cost` is the cash
    paid, with fees in quote and with fees in a third asset at their value; `unit_cost` is cost ÷ held, or ÷ quantity
    where fees took all of it; `fee` is all fees in quote value. Source: decisions.md, "Money".
    """

    lot: int
    price: Decimal
    quantity: Decimal
    held: Decimal
    cost: Decimal
    unit_cost: Decimal
    fee: Decimal


class SellTargetSet(Event, frozen=True, tag="sell_target_set"):
    """A lot's fee-aware target was computed: unit cost × (1 + profit) ÷ (1 − sell fee), rounded up to the tick.

    `net_percent` is what the rounded target yields after fees.
    """

    lot: int
    target: Decimal
    unit_cost: Decimal
    profit_percent: Decimal
    sell_fee_percent: Decimal
    net_percent: Decimal


class SaleRecorded(Event, frozen=True, tag="sale_recorded"):
    """A sell order ended with something sold.

    `price` is the mean. `proceeds` is cash received after fees, those in a third asset at their value; `cost` is what
    was sold's share, by quantity, of its lot's cost and of the dust's (`dust_quantity` of `quantity` are earlier
    remainders), `profit` the difference. `closed` says that nothing sellable is left of the lot; what
    is left of its base joins the dust. `slippage` is how far below the target a market order sold, in quote.
    `client_order_id` names the sell, so that a report of it that comes again is known.
    """

    lot: int
    price: Decimal
    quantity: Decimal
    proceeds: Decimal
    cost: Decimal
    profit: Decimal
    profit_percent: Decimal
    closed: bool
    dust_quantity: Decimal = Decimal(0)
    slippage: Decimal = Decimal(0)
    client_order_id: str = ""


class DustRecorded(Event, frozen=True, tag="dust_recorded"):
    """A purchase turned out too small to sell: `quantity` joins the dust with its `cost`. No trade is closed by it."""

    lot: int
    quantity: Decimal
    cost: Decimal
