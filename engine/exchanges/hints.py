"""What an account's stream says, as hints: which orders to look at. Never a truth, for streams lose and repeat.

Owns the streams of an account, one per market. Raw messages are tapped as they come, because the library keeps only
some of what arrives in a burst.
"""

from collections.abc import Mapping
from typing import Any, Final

from engine.core.errors import UnreachableError
from engine.exchanges import wire
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.faults import is_clock_fault
from engine.exchanges.port import AccountHint
from engine.exchanges.streams import Pump


class HintStream:
    """The hints of one account."""

    def __init__(self, connection: CcxtConnection) -> None:
        """Take the connection that is listened on."""
        self._connection: Final = connection
        self._pumps: Final[dict[str, Pump[AccountHint]]] = {}
        connection.taps.append(self._tapped)

    async def next(self, symbol: str) -> AccountHint:
        """Wait until something happened in a market. Raises UnreachableError, after which it subscribes anew."""
        pump = self._pumps.get(symbol)
        if pump is None:
            await self._connection.load_markets()
            if self._connection.offset_ms is None:
                await self._connection.time_ms()
            self._connection.refuse_while_silent()
            if not self._connection.ccxt.has.get("watchOrders"):
                raise UnreachableError(f"{self._connection.venue.id} has no stream of an account's orders.")
            pump = self._pumps.setdefault(symbol, Pump(lambda: self._watch(symbol), _both))
        try:
            return await pump.next()
        except Exception as error:  # noqa: BLE001 - a library's streams break in any way
            fault = self._connection.fault_of(error, wire.Record())
            if is_clock_fault(error, ()):
                self._connection.offset_ms = None
        if self._pumps.get(symbol) is pump:
            await self.close()
        raise fault

    async def close(self) -> None:
        """Hang up the account's streams; all markets share them."""
        pumps = list(self._pumps.values())
        self._pumps.clear()
        for pump in pumps:
            pump.fail(ConnectionError("the account's stream was hung up"))
            await pump.stop()
        await self._connection.hang_up(_is_private)

    async def _watch(self, symbol: str) -> AccountHint | None:
        ccxt = self._connection.ccxt
        rows = await ccxt.watch_orders(symbol)
        moved = (row for row in rows if row.get("symbol") == symbol and not _is_new(row))
        return self._hint([(row.get("id"), row.get("clientOrderId")) for row in moved])

    def _tapped(self, message: Any) -> None:
        """Look at a raw message of the Binance family; others say nothing here."""
        event = message.get("event", message) if isinstance(message, Mapping) else None
        if not isinstance(event, Mapping):
            return
        match event.get("e"):
            case "executionReport" if event.get("x") != "NEW":
                for symbol, pump in self._pumps.items():
                    market = self._connection.market(symbol)
                    if market is not None and market.get("id") == event.get("s"):
                        hint = self._hint([(event.get("i"), event.get("c")), (event.get("i"), event.get("C"))])
                        if hint is not None:
                            pump.push(hint)
            case "eventStreamTerminated":
                for pump in self._pumps.values():
                    pump.fail(ConnectionError("the exchange ended the account's stream"))
            case _:
                pass

    def _hint(self, ids: list[tuple[Any, Any]]) -> AccountHint | None:
        theirs = frozenset(str(one) for one, _ in ids if isinstance(one, str | int) and str(one))
        own = (self._connection.venue.own_id(one) for _, one in ids if isinstance(one, str) and one)
        hint = AccountHint(theirs, frozenset(one for one in own if one))
        return hint if hint != AccountHint() else None


def _is_new(row: Mapping[str, Any]) -> bool:
    """Tell whether an order has only just come to the book: whoever placed it is told so by the answer."""
    return row.get("status") == "open" and row.get("filled") in {None, "0", "0E-8", "0.00000000"}


def _both(one: AccountHint, other: AccountHint) -> AccountHint:
    return AccountHint(
        one.exchange_order_ids | other.exchange_order_ids,
        one.client_order_ids | other.client_order_ids,
    )


def _is_private(client: Any) -> bool:
    """Tell a connection that listens to an account from those that listen to markets."""
    return any(str(key) in {"spot", "orders", "myTrades"} or "orders" in str(key) for key in client.subscriptions)
