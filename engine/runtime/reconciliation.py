"""Reconciliation: what the exchange holds against what the logs of its bots say.

One path, at the start, after every reconnection, and on a timer. Owns which differences are looked for and which
observations record them. It invents nothing: an order is looked up, a trade is booked by its own id, and what belongs
to others is listed and left alone.
Source: decisions.md, "Reconciliation"; design, "Order protocol".
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from engine.core.errors import UnreachableError, UnreadableTradeError
from engine.core.events import Balance, BalancesObserved, OrderOutcomeUnknown, OrderReconciled, OrdersSurveyed
from engine.core.identity import parse_client_order_id
from engine.core.instants import DAY_MS
from engine.core.state import BotState, Order
from engine.core.units import ZERO
from engine.exchanges.port import OpenOrder, OwnTrade
from engine.runtime.account_desk import AccountDesk, Answer
from engine.runtime.bot import Bot
from engine.runtime.executor import Record
from engine.runtime.live_executor import LiveExecutor
from engine.runtime.ownership import is_forgotten, is_of_the_log
from engine.runtime.reports import filled

OVERLAP_MS: Final = 3_600_000
"""A look at the trades goes back so much further than the last one, or than the last event that a recovery kept."""

FIRST_BACK_MS: Final = 6 * 3_600_000
"""The first look goes back so much further than the oldest order: a clock may have been wrong, a log lost its end.

If so much cannot be listed, as on an account with thousands of trades, it goes back an hour further, like any look.
"""

MOST_BACK_MS: Final = 7 * DAY_MS
KNOWN_MOST: Final = 100_000
ASKED_MOST: Final = 20
"""So many orders of others are asked about in one look."""

TRADE_SETTLED_MS: Final = 600_000
BALANCE_TRIES: Final = 3
GONE_AFTER: Final = 10
"""So many looks in a row, each a minute after the last, must not find an order that the exchange had accepted.

