"""Other hands on the same account: a user who trades, deposits and withdraws without asking the engine.

Owns what they do and when. They touch only what is theirs: what the account had in the beginning beyond quote.
"""

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final

from engine.core.exact import exactly
from engine.core.identity import LOG_ID_LENGTH, client_order_id
from engine.core.units import floor_to
from engine.testing.simulation.exchange.markets import TICK
from engine.testing.simulation.exchange.orders import Side, Wish

if TYPE_CHECKING:
    from engine.testing.simulation.exchange.exchange import SimulatedExchange

_ANOTHER_LOG: Final = "z" * LOG_ID_LENGTH
_EVERY_MS: Final = 180_000
_SELLS: Final = (Decimal("0.01"), Decimal("0.002"))
"""What a user sells at once, as a part of the base that the account began with: even many such sales leave some."""

_AWAY: Final = (Decimal(0), Decimal("0.01"), Decimal("-0.01"))
_TRANSFERS: Final = tuple(
    (asset, Decimal(amount)) for asset, amount in (("USD", "250"), ("USD", "-250"), ("BTC", "0.01"), ("BTC", "-0.005"))
)


class Others:
    """The user of the account; looks in every three minutes, if at all."""

    def __init__(self, exchange: "SimulatedExchange") -> None:
        """Take the exchange, and put the first visit on its agenda if there ever is one."""
        self._exchange: Final = exchange
        self._visits = 0
        if self._is_there():
            exchange.later(exchange.start_ms + _EVERY_MS, self._visit)

    def _is_there(self) -> bool:
        terms = self._exchange.terms
        return bool(terms.foreign_order or terms.foreign_bot or terms.foreign_transfer)

    def _visit(self) -> None:
        exchange, chance = self._exchange, self._exchange.chance
        self._visits += 1
        if exchange.happens("foreign_order"):
            self._trade("foreign_order", f"web_{self._visits:06d}")
        if exchange.happens("foreign_bot"):
            self._trade("foreign_bot", client_order_id(_ANOTHER_LOG, self._visits))
        if exchange.befalls("foreign_transfer"):
            self._transfer(*chance.choose("exchange/foreign_transfer/what", _TRANSFERS))
        if self._is_there():
            exchange.later(exchange.at_ms + _EVERY_MS, self._visit)

    @exactly
    def _trade(self, kind: str, name: str) -> None:
        """Place an order by hand, or as another engine would: at the market, or away from it, taken off again later."""
        exchange, chance = self._exchange, self._exchange.chance
        market = exchange.markets[chance.choose("exchange/foreign_order/symbol", exchange.terms.symbols)]
        side = chance.choose("exchange/foreign_order/side", _SIDES)
        part = chance.choose("exchange/foreign_order/part", _SELLS)
        away = chance.choose("exchange/foreign_order/away", _AWAY)
        quantity = floor_to(Decimal(exchange.terms.wallet[market.base]) * part, market.rules.quantity_step)
        price = floor_to(market.best(side, exchange.at_ms) * TICK * (1 + away), TICK) if away else None
        wish = Wish(
            client_order_id=name,
            symbol=market.symbol,
            side=side,
            kind="market" if price is None else "limit",
            quantity=quantity,
            price=price,
            signed_ms=exchange.clock_ms,
            life=0,
        )
        exchange.fault(kind, client_order_id=name)
        exchange.place(wish)
        exchange.later(exchange.at_ms + 5 * _EVERY_MS, partial(self._take_off, name))

    def _take_off(self, name: str) -> None:
        order = self._exchange.matching.by_client_id.get(name)
        if order is not None and order.is_open:
            self._exchange.cancel(name, self._exchange.clock_ms)

    @exactly
    def _transfer(self, asset: str, amount: Decimal) -> None:
        if self._exchange.wallet.free(asset) + amount < 0:
            return
        self._exchange.wallet.add(asset, amount)
        self._exchange.wallet.note(self._exchange.at_ms)
        self._exchange.record({
            "what": "transfer", "at_ms": self._exchange.at_ms, "asset": asset, "amount": str(amount),
        })  # fmt: skip


_SIDES: Final[tuple[Side, ...]] = ("buy", "sell")
