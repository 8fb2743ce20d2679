"""What a bot knows: a frozen value that only `engine.core.reducers` makes anew.

Everything `decide` needs is here or in the observation. Derived thresholds (`Watch`) are kept by the reducers so that
an uneventful price costs the same with one open lot or with many.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from engine.core.config import BotConfig
from engine.core.events import Balance
from engine.core.events.orders import Kind, Side
from engine.core.events.trailing import Direction
from engine.core.guard import Guard
from engine.core.units import ZERO

OrderStatus = Literal["requested", "sent", "unknown", "open", "filled", "canceled", "expired", "rejected"]
LotStatus = Literal["buying", "open", "closed", "dust"]
TrailStatus = Literal["inactive", "waiting", "active", "triggered"]

ENTRY: int = 0
"""The key of the entry's trail; every other trail bears the number of its lot."""


class Recorded(msgspec.Struct, frozen=True):
    """What of a sell order has been recorded as sold: price × quantity, what it brought, what it had cost, its dust."""

    filled: Decimal = ZERO
    cash: Decimal = ZERO
    proceeds: Decimal = ZERO
    cost: Decimal = ZERO
    dust: Decimal = ZERO


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One order, from intent to end. `cash` is Σ price × quantity; `fee_*` are in quote value.

    `cost_sold` is what the sold base had once cost, `dust_sold` how much of it was dust, and `unowned` how much neither
    the lot nor the dust held, until a late trade of the purchase explains it; `final` is what the exchange
    says was filled when it closed the order: until the fills add up to it, the order is not terminal. `recorded` is the
    part of a sell whose sale has been recorded. While its outcome is unknown it is asked about, for the next time not
    before `ask_after_ms`. `ended_ms` is when it ended; if a trade came later, when that was booked.
    """

    client_order_id: str
    number: int
    side: Side
    kind: Kind
    quantity: Decimal
    purpose: str
    seen_price: Decimal
    requested_ms: int
    limit_price: Decimal | None = None
    lot: int | None = None
    reserved: Decimal = ZERO
    dust_quantity: Decimal = ZERO
    timeout_ms: int | None = None
    status: OrderStatus = "requested"
    exchange_order_id: str | None = None
    sent_ms: int | None = None
    valid_ms: int = 0
    accepted_ms: int | None = None
    cancel_reason: str | None = None
    final: Decimal | None = None
    filled: Decimal = ZERO
    cash: Decimal = ZERO
    fee_quote: Decimal = ZERO
    fee_base: Decimal = ZERO
    cost_sold: Decimal = ZERO
    dust_sold: Decimal = ZERO
    unowned: Decimal = ZERO
    trade_ids: tuple[str, ...] = ()
    recorded: Recorded = Recorded()
    asks: int = 0
    ask_after_ms: int = 0
    ended_ms: int = 0

    @property
    def is_terminal(self) -> bool:
        """Tell whether nothing more can happen to it."""
        if self.status in {"rejected", "filled"}:
            return True
        return self.status in {"canceled", "expired"} and self.filled >= (self.final or ZERO)


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """One purchase. `quantity` and `cost` are what is left of `held` and of the cash paid; `realised` is banked profit.

    A `stopped` lot has reached its stop loss and is sold at market, whatever comes.
    `bought` is the filled quantity before fees in base, `fee` all its fees in quote value. `sold` is the quantity of
    all its sales, joined dust included, and `sold_cash` Σ price × quantity of them.
    """

    number: int
    buy_order_id: str
    opened_ms: int
    status: LotStatus = "buying"
    price: Decimal = ZERO
    bought: Decimal = ZERO
    held: Decimal = ZERO
    spent: Decimal = ZERO
    paid: Decimal = ZERO
    fee: Decimal = ZERO
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    target: Decimal | None = None
    net_percent: Decimal = ZERO
    profit_target: Decimal = ZERO
    sell_order: str | None = None
    sold: Decimal = ZERO
    sold_cash: Decimal = ZERO
    proceeds: Decimal = ZERO
    realised: Decimal = ZERO
    realised_percent: Decimal = ZERO
    closed_ms: int | None = None
    rejections: int = 0
    hold_ms: int = 0
    stopped: bool = False

    @property
    def sold_price(self) -> Decimal:
        """Give the mean price of what was sold, or zero."""
        return self.sold_cash / self.sold if self.sold else ZERO

    @property
    def unit_cost(self) -> Decimal:
        """Give cash paid ÷ base held, fees of both kinds included (decisions.md, "Money").

        Where fees took all of the base, ÷ base bought: there is nothing to sell.
        """
        assert self.held >= 0, self
        return self.paid / (self.held or self.bought)


class Trail(msgspec.Struct, frozen=True):
    """One bot-managed trail; parameters are frozen at its start."""

    lot: int
    direction: Direction
    status: TrailStatus
    activation: Decimal
    percent: Decimal
    floor: Decimal | None
    watermark: Decimal | None
    updated_ms: int
    amount: Decimal | None = None
    reason: str = ""


class Statistics(msgspec.Struct, frozen=True):
    """Counts and sums over the bot's whole life (decision 9).

    `last_purchase_lot` has the highest number of all that were recorded as bought; the last purchase is that one.
    """

    total_trades: int = 0
    winning_trades: int = 0
    losing_trades: int = 0
    total_profit: Decimal = ZERO
    total_fees: Decimal = ZERO
    purchase_count: int = 0
    total_purchased: Decimal = ZERO
    total_spent: Decimal = ZERO
    last_purchase_lot: int = 0
    last_purchase_ms: int | None = None
    last_purchase_price: Decimal | None = None


class Connectivity(msgspec.Struct, frozen=True):
    """What the checks said; `next_check_ms` is when the next one is owed."""

    next_check_ms: int
    last_success_ms: int | None = None
    failure_count: int = 0
    first_failure_ms: int | None = None
    outage: bool = False
    backoff_until_ms: int | None = None
    clock_skew_ms: int = 0


class Blind(msgspec.Struct, frozen=True):
    """The last time the bot let prices pass, and why: after price `seen` at `since_ms`, to that of `until_ms` or still.

    `seen` moves on when the prices let pass have been recorded.
    """

    since_ms: int
    seen: int
    reason: str
    until_ms: int | None = None


class Recovery(msgspec.Struct, frozen=True):
    """A recovery that no operator has confirmed yet, and why.

    What happened between `kept_ms` and `written_ms` is not in the log.
    """

    reason: str
    kept_ms: int
    written_ms: int


class Dust(msgspec.Struct, frozen=True):
    """Remainders too small to sell; they keep their cost."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO


class Watch(msgspec.Struct, frozen=True, gc=False):
    """The thresholds that matter, over all trails and lots; `None` where nothing waits.

    Triggers are hundredfold (watermark × (100 ∓ percent)), so that nothing is divided. `fire_up` pairs the floors of
    active up-trails with them, as far as they matter. `stop` is a hundredfold, too: the highest stop price, at most a
    hair above. `held` is all base, dust included.
    """

    activate_up: Decimal | None = None
    watermark_up: Decimal | None = None
    watermark_down: Decimal | None = None
    fire_up: tuple[tuple[Decimal, Decimal], ...] = ()
    trigger_down: Decimal | None = None
    market_target: Decimal | None = None
    exitless: bool = False
    orphaned: bool = False
    stop: Decimal | None = None
    held: Decimal = ZERO


class BotState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one bot, folded from its stream.

    `done_orders` are the last that ended, in this order; of all that were forgotten the last ended at `forgotten_ms`.
    `skip` names the last recorded reason not to enter, so that each is recorded once, `told_limits` those
    that hold until an order or a sale; `entry_hold_ms` is when an
    entry may be tried again after a rejection; `feed` is the one it listened to last, and
    does still while `attached`. `cash_flow` is all cash received less all cash paid. `awaited_ms` is when candles were
    last found too old to consider an entry by. `account` is the fingerprint of the account that the log belongs to;
    `balances_ms` is when it last told its balances, 0 once an order changed since, and `short` how often in a row it
    held too little of the base. `has_looked` says that a live bot has seen its account since it started or lost the
    connection. `halted` says why an operator must decide before anything more is sent. While there is a `recovery`
    nothing is sent. `skipped` holds the order numbers, from and to, that a recovery left out, since the lost end of the
    log may have used them; `adopted` those of them that were found at the exchange, and `accepted` the
    exchange's ids of orders under this log's ids that an operator has seen: they are left alone.
    """

    bot_id: str
    log_id: str
    config: BotConfig
    order_number: int = 0
    orders: dict[str, Order] = {}
    done_orders: dict[str, Order] = {}
    forgotten_ms: int = 0
    lots: dict[int, Lot] = {}
    closed_lots: tuple[Lot, ...] = ()
    trails: dict[int, Trail] = {}
    last_trail: Trail | None = None
    stats: Statistics = Statistics()
    connectivity: Connectivity
    balances: dict[str, Balance] = {}
    dust: Dust = Dust()
    cash_flow: Decimal = ZERO
    feed: str | None = None
    attached: bool = False
    paused: bool = False
    stopping: bool = False
    blind: Blind | None = None
    skip: str | None = None
    told_limits: tuple[str, ...] = ()
    entry_hold_ms: int = 0
    rejections: int = 0
    rate_limited_until_ms: int = 0
    awaited_ms: int | None = None
    account: str | None = None
    balances_ms: int = 0
    short: int = 0
    has_looked: bool = False
    foreign: tuple[str, ...] = ()
    halted: str | None = None
    recovery: Recovery | None = None
    skipped: tuple[tuple[int, int], ...] = ()
    adopted: tuple[int, ...] = ()
    accepted: tuple[str, ...] = ()
    guard: Guard = Guard()
    watch: Watch = Watch()

    @property
    def may_send(self) -> bool:
        """Tell whether orders may leave at all: no pause, nothing for an operator to decide, no recovery under way."""
        return not self.paused and self.halted is None and self.recovery is None

    def may_leave(self, order: Order) -> bool:
        """Tell whether an order may leave; after a stop no buy, while a sell still goes out to rest for its lot."""
        return self.may_send and not (self.stopping and order.side == "buy")

    @property
    def position(self) -> Decimal:
        """Give the base held in open lots (dust is apart)."""
        return sum((lot.quantity for lot in self.lots.values()), ZERO)

    @property
    def certain(self) -> Decimal:
        """Give the base that the account holds at least: lots and dust, less what sells that are out may have sold."""
        held = self.position + self.dust.quantity
        sells = (order for order in self.orders.values() if order.side == "sell" and order.status != "requested")
        return max(held - sum((order.quantity - order.filled for order in sells), ZERO), ZERO)

    @property
    def reserved(self) -> Decimal:
        """Give the quote held back for buys that may still take it."""
        return sum((order.reserved for order in self.orders.values() if order.side == "buy"), ZERO)

    @property
    def exposure(self) -> Decimal:
        """Give the cash tied up in lots and dust or reserved for buys, in quote.

        What is left of a cost when all its base is gone ties nothing up: the next sale has it.
        """
        dust_cost = self.dust.cost if self.dust.quantity else ZERO
        return sum((lot.cost for lot in self.lots.values()), dust_cost) + self.reserved

    def equity_at(self, price: Decimal) -> Decimal:
        """Give what the bot would be worth: the budget, all that came and went, and all base at a price."""
        return self.config.budget + self.cash_flow + self.watch.held * price

    @property
    def peak(self) -> Decimal:
        """Give the highest equity that was marked; before the first mark it is the budget."""
        return self.config.budget if self.guard.peak is None else self.guard.peak

    def is_leaving(self, lot: Lot) -> bool:
        """Tell whether a lot is to be sold at market at once: it was stopped out, or everything is."""
        return lot.stopped or (self.guard.kill is not None and self.guard.kill.action == "flatten")

    def is_lost(self, number: int) -> bool:
        """Tell whether an order of this number belongs to an end of the log that was lost, and was not found again."""
        return any(first <= number <= last for first, last in self.skipped) and number not in self.adopted

    def order(self, client_order_id: str) -> Order | None:
        """Find an order, open or done."""
        return self.orders.get(client_order_id) or self.done_orders.get(client_order_id)

    @property
    def open_buy(self) -> Order | None:
        """Give the buy that is not terminal, if there is one."""
        return next((order for order in self.orders.values() if order.side == "buy"), None)