An exchange may drop an order that has ended, and list its trades only some minutes later.
"""


class Found(msgspec.Struct, frozen=True):
    """What a thorough look at one bot found: trades booked by it, open orders of others, and whether all is settled."""

    trades: int
    foreign: int
    is_settled: bool


class Desked(msgspec.Struct, frozen=True):
    """A bot at the account, with the one who carries out its orders."""

    bot: Bot
    executor: LiveExecutor


class Reconciler:
    """Keeps the bots of one account in one market in step with the exchange."""

    def __init__(self, desk: AccountDesk, symbol: str, record: Record, now_ms: Callable[[], int]) -> None:
        """Take the desk, the symbol, the way to record, and the clock."""
        self.desk: Final = desk
        self.seats: Final[list[Desked]] = []
        self._symbol: Final = symbol
        self._record: Final = record
        self._now_ms: Final = now_ms
        self._trades_seen_ms: int | None = None
        self._client_ids: Final[dict[str, str | None]] = {}
        self._forgotten: Final[dict[str, set[str]]] = {}
        self._told_forgotten: Final[set[str]] = set()
        self._told_unread: Final[set[tuple[str, str]]] = set()
        self._may_ask = ASKED_MOST

    async def identify(self) -> None:
        """Make sure that the logs of these bots belong to this account.

        Raises:
            ConfigError: one belongs to another. CredentialsError: the key is not fit. UnreachableError: no answer.
        """
        identity = await self.desk.identify()
        for seat in self.seats:
            observed = await self.desk.introduce(seat.bot, identity)
            if observed is not None:
                await self._record(seat.bot, [observed])

    async def sweep(self, *, thorough: bool) -> dict[str, Found]:
        """Look at the open orders, with `thorough` at the trades too, and at the balances if they may be others now.

        Raises:
            UnreachableError: the exchange did not answer; what was found until then is recorded.
        """
        before = {seat.bot.state.bot_id: _trades_of(seat.bot.state) for seat in self.seats}
        started_ms = self._now_ms()
        trades = await self._trades() if thorough else ()
        await self._book_whole(trades)
        listed = await self.desk.account.open_orders(self._symbol)
        unknown_own: dict[str, list[str]] = {}
        for row in listed:
            self._client_ids[row.exchange_order_id] = row.client_order_id
        for seat in self.seats:
            unknown_own[seat.bot.state.bot_id] = await self._compare(seat, listed)
        if thorough:
            await self._look_at_trades(trades, unknown_own)
            self._trades_seen_ms = started_ms
            for seat in self.seats:
                await self._give_up_the_gone(seat, {row.exchange_order_id for row in listed})
        foreign = tuple(sorted(row.exchange_order_id for row in listed if not self._is_ours(row)))
        for seat in self.seats:
            await self._survey(seat, tuple(unknown_own[seat.bot.state.bot_id]), foreign)
        if thorough or any(wants_balances(seat.bot.state) for seat in self.seats):
            await self._look_at_balances()
        return {
            seat.bot.state.bot_id: Found(
                _trades_of(seat.bot.state) - before[seat.bot.state.bot_id], len(foreign), self._is_settled(seat)
            )
            for seat in self.seats
        }

    async def _compare(self, seat: Desked, listed: Sequence[OpenOrder]) -> list[str]:
        """Look up every order that differs from the list; give the ids of this log that it does not hold."""
        state = seat.bot.state
        rows = {row.client_order_id or "": row for row in listed if row.exchange_order_id not in state.accepted}
        by_exchange_id = {row.exchange_order_id: row for row in listed}
        for order in list(state.orders.values()):
            if order.status == "requested":
                continue
            row = by_exchange_id.get(order.exchange_order_id or "") or rows.get(order.client_order_id)
            if row is None or row.filled != order.filled or order.status != "open":
                await seat.executor.look_now(seat.bot, order.client_order_id)
        unknown = []
        for name, row in rows.items():
            parsed = parse_client_order_id(name)
            if parsed is None or parsed[0] != state.log_id:
                continue
            if not is_of_the_log(seat.bot.state, name, parsed[1], row.exchange_order_id):
                unknown.append(name)
            elif name not in seat.bot.state.orders:
                await self._take_back(seat, name)
        return unknown

    async def _take_back(self, seat: Desked, client_order_id: str) -> None:
        """Put an order back into the books that was held to be not placed, and look up any that is at its end."""
        order = seat.bot.state.order(client_order_id)
        if order is None and client_order_id not in self._told_forgotten:
            self._told_forgotten.add(client_order_id)
            self._forgotten.setdefault(seat.bot.state.bot_id, set()).add(client_order_id)
        if order is not None and order.status == "rejected":
            await self._record(seat.bot, [OrderReconciled(client_order_id, order.status, "open")])
        await seat.executor.look_now(seat.bot, client_order_id)

    async def _book_whole(self, trades: Sequence[OwnTrade]) -> None:
        """Book the open orders that these trades fill to the end, which spares two requests for each of them."""
        by_order: dict[str | None, list[OwnTrade]] = {}
        for trade in trades:
            by_order.setdefault(trade.exchange_order_id, []).append(trade)
        for seat in self.seats:
            for order in list(seat.bot.state.orders.values()):
                theirs = by_order.get(order.exchange_order_id, []) if order.status == "open" else []
                news = [each for each in theirs if each.trade_id not in order.trade_ids]
                try:
                    fills = await self.desk.account.fills(self._symbol, news) if news else ()
                except UnreachableError:
                    continue  # it is looked up, like all that differ
                if seat.bot.state.order(order.client_order_id) is not order:
                    continue  # it moved meanwhile
                if fills and order.filled + sum(fill.quantity for fill in fills) == order.quantity:
                    await self._record(seat.bot, [filled(order, fill) for fill in fills])

    async def _trades(self) -> Sequence[OwnTrade]:
        """List the trades that a thorough look is about."""
        account = self.desk.account
        if self._trades_seen_ms is not None:
            return await account.trades(self._symbol, self._trades_seen_ms - OVERLAP_MS)
        oldest_ms, most_ms = self._oldest_ms(), self._now_ms() - MOST_BACK_MS
        try:
            return await account.trades(self._symbol, max(oldest_ms - FIRST_BACK_MS, most_ms))
        except UnreachableError:
            return await account.trades(self._symbol, max(oldest_ms - OVERLAP_MS, most_ms))

    async def _look_at_trades(self, trades: Sequence[OwnTrade], unknown_own: dict[str, list[str]]) -> None:
        """Book trades that no look-up of an open order would find, and find those of another copy of a log."""
        owners: dict[str, tuple[Desked, Order]] = {}
        for seat in self.seats:
            for order in (*seat.bot.state.orders.values(), *seat.bot.state.done_orders.values()):
                if order.exchange_order_id is not None:
                    owners[order.exchange_order_id] = (seat, order)
        accepted = {name for seat in self.seats for name in seat.bot.state.accepted}
        self._may_ask = ASKED_MOST
        for trade in reversed(trades):
            owner = owners.get(trade.exchange_order_id)
            if owner is not None:
                await self._book(*owner, trade)
            elif trade.exchange_order_id not in accepted:
                await self._ask_whose(trade, unknown_own)

    async def _book(self, seat: Desked, order: Order, trade: OwnTrade) -> None:
        order = seat.bot.state.order(order.client_order_id) or order
        if trade.trade_id in order.trade_ids:
            return
        if order.is_terminal or order.final is not None:  # one that still stands is looked up, with its status
            try:
                fills = await self.desk.account.fills(self._symbol, [trade])
            except UnreachableError as error:
                await self._tell_unread(seat, order, trade, error)
                return
            await self._record(seat.bot, [filled(order, fill) for fill in fills])
        else:
            await seat.executor.look_now(seat.bot, order.client_order_id)

    async def _tell_unread(self, seat: Desked, order: Order, trade: OwnTrade, error: UnreachableError) -> None:
        """Tell once of a trade that cannot be read: it is tried at each look, and keeps nobody from trading."""
        if (unread := (trade.exchange_order_id, trade.trade_id)) not in self._told_unread:
            if len(self._told_unread) > KNOWN_MOST:
                self._told_unread.clear()
            self._told_unread.add(unread)
            await self._record(seat.bot, [OrderOutcomeUnknown(order.client_order_id, str(error))])

    async def _ask_whose(self, trade: OwnTrade, unknown_own: dict[str, list[str]]) -> None:
        """See whether an order that no log knows by its exchange id is one of ours all the same."""
        name = await self._client_id_of(trade)
        parsed = None if name is None else parse_client_order_id(name)
        if name is None or parsed is None:
            return
        for seat in self.seats:
            if parsed[0] != seat.bot.state.log_id:
                continue
            unknown = unknown_own[seat.bot.state.bot_id]
            if is_of_the_log(seat.bot.state, name, parsed[1], trade.exchange_order_id):
                if not is_forgotten(seat.bot.state, name, trade.at_ms):
                    await self._take_back(seat, name)
            elif name not in unknown:
                unknown.append(name)

    async def _client_id_of(self, trade: OwnTrade) -> str | None:
        """Find out, once, under which client order id an order was placed; None if nobody can tell, or not now.

        Few at a look, the newest first: others may trade a lot, and nothing may leave before the first look is done.
        """
        exchange_order_id = trade.exchange_order_id
        if exchange_order_id not in self._client_ids and self._may_ask:
            self._may_ask -= 1
            if len(self._client_ids) > KNOWN_MOST:
                self._client_ids.clear()
            found = await self.desk.account.client_order_id_of(self._symbol, exchange_order_id)
            if found is not None or self._now_ms() - trade.at_ms > TRADE_SETTLED_MS:  # a new one may not show yet
                self._client_ids[exchange_order_id] = found
        return self._client_ids.get(exchange_order_id)

    async def _give_up_the_gone(self, seat: Desked, listed: set[str]) -> None:
        """End orders that the exchange once had, lists no more, and finds by no look-up, while no trade of them is new.

        What was filled stays what the trades say; a trade that comes after all is booked like any late one.
        """
        for name in list(seat.bot.state.orders):
            order = seat.bot.state.orders.get(name)
            if order is None or order.status != "open" or order.exchange_order_id in {None, *listed}:
                continue
            if seat.executor.absences(name) < GONE_AFTER or name in seat.executor.busy:
                continue
            if await self._has_more_trades(seat, order):
                continue
            if seat.bot.state.orders.get(name) is order:
                await self._record(seat.bot, [OrderReconciled(name, order.status, "gone")])

    async def _has_more_trades(self, seat: Desked, order: Order) -> bool:
        """Book what the account traded for an order since its beginning; tell whether there was anything new."""
        trades = await self.desk.account.trades(self._symbol, order.requested_ms - OVERLAP_MS)
        theirs = [each for each in trades if each.exchange_order_id == order.exchange_order_id]
        news = [each for each in theirs if each.trade_id not in order.trade_ids]
        if not news:
            return False
        try:
            fills = await self.desk.account.fills(self._symbol, news)
        except UnreadableTradeError as error:
            await self._tell_unread(seat, order, news[0], error)
        else:
            await self._record(seat.bot, [filled(order, fill) for fill in fills])
        return True

    def has_gone(self) -> bool:
        """Tell whether an order is missing that a thorough look would give up."""
        return any(
            order.status == "open" and seat.executor.absences(name) >= GONE_AFTER
            for seat in self.seats
            for name, order in seat.bot.state.orders.items()
        )

    def _oldest_ms(self) -> int:
        """Say when the oldest order in the books was decided, or the last that ended, or else the time."""
        orders = (
            order.requested_ms
            for seat in self.seats
            for order in (*seat.bot.state.orders.values(), *list(seat.bot.state.done_orders.values())[-1:])
        )
        return min(orders, default=self._now_ms())

    async def _survey(self, seat: Desked, unknown_own: tuple[str, ...], foreign: tuple[str, ...]) -> None:
        forgotten = tuple(sorted(self._forgotten.pop(seat.bot.state.bot_id, ())))
        if unknown_own or forgotten or foreign != seat.bot.state.foreign:
            await self._record(seat.bot, [OrdersSurveyed(unknown_own, foreign, forgotten)])

    async def _look_at_balances(self) -> None:
        """Record what the account holds where that is news, and every time while it is too little."""
        for _ in range(BALANCE_TRIES):
            answer = await self.desk.balances()
            news = [(seat, self._seen(seat, answer)) for seat in self.seats]
            if self.desk.is_of_now(answer):
                for seat, event in news:
                    if event is not None:
                        await self._record(seat.bot, [event])
                return
            # an order changed meanwhile: nobody knows whether these numbers are from before or after

    def _seen(self, seat: Desked, answer: Answer) -> BalancesObserved | None:
        """Say what an answer means to a bot; None if it is no news."""
        state, others, is_settled = seat.bot.state, self.desk.others_hold(seat.bot), self._is_settled(seat)
        assets = (state.config.base, state.config.quote)
        relevant = {asset: answer.balances[asset] for asset in assets if asset in answer.balances}
        held = relevant.get(state.config.base, Balance(ZERO)).total
        is_short = is_settled and held < state.certain + others
        is_news = relevant != state.balances or not state.balances_ms or not state.has_looked
        return BalancesObserved(relevant, others, is_settled) if is_news or is_short or state.short else None

    def _is_settled(self, seat: Desked) -> bool:
        """Tell whether the log holds all that happened: nothing is in flight, nothing unknown, nothing to look at."""
        in_flight = any(order.status != "open" for order in seat.bot.state.orders.values())
        return seat.executor.is_quiet and not in_flight

    def _is_ours(self, row: OpenOrder) -> bool:
        parsed = None if row.client_order_id is None else parse_client_order_id(row.client_order_id)
        return parsed is not None and any(parsed[0] == bot.state.log_id for bot in self.desk.bots)


def wants_balances(state: BotState) -> bool:
    """Tell whether the balances of the log are not those of now: an order changed since, or something is missing."""
    return not state.balances_ms or not state.has_looked or state.short > 0


def _trades_of(state: BotState) -> int:
    return sum(len(order.trade_ids) for order in (*state.orders.values(), *state.done_orders.values()))
