"""What the exchange shows of its orders, trades and balances: perhaps late, perhaps not all of it, never untrue.

Owns what is left out of an answer. That an order is there may stay unseen for as long as the exchange admits
(`grace_ms`) and no longer: later, "no such order" is the truth.
"""

from decimal import Decimal
from typing import Final

from engine.core.events import Balance
from engine.core.exact import exactly
from engine.core.market import Candle
from engine.core.units import ZERO
from engine.exchanges.port import Fill, OpenOrder
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.exchange.markets import BNB_PRICE, TICK
from engine.testing.simulation.exchange.orders import Placed, Standing, Trade

UNSEEN_MS: Final = 20_000
"""So young must an order be to be left out of an answer about it: with a step of the clock that is less than grace."""

SETTLING_MS: Final = 1_000
"""A candle is shown this much after its end."""

_YOUNG_MS: Final = 600_000
_STALE_S: Final = (1, 5, 20)


class Shows:
    """The answers of an exchange to questions. Whoever asks has made sure that it is up to now."""

    def __init__(self, exchange: SimulatedExchange) -> None:
        """Take the exchange."""
        self._exchange: Final = exchange

    def order(self, client_order_id: str) -> tuple[Placed, Standing] | None:
        """Show an order as it is to be seen now."""
        order = self._exchange.matching.by_client_id.get(client_order_id)
        return None if order is None else self._seen(order)

    def order_by_id(self, exchange_order_id: str) -> tuple[Placed, Standing] | None:
        """Show an order by the exchange's id."""
        order = self._exchange.matching.orders.get(exchange_order_id)
        return None if order is None else self._seen(order)

    def open_orders(self, symbol: str) -> tuple[OpenOrder, ...]:
        """List what is to be seen on the book, in no order that means anything."""
        rows = []
        for order in self._exchange.matching.orders.values():
            standing = order.shown(self._exchange.at_ms) if order.wish.symbol == symbol else None
            if standing is None or standing.status != "open" or self._exchange.is_unseen(order):
                continue
            if not self._exchange.befalls("row_lost"):
                rows.append(OpenOrder(order.exchange_order_id, order.wish.client_order_id, standing.filled))
        return tuple(reversed(rows) if rows and self._exchange.befalls("rows_shuffled") else rows)

    def trades_of(self, exchange_order_id: str) -> list[Trade]:
        """List the trades of an order that are to be seen."""
        order = self._exchange.matching.orders[exchange_order_id]
        return self._listed([trade for trade in order.trades if trade.shown_ms <= self._exchange.at_ms])

    def trades(self, symbol: str, since_ms: int) -> list[Trade]:
        """List the account's trades since a true time that are to be seen, oldest first."""
        now_ms, found = self._exchange.at_ms, []
        for trade, wish in reversed(self._exchange.matching.trades):
            if trade.at_ms < since_ms:
                break
            is_lost = now_ms - trade.at_ms < _YOUNG_MS and self._exchange.befalls("row_lost")
            if wish.symbol == symbol and trade.shown_ms <= now_ms and not is_lost:
                found.append(trade)
        return self._listed(found[::-1])

    def balances(self) -> dict[str, Balance]:
        """Show what the account holds, or held a moment ago."""
        if self._exchange.happens("balance_stale"):
            stale_ms = self._exchange.chance.choose("exchange/balance_stale/age", _STALE_S) * 1_000
            self._exchange.fault("balance_stale", age_ms=stale_ms)
            return dict(self._exchange.wallet.as_of(self._exchange.at_ms - stale_ms))
        return self._exchange.wallet.shown()

    def candles(self, symbol: str, length_ms: int, since_ms: int, until_ms: int) -> list[Candle]:
        """Give the candles that are closed, by the exchange's clock too; the last may still be missing."""
        exchange = self._exchange
        closed_ms = min(until_ms, exchange.clock_ms - SETTLING_MS)
        found = exchange.markets[symbol].path.candles(length_ms, since_ms, closed_ms, TICK)
        if found and exchange.befalls("candle_late", open_ms=found[-1].open_ms):
            found.pop()
        return found

    @exactly
    def fill(self, symbol: str, trade: Trade) -> Fill:
        """Read a trade as a fill; a fee in the third asset is sometimes worth nothing that anybody could tell."""
        market = self._exchange.markets[symbol]
        is_own = trade.fee_asset in {market.base, market.quote}
        is_valued = is_own or not self._exchange.befalls("fee_unvalued", trade_id=trade.trade_id)
        rate = {market.base: trade.price, market.quote: Decimal(1)}.get(trade.fee_asset, BNB_PRICE)
        return Fill(
            trade_id=trade.trade_id,
            price=trade.price,
            quantity=trade.quantity,
            fee=trade.fee,
            fee_asset=trade.fee_asset,
            fee_quote=trade.fee * rate if is_valued else ZERO,
            liquidity="maker" if trade.is_maker else "taker",
            is_valued=is_valued,
        )

    def _listed(self, trades: list[Trade]) -> list[Trade]:
        """List trades, some of them perhaps again."""
        if trades and self._exchange.befalls("rows_repeated"):
            return [*trades, trades[0], trades[-1]]
        return trades

    def _seen(self, order: Placed) -> tuple[Placed, Standing] | None:
        standing = order.shown(self._exchange.at_ms)
        is_young = self._exchange.at_ms - order.at_ms < UNSEEN_MS
        if standing is None or self._exchange.is_unseen(order) or (is_young and self._exchange.befalls("row_lost")):
            return None
        return order, standing
