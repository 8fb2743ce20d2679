"""The port to an exchange: what can be asked, and the closed union of what can come back.

An unknown outcome is never treated as a failure: only the exchange's own proof rejects an order.
Source: design, "Order protocol".
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, Protocol

import msgspec

from engine.core.events import Balance
from engine.core.events.orders import Kind, Liquidity, Side
from engine.core.market import Candle, MarketRules, Tick
from engine.core.state import BotState, Order


class Fill(msgspec.Struct, frozen=True):
    """One trade of an order; `fee_quote` is the fee's value in quote.

    A fee that was taken in several assets has one here: in base if a part of it is, for that part changes what is held;
    else in quote if a part is, for that part changes the cash; else in the asset that is worth most. `fee` is that part
    alone, `fee_quote` the value of all. `is_valued` is off if nothing could value a part: it is not in `fee_quote`.
    """

    trade_id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    fee_quote: Decimal
    liquidity: Liquidity
    is_valued: bool = True


class Accepted(msgspec.Struct, frozen=True):
    """The exchange has the order; `fills` is what traded at once and is known trade by trade.

    `is_whole` says that nothing else has traded so far; without it the order is to be looked up.
    """

    exchange_order_id: str
    fills: tuple[Fill, ...] = ()
    is_whole: bool = True


class Rejected(msgspec.Struct, frozen=True):
    """The exchange proved that it did not take the order; `proof` is its code."""

    proof: str
    reason: str


class Unknown(msgspec.Struct, frozen=True):
    """Nobody knows: the order stays `unknown` until a query settles it."""

    error: str


class NotSent(msgspec.Struct, frozen=True):
    """Nothing left this machine; the same order may be sent later."""

    reason: str


Outcome = Accepted | Rejected | Unknown | NotSent


class OrderReport(msgspec.Struct, frozen=True):
    """What the exchange says of an order it knows; `filled` is its own count, `fills` those it can name.

    `missing` says why its trades could not be listed: then nothing is known but that it stands there.
    """

    client_order_id: str
    exchange_order_id: str
    status: Literal["open", "filled", "canceled", "expired"]
    filled: Decimal
    fills: tuple[Fill, ...] = ()
    missing: str | None = None


class Gateway(Protocol):
    """One account at one exchange, as a bot uses it.

    `repeats_create` declares that `create` may be asked again with the same client order id and gives the same order;
    only then is a `sent` order resolved that way. `valid_ms` is how long a signed request can still be matched.
    """

    @property
    def repeats_create(self) -> bool:
        """Tell whether asking again is safe."""
        ...

    @property
    def valid_ms(self) -> int:
        """Give the validity window of a request, in milliseconds."""
        ...

    @property
    def grace_ms(self) -> int:
        """Give how much longer than its window an accepted order may stay invisible, in milliseconds."""
        ...

    async def create(self, state: BotState, order: Order) -> Outcome:
        """Place the order once, never retrying by itself."""
        ...

    async def query(self, state: BotState, order: Order) -> OrderReport | Unknown | None:
        """Look the order up by its client order id; None if the exchange does not know it."""
        ...

    async def cancel(self, state: BotState, order: Order) -> OrderReport | Unknown | None:
        """Ask for cancellation and say how the order stands."""
        ...

    async def balances(self, state: BotState) -> dict[str, Balance]:
        """Say what the account holds, by asset."""
        ...

    def trades(self, state: BotState) -> tuple[OrderReport, ...]:
        """Report what happened to resting orders since they were last reported."""
        ...


# --- real exchanges: one connection per exchange and key in a process, shared by all its bots


class AccountIdentity(msgspec.Struct, frozen=True):
    """Who a key belongs to and what it may do, as far as the exchange tells (None: it does not).

    `fingerprint` is a digest: of the account's own id (`basis` "account"), or of the key where there is none ("key").
    """

    fingerprint: str
    basis: Literal["account", "key"]
    may_trade: bool | None = None
    may_withdraw: bool | None = None


class OpenOrder(msgspec.Struct, frozen=True):
    """One order on the exchange's book; `client_order_id` is ours as we wrote it, or somebody else's, or absent.

    It says which orders to look up, no more; `filled` is None if that is not told.
    """

    exchange_order_id: str
    client_order_id: str | None
    filled: Decimal | None


class PlacedOrder(msgspec.Struct, frozen=True):
    """What an order of the account was when it was placed, whoever placed it; None for what is not told in our terms.

    `client_order_id` is ours as we wrote it, or somebody else's, or absent. `placed_ms` is by our clock.
    """

    exchange_order_id: str
    client_order_id: str | None
    side: Side | None = None
    kind: Kind | None = None
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    placed_ms: int | None = None


class OwnTrade(msgspec.Struct, frozen=True):
    """One trade of the account, whoever ordered it; `row` is what the exchange said, to be read by `Account.fills`."""

    exchange_order_id: str
    trade_id: str
    at_ms: int
    row: Mapping[str, Any] = {}


class AccountHint(msgspec.Struct, frozen=True):
    """The account's stream says that something happened to these orders: a reason to look, never a truth."""

    exchange_order_ids: frozenset[str] = frozenset()
    client_order_ids: frozenset[str] = frozenset()


