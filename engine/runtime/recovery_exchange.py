"""The second half of a recovery: what the exchange knows of the end that a log lost, taken into the log.

Owns which orders are adopted and which lot a sell belongs to. It invents nothing: what an order was comes from the
exchange, a trade is booked by its own id in the usual way, and what does not fit is listed, not guessed. Sends nothing.
Source: docs/adr/0019-recovery.md; design, "Order protocol".
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from engine.core.errors import UnreachableError, UnreadableTradeError
from engine.core.events import BotEvent, FeedAttached, FeedDetached, OrderAdopted, OrderReconciled, OrderRejected
from engine.core.identity import parse_client_order_id
from engine.core.lots import dust_for, free_dust, reserve
from engine.core.market import MarketRules
from engine.core.narration import counted, order_words
from engine.core.reducers import apply
from engine.core.state import BotState, Order
from engine.core.units import ZERO, floor_to
from engine.exchanges.port import LiveMarketData, OrderReport, OwnTrade, PlacedOrder, Unknown
from engine.runtime.account_desk import AccountDesk
from engine.runtime.bot import Bot
from engine.runtime.feed_stream import FeedStream
from engine.runtime.journal import Journal
from engine.runtime.reconciliation import OVERLAP_MS
from engine.runtime.reports import NOT_PLACED, answer_events, filled


class Exchange(NamedTuple):
    """How a live bot's exchange is asked: its account, and its market."""

    desk: AccountDesk
    data: LiveMarketData


class Taken(msgspec.Struct, frozen=True):
    """What the account holds of the base, what was found and could not be booked, the highest order number seen.

    `left` are the exchange's ids of orders under this log's ids that could not be booked.
    """

    balance: Decimal
    unmatched: tuple[str, ...]
    highest: int
    left: tuple[str, ...] = ()


