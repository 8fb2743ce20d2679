"""What each exchange does with client order ids and late requests, and how ccxt is told: one row per exchange.

Owns the capability table that the order protocol rests on. Pure data and functions: never imports ccxt, never sends
anything. `has` flags of ccxt say none of this, so the table is held against recorded requests at every change of ccxt
(tests/exchanges/test_wire.py). In comments, [D] is said by the exchange's own pages, [unverified] by none that we read;
then the longer time or the weaker promise stands here.
Source: design, "Order protocol"; issue "Live trading", 2.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from engine.core.errors import ConfigError
from engine.exchanges import refusals
from engine.exchanges.port import Rejected
from engine.exchanges.venue_names import ALIASES, STREAMING, canonical_name, near_names, shown_name

__all__ = ["ALIASES", "VENUES", "Call", "Step", "Venue", "live_venue_of", "venue_of"]

LIST_MARGIN_MS: Final = 300_000
"""Lists begin this much before the time asked for, because clocks differ."""

Value = Literal["id", "sent_ms", "window_ms", "sent text", "window text", "deadline"]
"""What a parameter of `create_order` carries; `deadline` is the end of the window, in whole seconds (RFC 3339)."""


class Call(msgspec.Struct, frozen=True):
    """One call of a ccxt method. `lists` says that the answer is a list, in which our id is to be looked for.

    A list of `full` orders or more may go on elsewhere: without ours among them it proves nothing.
    """

    method: str
    arguments: tuple[Any, ...] = ()
    params: Mapping[str, Any] = {}
    lists: bool = False
    full: int | None = None


class Step(msgspec.Struct, frozen=True):
    """How a row names an order to a ccxt method.

    "client id" puts our id into the parameter `field`, "client id as id" in the place of the exchange's id, and
    "exchange id" needs that one. "list" asks for at most `limit` orders, "list since" for those since a time, both
    narrowed down by `field` if there is one.
    """

    method: str
    by: Literal["client id", "client id as id", "exchange id", "list", "list since"]
    field: str = ""
    limit: int | None = None


BY_CLIENT_ID: Final = Step("fetch_order", "client id", "clientOrderId")
BY_EXCHANGE_ID: Final = Step("fetch_order", "exchange id")


class Venue(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange. `valid_ms` bounds a signed request, `grace_ms` how long an accepted order may stay invisible.

    `orders` is off for exchanges that can be followed but not traded at: no row says how their orders are looked up.
    `clock` says where the time that a request is signed with comes from: the parameters of the call, or a method of the
    ccxt instance, asked after ccxt's own rate limiter (then the window begins when that one lets the request go).
    `unique` is what the exchange does with an id that it has seen: refuses it while the first order is open, refuses it
    for good, gives the first order back, or nobody knows. `market_buy_by_base` is whether a market order to buy can name
    the quantity to be bought; where it cannot, such an order must not reach ccxt.
    """

    id: str
    orders: bool = True
    valid_ms: int = 5_000
    grace_ms: int = 30_000
    clock: Literal["params", "nonce", "seconds"] = "params"
    create_fields: Mapping[str, Value] = {"clientOrderId": "id"}
    id_prefix: str = ""
    id_pattern: str = "[A-Za-z0-9]{1,18}"
    unique: Literal["open", "ever", "idempotent", "unknown"] = "unknown"
    look_steps: tuple[Step, ...] = (BY_CLIENT_ID,)
    cancel_step: Step = Step("cancel_order", "client id", "clientOrderId")
    market_buy_by_base: bool = True
    refusals: frozenset[str] = frozenset()
    code_paths: tuple[str, ...] = ("code",)
    reason_paths: tuple[str, ...] = ("msg",)
    options: Mapping[str, Any] = {}
    urls: Mapping[str, Any] = {}

    def create_params(self, client_order_id: str, signed_ms: int) -> dict[str, Any]:
        """Give the extra parameters of `create_order`: our id, the time it is signed with and its window."""
        deadline = datetime.fromtimestamp((signed_ms + self.valid_ms) // 1_000, UTC)
        values: dict[Value, str | int] = {
            "id": self.id_prefix + client_order_id,
            "sent_ms": signed_ms,
            "window_ms": self.valid_ms,
            "sent text": str(signed_ms),
            "window text": str(self.valid_ms),
            "deadline": deadline.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return {name: values[value] for name, value in self.create_fields.items()}

    def look_ups(
        self, symbol: str, client_order_id: str, exchange_order_id: str | None, since_ms: int
    ) -> tuple[Call, ...]:
        """Give the calls that look an order up, to be made in turn until one finds it; `since_ms` bounds lists.

        The order is unknown to the exchange only if every one of them was answered and none found it.
        """
        since_ms = max(since_ms - LIST_MARGIN_MS, 0)
        steps = self.look_steps
        if exchange_order_id is None:
            steps = tuple(step for step in steps if step.by != "exchange id")
        return tuple(self._call(step, symbol, client_order_id, exchange_order_id, since_ms) for step in steps)

    def cancel(self, symbol: str, client_order_id: str, exchange_order_id: str | None) -> Call:
        """Give the call that cancels an order."""
        return self._call(self.cancel_step, symbol, client_order_id, exchange_order_id, 0)

    @property
    def cancels_by_exchange_id(self) -> bool:
        """Tell whether an order can be cancelled only after its exchange id was looked up."""
        return self.cancel_step.by == "exchange id"

    def own_id(self, reported: str | None) -> str | None:
        """Give a client order id as we wrote it, from what the exchange reports."""
        return None if reported is None else reported.removeprefix(self.id_prefix)

    def refusal(self, status: int, body: str) -> Rejected | None:
        """Give the exchange's own proof that it did not take an order, if an error body is one (by its code)."""
        return refusals.read_refusal(self.refusals, self.code_paths, self.reason_paths, status, body)

    def config(self) -> dict[str, Any]:
        """Give what the ccxt constructor must be told: options and addresses; neither keys nor retries."""
        told: dict[str, Any] = {"options": {**_STREAM_OPTIONS, **self.options}}
        if self.orders:
            told["options"].setdefault("defaultType", "spot")
            told["has"] = {"fetchCurrencies": False}  # a signed call at most of them, for what nobody here needs
        if self.urls:
            told["urls"] = {"api": self.urls}
        fresh: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
        return fresh

    def _call(
        self, step: Step, symbol: str, client_order_id: str, exchange_order_id: str | None, since_ms: int
    ) -> Call:
        own_id = self.id_prefix + client_order_id
        params = {step.field: own_id} if step.field else {}
        match step.by:
            case "client id":
                return Call(step.method, (None, symbol), params)
            case "client id as id":
                return Call(step.method, (own_id, symbol))
            case "exchange id":
                assert exchange_order_id is not None, f"{self.id} needs the exchange's order id: look it up first"
                return Call(step.method, (exchange_order_id, symbol))
            case "list" | "list since":
                since = since_ms if step.by == "list since" else None
                return Call(step.method, (symbol, since, step.limit), params, lists=True, full=step.limit)


_STREAM_OPTIONS: Final = {"ordersLimit": 1_000, "tradesLimit": 1_000, "OHLCVLimit": 1_000}
_SPOT: Final = {"fetchMarkets": {"types": ["spot"]}}
_BINANCE_OPTIONS: Final = {**_SPOT, "fetchCurrencies": False, "fetchMargins": False, "recvWindow": 5_000}
# Addresses of binance.com that ccxt gives binanceus by inheritance; emptied, because keys must never go there.
_BINANCEUS_URLS: Final[dict[str, Any]] = {
    **dict.fromkeys(["sapiV4", "papi", "papiV2", "eapiPublic", "eapiPrivate", "fapiData", "dapiData"]),
    **dict.fromkeys(["fapiPublic", "fapiPublicV2", "fapiPublicV3", "fapiPrivate", "fapiPrivateV2", "fapiPrivateV3"]),
    **dict.fromkeys(["dapiPublic", "dapiPrivate", "dapiPrivateV2"]),
    "ws": {
        **dict.fromkeys(["margin", "linear", "inverse", "stock", "option", "optionMarket", "optionPrivate", "papi"]),
        "ws-api": {"spot": "wss://ws-api.binance.us:443/ws-api/v3", "linear": None, "inverse": None},
    },
}


def _rows() -> Iterator[Venue]:
    # Binance says that timestamp + recvWindow is checked again by the matching engine [D]; its American sister runs the
    # same rules [unverified]. An id is refused only while the order that has it is open [D].
    binance = Venue(
        id="binance",
        valid_ms=5_000,
        create_fields={"clientOrderId": "id", "timestamp": "sent_ms", "recvWindow": "window_ms"},
        id_pattern="[.A-Z:/a-z0-9_-]{1,36}",
        unique="open",
        refusals=refusals.BINANCE,
        options=_BINANCE_OPTIONS,
    )
    yield binance
    yield msgspec.structs.replace(binance, id="binanceus", id_pattern="[A-Za-z0-9_-]{1,36}", urls=_BINANCEUS_URLS)
    # The matching engine itself refuses after `deadline`, which must lie 2 (older pages: 5) to 60 seconds ahead [D].
    # ccxt would send our id as `userref` to QueryOrders; the two lists take it as cl_ord_id, 50 closed orders a page.
    yield Venue(
        id="kraken",
        valid_ms=10_000,
        grace_ms=60_000,
        create_fields={"clientOrderId": "id", "deadline": "deadline"},
        id_pattern="[ -~]{1,18}",
        unique="open",
        look_steps=(
            BY_EXCHANGE_ID,
            Step("fetch_open_orders", "list", "clientOrderId"),
            Step("fetch_closed_orders", "list since", "clientOrderId", 50),
        ),
        refusals=refusals.KRAKEN,
        code_paths=("error.*",),
        reason_paths=("error.*",),
    )
    # A token is good for 120 seconds (ccxt writes them), the older keys for 30 [D]. The charset of ids is published
    # nowhere [unverified]. ccxt drops the unified name. A market buy takes money only, in ccxt.
    yield Venue(
        id="coinbase",
        valid_ms=120_000,
        grace_ms=60_000,
        clock="seconds",
        create_fields={"client_order_id": "id"},
        id_pattern="[A-Za-z0-9_-]{1,36}",
        unique="idempotent",
        look_steps=(BY_EXCHANGE_ID, Step("fetch_orders", "list since", limit=1_000)),
        cancel_step=Step("cancel_order", "exchange id"),
        market_buy_by_base=False,
        refusals=refusals.COINBASE,
        code_paths=("error_response.error", "errors.*.id", "error"),
        reason_paths=("error_response.message", "error_response.error", "errors.*.message", "message", "error"),
        options={"createMarketBuyOrderRequiresPrice": True},
    )
    # Time stamps may be 5 seconds off [unverified, twice that stands here]. Whether an id may come again after its
    # order ended is said nowhere. Orders are taken before they are matched: a look-up may come too early.
    yield Venue(
        id="kucoin",
        valid_ms=10_000,
        clock="nonce",
        id_pattern="[A-Za-z0-9_-]{1,40}",
        unique="unknown",
        refusals=refusals.KUCOIN,
        options={**_SPOT, "uta": False, "hf": True},
    )
    # A request expires 30 seconds after its time stamp [D]. The header expTime would be tighter; ccxt cannot send it.
    # Cancelled orders without a fill are forgotten after two hours [unverified]: by then nothing was bought or sold.
    yield Venue(
        id="okx",
        valid_ms=30_000,
        clock="nonce",
        id_pattern="[A-Za-z0-9]{1,32}",
        unique="open",
        refusals=refusals.OKX,
        code_paths=("data.*.sCode", "code"),
        reason_paths=("data.*.sMsg", "msg"),
        options={**_SPOT, "createOrder": "privatePostTradeOrder", "tgtCcy": "base_ccy"},
    )
    # recv_window, measured at their door. Ids of ended orders are free again after 360 days [D]. Accounts are taken to
    # be unified, as all are by now [unverified], or ccxt would ask before the first order. An order that was
    # acknowledged may still be refused: look it up.
    yield Venue(
        id="bybit",
        valid_ms=5_000,
        clock="nonce",
        create_fields={"orderLinkId": "id"},
        id_pattern="[A-Za-z0-9_-]{1,36}",
        unique="ever",
        look_steps=(
            Step("fetch_open_orders", "list", "orderLinkId", 50),
            Step("fetch_canceled_and_closed_orders", "list since", "orderLinkId", 50),
        ),
        cancel_step=Step("cancel_order", "client id", "orderLinkId"),
        refusals=refusals.BYBIT,
        code_paths=("retCode", "ret_code"),
        reason_paths=("retMsg", "ret_msg"),
        options={
            "fetchMarkets": {"types": ["spot"], "usePrivateInstrumentsInfo": False},
            "enableUnifiedMargin": False,
            "enableUnifiedAccount": True,
            "unifiedMarginStatus": 6,
            "recvWindow": 5_000,
        },
    )
    # Time stamps may be 60 seconds off [D]; the header x-gate-exptime would be tighter, ccxt cannot send it. Our id is
    # a name of the order until one hour after its end [D], then it stands in the list only. A market buy takes money.
    yield Venue(
        id="gate",
        valid_ms=60_000,
        grace_ms=60_000,
        clock="nonce",
        id_prefix="t-",
        id_pattern="t-[A-Za-z0-9_.-]{1,28}",
        unique="unknown",
        look_steps=(
            BY_EXCHANGE_ID,
            Step("fetch_order", "client id as id"),
            Step("fetch_closed_orders", "list since", limit=100),
        ),
        cancel_step=Step("cancel_order", "client id as id"),
        market_buy_by_base=False,
        refusals=refusals.GATE,
        code_paths=("label",),
        reason_paths=("message", "detail", "label"),
        options={**_SPOT, "unifiedAccount": False, "createMarketBuyOrderRequiresPrice": True},
    )
    # receiveWindow counts from requestTime to their door [D]; a time stamp is good for 30 seconds anyway [D]. A market
    # buy takes money. Unified accounts are refused there by 40085, since ccxt is told not to ask which kind it is.
    yield Venue(
        id="bitget",
        valid_ms=30_000,
        create_fields={"clientOrderId": "id", "requestTime": "sent text", "receiveWindow": "window text"},
        id_pattern="[A-Za-z0-9_-]{1,50}",
        unique="unknown",
        market_buy_by_base=False,
        refusals=refusals.BITGET,
        options={**_SPOT, "uta": False, "createOrder": {"createMarketBuyOrderRequiresPrice": True}},
    )


VENUES: Final = {venue.id: venue for venue in _rows()}
"""Every exchange that can be traded at, by its id."""


def venue_of(exchange: str) -> Venue:
    """Find an exchange by the name a user wrote; `orders` is off if it can be used on paper only.

    Raises:
        ConfigError: there is no such exchange; names near ones.
    """
    name = canonical_name(exchange)
    if name in VENUES:
        return VENUES[name]
    if name in STREAMING:
        return Venue(id=name, orders=False)
    near = near_names(exchange, STREAMING)
    hint = f"did you mean {' or '.join(near)}?" if near else f"among those known are {', '.join(sorted(VENUES))}"
    raise ConfigError(f"exchange is {shown_name(exchange)}: no such exchange is known; {hint}")


def live_venue_of(exchange: str) -> Venue:
    """Find an exchange to trade at.

    Raises:
        ConfigError: there is no such exchange, or its orders cannot be looked up safely; names those that can.
    """
    venue = venue_of(exchange)
    if not venue.orders:
        near = near_names(exchange, frozenset(VENUES))
        hint = f"did you mean {' or '.join(near)}? Live trading knows" if near else "live trading knows"
        raise ConfigError(
            f"exchange is {shown_name(exchange)}: it can be used with paper trading only; {hint} "
            f"{', '.join(sorted(VENUES))}"
        )
    return venue
