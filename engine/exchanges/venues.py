"""What each exchange does with client order ids and late requests, and how ccxt is told: one row per exchange.

Owns the capability table that the order protocol rests on, the names under which users know exchanges, and the codes
that prove a refusal. Pure data and functions: never imports ccxt, never sends anything. `has` flags of ccxt say none of
this, so the table is held against recorded requests at every change of ccxt (tests/exchanges/test_wire.py).
Source: design, "Order protocol"; issue "Live trading", 2.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from engine.exchanges.port import Rejected

ALIASES: Final = {"binance_us": "binanceus", "binance-us": "binanceus", "binance.us": "binanceus"}
"""Names that users know, and the ids that ccxt uses now."""


class Call(msgspec.Struct, frozen=True):
    """One call of a ccxt method. `lists` says that the answer is a list, in which our id is to be looked for."""

    method: str
    arguments: tuple[Any, ...] = ()
    params: Mapping[str, Any] = {}
    lists: bool = False


class Venue(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange. `valid_ms` bounds a signed request, `grace_ms` how long an accepted order may stay invisible."""

    id: str
    valid_ms: int = 5_000
    grace_ms: int = 30_000
    refusals: frozenset[str] = frozenset()

    def create_params(self, client_order_id: str, signed_ms: int) -> dict[str, Any]:
        """Give the extra parameters of `create_order`: our id, the time it is signed with and its window."""
        return {"clientOrderId": client_order_id, "timestamp": signed_ms, "recvWindow": self.valid_ms}

    def look_ups(
        self, symbol: str, client_order_id: str, exchange_order_id: str | None, since_ms: int
    ) -> tuple[Call, ...]:
        """Give the calls that look an order up, to be made in turn until one finds it; `since_ms` bounds lists."""
        del exchange_order_id, since_ms
        return (Call("fetch_order", (None, symbol), {"clientOrderId": client_order_id}),)

    def cancel(self, symbol: str, client_order_id: str, exchange_order_id: str | None) -> Call:
        """Give the call that cancels an order."""
        del exchange_order_id
        return Call("cancel_order", (None, symbol), {"clientOrderId": client_order_id})

    def own_id(self, reported: str | None) -> str | None:
        """Give a client order id as we wrote it, from what the exchange reports."""
        return reported

    def refusal(self, status: int, body: str) -> Rejected | None:
        """Give the exchange's own proof that it did not take an order, if an error body is one (by its code)."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """Give what the ccxt constructor must be told: options and addresses; neither keys nor retries."""
        return {"options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}}


def venue_of(exchange: str) -> Venue:
    """Find an exchange by the name a user wrote.

    Raises:
        ConfigError: there is no such exchange, or its orders cannot be looked up safely; names near ones.
    """
    raise NotImplementedError(exchange)