class Adoption:
    """One live bot and its exchange, until the log holds what happened there."""

    def __init__(
        self, bot: Bot, feed: FeedStream, journal: Journal, exchange: Exchange, now_ms: Callable[[], int]
    ) -> None:
        """Take the bot and its feed, the way to the log, the exchange, and the clock."""
        self._bot: Final = bot
        self._feed: Final = feed
        self._journal: Final = journal
        self._account: Final = exchange.desk.account
        self._exchange: Final = exchange
        self._now_ms: Final = now_ms
        self._symbol: Final = bot.state.config.symbol
        self._unmatched: Final[list[str]] = []
        self._left: Final[list[str]] = []
        self._highest = 0

    async def identify(self) -> None:
        """Make sure that it is the log's own account.

        Raises:
            ConfigError: it is another. CredentialsError: the key is not fit. UnreachableError: no answer.
        """
        await self._exchange.data.time_ms()
        identity = await self._exchange.desk.identify()
        observed = await self._exchange.desk.introduce(self._bot, identity)
        if observed is not None:
            await self._record([observed])

    async def take_over(self) -> Taken:
        """Bring the log up to what the exchange shows. Begun late enough, absence is proof.

        Raises:
            UnreachableError: the exchange did not answer; what was found until then is in the log.
        """
        assert self._bot.state.recovery is not None, "only a recovering bot takes orders over"
        await self._exchange.data.time_ms()  # the wait before may have been long
        await self._learn()
        since_ms = min(
            [self._bot.state.recovery.kept_ms, *(each.requested_ms for each in self._bot.state.orders.values())]
        )
        for client_order_id in list(self._bot.state.orders):
            await self._look_up(client_order_id)
        trades = await self._account.trades(self._symbol, since_ms - OVERLAP_MS)
        await self._book_late(trades)
        for number, placed in sorted((await self._unknown(trades)).items()):
            self._highest = max(self._highest, number)
            await self._adopt(number, placed)
        assets = {self._bot.state.config.base, self._bot.state.config.quote}
        held = (await self._account.balances(assets)).get(self._bot.state.config.base)
        return Taken(ZERO if held is None else held.total, tuple(self._unmatched), self._highest, tuple(self._left))

    async def _learn(self) -> None:
        """Know what the exchange accepts, without which no lot can be given a target."""
        view = self._feed.view
        if view.rules is None:
            learned = self._feed.learn(await self._exchange.data.rules(self._symbol), self._now_ms())
            assert learned is not None, "there were none"
            await self._journal.commit([(self._feed, learned)])
        if self._bot.state.feed is None:
            view = self._feed.view
            attached = FeedAttached(view.feed, view.sequence, view.price_ms)
            await self._record([attached, FeedDetached(view.feed, view.sequence, view.price_ms)])

    async def _look_up(self, client_order_id: str) -> None:
        """Find out what became of an order that the log holds."""
        order = self._bot.state.orders.get(client_order_id)
        if order is None:
            return
        report = await self._query(order)
        if report is not None:
            await self._record(answer_events(order, report))
        elif order.exchange_order_id is None:
            reason = "the exchange does not know it, long after whoever could have sent it was gone"
            await self._record([OrderRejected(client_order_id, NOT_PLACED, reason)])
        else:
            what = _named(client_order_id, order.exchange_order_id)
            self._miss(what, "the log holds it as open, and the exchange does not know it any more")

    async def _query(self, order: Order) -> OrderReport | None:
        match await self._account.query(self._symbol, order):
            case Unknown(error=why) | OrderReport(missing=str(why)):
                raise UnreachableError(f"{order_words(order.client_order_id)} could not be looked up: {why}")
            case report:
                return report

    async def _book_late(self, trades: Sequence[OwnTrade]) -> None:
        """Book trades of orders that the log holds as ended; list those that make no sense, and may never."""
        done = {order.exchange_order_id: order.client_order_id for order in self._bot.state.done_orders.values()}
        for trade in trades:
            order = self._bot.state.order(done.get(trade.exchange_order_id) or "")
            if order is None or trade.trade_id in order.trade_ids:
                continue
            try:
                fills = await self._account.fills(self._symbol, [trade])
            except UnreadableTradeError as error:
                what = _named(order.client_order_id, trade.exchange_order_id)
                self._miss(what, f"its trade {trade.trade_id} is not booked: {error}")
            else:
                await self._record([filled(order, fill) for fill in fills])

    async def _unknown(self, trades: Sequence[OwnTrade]) -> dict[int, PlacedOrder]:
        """Find the orders under this log's ids that it does not hold, by number: those that rest or that traded."""
        orders = (*self._bot.state.orders.values(), *self._bot.state.done_orders.values())
        known = {order.exchange_order_id for order in orders}
        rows = await self._account.open_orders(self._symbol)
        resting = [row.exchange_order_id for row in rows if self._number_of(row.client_order_id) is not None]
        traded = [trade.exchange_order_id for trade in trades]
        found: dict[int, PlacedOrder] = {}
        for exchange_order_id in dict.fromkeys((*resting, *traded)):
            if exchange_order_id in known:
                continue
            placed = await self._account.placed_order(self._symbol, exchange_order_id)
            if placed is None:
                self._miss_trades(exchange_order_id, trades)
                continue
            number = self._number_of(placed.client_order_id)
            if number is None:
                continue
            state = self._bot.state
            held = state.order(placed.client_order_id or "")
            if held is not None and held.status == "rejected" and held.exchange_order_id is None:
                await self._take_back(held, placed)
            elif number in found or held is not None:
                self._leave(placed, "the exchange has another order under the same id")
            elif number > state.order_number or state.is_lost(number):
                found[number] = placed
        return found

    async def _take_back(self, order: Order, placed: PlacedOrder) -> None:
        """Put an order back into the books that the log held to be not placed, and book what it traded."""
        report = await self._query(order)
        if report is None:
            self._leave(placed, "the log holds it as not placed; the exchange lists and does not find it")
            return
        await self._record([OrderReconciled(order.client_order_id, order.status, "open")])
        await self._record(answer_events(self._bot.state.orders[order.client_order_id], report))

    def _miss_trades(self, exchange_order_id: str, trades: Sequence[OwnTrade]) -> None:
        """List the trades of an order that the exchange tells no more: nothing shows that they are not the bot's."""
        theirs = [each.trade_id for each in trades if each.exchange_order_id == exchange_order_id]
        if theirs:
            self._miss(
                f"Order {exchange_order_id} at the exchange",
                f"it traded ({counted(len(theirs), 'trade')}), and the exchange does not tell under which id",
            )

    def _number_of(self, client_order_id: str | None) -> int | None:
        parsed = None if client_order_id is None else parse_client_order_id(client_order_id)
        return parsed[1] if parsed is not None and parsed[0] == self._bot.state.log_id else None

    async def _adopt(self, number: int, placed: PlacedOrder) -> None:
        """Take an order over with all that it traded, in one commit; or say why not."""
        assert placed.client_order_id is not None, placed
        if placed.side is None or placed.kind is None or placed.quantity is None:
            self._leave(placed, "the exchange does not tell side, kind or quantity of it")
            return
        if placed.kind == "limit" and placed.limit_price is None:
            self._leave(placed, "the exchange does not tell its price")
            return
        event = self._adopted_event(number, placed)
        report = await self._query(self._as_order(event))
        if report is None:
            self._leave(placed, "the exchange listed it, and does not find it")
            return
        event = msgspec.structs.replace(event, seen_price=price_of(event, report))
        if event.side == "sell":
            lot = lot_of(self._bot.state, self._as_order(event), self._rules)
            if lot is None:
                self._leave(
                    placed,
                    f"it sells {event.quantity}, of which {report.filled} are sold, and no lot holds that",
                )
                return
            event = msgspec.structs.replace(event, lot=lot)
        else:
            event = msgspec.structs.replace(event, **self._buy_terms(event))
        await self._record([event, *answer_events(self._as_order(event), report)])

    def _adopted_event(self, number: int, placed: PlacedOrder) -> OrderAdopted:
        assert placed.client_order_id is not None
        assert placed.side is not None
        assert placed.kind is not None
        assert placed.quantity is not None
        return OrderAdopted(
            client_order_id=placed.client_order_id,
            exchange_order_id=placed.exchange_order_id,
            number=number,
            side=placed.side,
            kind=placed.kind,
            quantity=placed.quantity,
            seen_price=placed.limit_price or ZERO,
            limit_price=placed.limit_price if placed.kind == "limit" else None,
            placed_ms=placed.placed_ms,
        )

    def _as_order(self, event: OrderAdopted) -> Order:
        order = apply(self._bot.state, event, self._now_ms()).order(event.client_order_id)
        assert order is not None, event
        return order

    def _buy_terms(self, event: OrderAdopted) -> dict[str, object]:
        """Say what a buy may still take, and when a resting one is cancelled, as if the bot had just asked for it."""
        config = self._bot.state.config
        needed = reserve(event.quantity, event.seen_price, config.fees.taker)
        timeout_ms = None if event.kind == "market" else config.buy_order_timeout * 1000
        return {"reserved": needed, "timeout_ms": timeout_ms}

    @property
    def _rules(self) -> MarketRules:
        assert self._feed.view.rules is not None, "they were learned first"
        return self._feed.view.rules

    def _leave(self, placed: PlacedOrder, why: str) -> None:
        assert placed.client_order_id is not None, placed
        self._miss(_named(placed.client_order_id, placed.exchange_order_id), why)
        self._left.append(placed.exchange_order_id)

    def _miss(self, what: str, why: str) -> None:
        self._unmatched.append(f"{what}: {why}")

    async def _record(self, events: Sequence[BotEvent]) -> None:
        if events:
            await self._journal.commit([(self._bot, self._bot.observe(events, self._now_ms(), self._feed.view))])