class Silence:
    """How long an exchange wants silence, in engine time: it counts addresses, so all connections to it share one."""

    def __init__(self) -> None:
        """Start with none."""
        self.until_ms = 0


class LiveMarketData(Protocol):
    """What a real exchange says of its markets, without keys. Times are the exchange's, in epoch milliseconds.

    Every call raises UnreachableError if no sensible answer came, RateLimitedError (without asking) while the exchange
    wants silence, which is until `blocked_until_ms` of engine time; whoever restarts sets that again. `calls` counts
    what was asked, by kind.
    """

    blocked_until_ms: int

    @property
    def calls(self) -> Counter[str]:
        """Give what was asked so far, by kind."""
        ...

    @property
    def timeframes(self) -> frozenset[str]:
        """Give the lengths of candles that the exchange has; none if that is not told."""
        ...

    async def rules(self, symbol: str, *, refresh: bool = False) -> MarketRules:
        """Give what the exchange accepts for a symbol, from the loaded markets.

        Raises:
            ConfigError: the exchange has no such spot market, or does not trade it now; names near ones.
        """
        ...

    async def time_ms(self) -> int:
        """Ask the exchange for its time; the answer also corrects the clock that requests are signed with."""
        ...

    async def ticker(self, symbol: str) -> Tick:
        """Ask for the price."""
        ...

    async def candles(self, symbol: str, timeframe: str, since_ms: int, until_ms: int) -> list[Candle]:
        """Ask for the candles that open at `since_ms` or later and are closed at `until_ms`, in as many pages."""
        ...

    async def next_ticker(self, symbol: str) -> Tick:
        """Wait for the next price of the stream; subscribes, also again after the stream broke."""
        ...

    async def drop_stream(self, symbol: str) -> None:
        """Hang up the price stream of a symbol, so that the next wait subscribes anew."""
        ...


class Account(Protocol):
    """One account at one real exchange. Reads raise as those of `LiveMarketData`, and CredentialsError.

    `valid_ms` is how long a signed order can still be matched; `grace_ms` how much longer an order may stay invisible:
    only a look-up begun after both is evidence that there is none.
    """

    @property
    def valid_ms(self) -> int:
        """Give the validity window of a signed order, in milliseconds."""
        ...

    @property
    def grace_ms(self) -> int:
        """Give how much longer than its window an accepted order may stay invisible, in milliseconds."""
        ...

    async def identify(self) -> AccountIdentity:
        """Say whose key it is and what it may do."""
        ...

    async def create(self, symbol: str, order: Order) -> Outcome:
        """Place the order once, signed with its `sent_ms`; never raises an operating fault, never retries."""
        ...

    async def query(self, symbol: str, order: Order) -> OrderReport | Unknown | None:
        """Look the order up by its client order id, with its trades; None if the exchange does not know it."""
        ...

    async def cancel(self, symbol: str, order: Order) -> OrderReport | Unknown | None:
        """Ask for cancellation and look how the order stands then."""
        ...

    async def balances(self, assets: Collection[str] | None = None) -> dict[str, Balance]:
        """Say what the account holds, by asset; assets it has none of are absent.

        So are those whose numbers make no sense, unless they are among `assets` (None: all are): then it raises.
        """
        ...

    async def open_orders(self, symbol: str) -> tuple[OpenOrder, ...]:
        """List all open orders of the account in a market."""
        ...

    async def trades(self, symbol: str, since_ms: int) -> tuple[OwnTrade, ...]:
        """List the account's trades in a market since a time, oldest first. Those of no order are left out."""
        ...

    async def fills(self, symbol: str, trades: Sequence[OwnTrade]) -> tuple[Fill, ...]:
        """Read some of the trades that were listed, with their fees valued.

        Raises UnreadableTradeError, and not only UnreachableError, if it is a trade itself that makes no sense.
        """
        ...

    async def client_order_id_of(self, symbol: str, exchange_order_id: str) -> str | None:
        """Give the client order id that an order of the account was placed with, None if it has none or is gone."""
        ...

    async def placed_order(self, symbol: str, exchange_order_id: str) -> PlacedOrder | None:
        """Say what an order of the account was placed as, None if it is gone."""
        ...

    async def next_hint(self, symbol: str) -> AccountHint:
        """Wait for the account's stream to say that something happened; subscribes, also again after it broke."""
        ...