def _named(client_order_id: str, exchange_order_id: str) -> str:
    """Name an order by its number and by both its ids, so that it can be looked up at the exchange."""
    return f"{order_words(client_order_id)} ({client_order_id}, at the exchange {exchange_order_id})"


def lot_of(state: BotState, order: Order, rules: MarketRules) -> int | None:
    """Tell which lot an adopted sell sells; None if no lot can be meant.

    Only lots that were bought before it and have no sell of their own; those whose target is its price, then all. Of
    these, in this order: the oldest whose sellable quantity is its own; where the target is its price, the largest that
    holds just as much with smaller ones, which were dust to the lost end (`dust_for`); the smallest that holds so much,
    dust included, for a trade that was told late only adds to the lot that is meant; the largest with smaller ones.
    Last, where the target is its price, the smallest that held so much when it was bought: the exchange told the lost
    end too late of what was sold of it. Whichever it is, position and cash are right; only the profit of single lots
    could be another's.
    """
    dust, step = free_dust(state), rules.quantity_step
    idle = [lot for _, lot in sorted(state.lots.items()) if lot.number < order.number and lot.sell_order is None]
    idle = [lot for lot in idle if lot.status == "open"]
    whole = [lot for lot in idle if order.quantity in {floor_to(lot.quantity + more, step) for more in (ZERO, dust)}]
    larger = sorted((lot.quantity, lot.number) for lot in idle if lot.quantity + dust >= order.quantity)
    smaller = [lot for lot in idle if lot.quantity + dust < order.quantity]
    smaller.sort(key=lambda lot: (-lot.quantity, lot.number))
    parts = [lot for lot in smaller if dust_for(state, lot, order, step) is not None]
    meant = [lot.number for lots in (whole, parts) for lot in lots if lot.target == order.limit_price]
    others = [*(lot.number for lot in whole), *(number for _, number in larger), *(lot.number for lot in parts)]
    once = [lot for lot in smaller if lot.target == order.limit_price and lot.held + dust >= order.quantity]
    sold = sorted((lot.held, lot.number) for lot in once)
    return next(iter((*meant, *others, *(number for _, number in sold))), None)


def price_of(event: OrderAdopted, report: OrderReport) -> Decimal:
    """Give the price that an order was about: its limit, or else the highest that it traded at, rounded nowhere."""
    if event.limit_price is not None:
        return event.limit_price
    return max((fill.price for fill in report.fills), default=ZERO)
