"""What each exchange does with client order ids and late requests, and how ccxt is told: one row per exchange.

Owns the capability table that the order protocol rests on. Pure data and functions: never imports ccxt, never sends
anything. `has` flags of ccxt say none of this, so the table is held against recorded requests at every change of ccxt
(tests/exchanges/test_wire.py). In comments, [D] is said by the exchange's own pages, [unverified] by none that we read;
then the longer time or the weaker promise stands here.
Source: design, "Order protocol".
"""

from typing import Any, Final

import msgspec

from engine.core.errors import ConfigError
from engine.exchanges import refusals
from engine.exchanges.venue import BY_EXCHANGE_ID, Call, Pages, Step, Venue
from engine.exchanges.venue_names import ALIASES, STREAMING, WITHOUT_SPOT, canonical_name, near_names, shown_name

__all__ = ["ALIASES", "VENUES", "Call", "Pages", "Venue", "live_venue_of", "venue_of"]

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


# timestamp + recvWindow is checked at the door and once more before a request is handed to the matching engine [D]; the
# American sister is taken to do the same [unverified]. An id is refused only while the order that has it is open [D].
_BINANCE: Final = Venue(
    id="binance",
    valid_ms=5_000,
    create_fields={"clientOrderId": "id", "timestamp": "sent_ms", "recvWindow": "window_ms"},
    id_pattern="[.A-Z:/a-z0-9_-]{1,36}",
    unique="open",
    pages=Pages("next id", "fromId", 1_000, order="orderId", is_exact=True),
    refusals=refusals.BINANCE,
    options=_BINANCE_OPTIONS,
)
_BINANCEUS: Final = msgspec.structs.replace(
    _BINANCE, id="binanceus", id_pattern="[A-Za-z0-9_-]{1,36}", urls=_BINANCEUS_URLS
)

# The matching engine itself refuses after `deadline`, which must lie 2 (older pages: 5) to 60 seconds ahead [D].
# ccxt would send our id as `userref` to QueryOrders; the two lists take it as cl_ord_id, 50 closed orders a page.
_KRAKEN: Final = Venue(
    id="kraken",
    valid_ms=10_000,
    grace_ms=60_000,
    time_step_ms=1_000,
    create_fields={"clientOrderId": "id", "deadline": "deadline"},
    id_pattern="[ -~]{1,18}",
    unique="open",
    look_steps=(
        BY_EXCHANGE_ID,
        Step("fetch_open_orders", "list", "clientOrderId"),
        Step("fetch_closed_orders", "list since", "clientOrderId", 50),
    ),
    pages=Pages("offset", "ofs", mixed=True),
    refusals=refusals.KRAKEN,
    code_paths=("error.*",),
    reason_paths=("error.*",),
)

# A token is good for 120 seconds (ccxt writes them), the older keys for 30 [D]. The charset of ids is published
# nowhere [unverified]. ccxt drops the unified name. A market buy takes money only, in ccxt.
_COINBASE: Final = Venue(
    id="coinbase",
    valid_ms=120_000,
    grace_ms=60_000,
    clock="seconds",
    time_step_ms=1_000,
    create_fields={"client_order_id": "id"},
    id_pattern="[A-Za-z0-9_-]{1,36}",
    unique="idempotent",
    look_steps=(BY_EXCHANGE_ID, Step("fetch_orders", "list since", limit=1_000)),
    cancel_step=Step("cancel_order", "exchange id"),
    market_buy_by_base=False,
    pages=Pages("cursor", "cursor", 100, key="cursor"),
    refusals=refusals.COINBASE,
    code_paths=("error_response.error", "errors.*.id", "error"),
    reason_paths=("error_response.message", "error_response.error", "errors.*.message", "message", "error"),
    options={"createMarketBuyOrderRequiresPrice": True},
)

# Time stamps may be 5 seconds off [unverified, twice that stands here]. Whether an id may come again after its
# order ended is said nowhere. Orders are taken before they are matched: a look-up may come too early.
_KUCOIN: Final = Venue(
    id="kucoin",
    valid_ms=10_000,
    clock="nonce",
    create_fields={"clientOrderId": "id"},
    id_pattern="[A-Za-z0-9_-]{1,40}",
    unique="unknown",
    pages=Pages("older id", "lastId", 100, key="id", order="orderId"),
    refusals=refusals.KUCOIN,
    options={**_SPOT, "uta": False, "hf": True},
)

# A request expires 30 seconds after its time stamp [D]. The header expTime would be tighter; ccxt cannot send it.
# Cancelled orders without a fill are forgotten after two hours [unverified]: by then nothing was bought or sold.
_OKX: Final = Venue(
    id="okx",
    valid_ms=30_000,
    clock="nonce",
    create_fields={"clientOrderId": "id"},
    id_pattern="[A-Za-z0-9]{1,32}",
    unique="open",
    pages=Pages("older id", "after", 100, key="billId", order="ordId"),
    refusals=refusals.OKX,
    code_paths=("data.*.sCode", "code"),
    reason_paths=("data.*.sMsg", "msg"),
    options={**_SPOT, "createOrder": "privatePostTradeOrder", "tgtCcy": "base_ccy"},
)

# recv_window, measured at their door. Ids of ended orders are free again after 360 days [D]. Accounts are taken to
# be unified, as all are by now [unverified], or ccxt would ask before the first order. An order that was
# acknowledged may still be refused: look it up.
_BYBIT: Final = Venue(
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
    pages=Pages("cursor", "cursor", 100, key="nextPageCursor", order="orderId"),
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
_GATE: Final = Venue(
    id="gate",
    valid_ms=60_000,
    grace_ms=60_000,
    clock="nonce",
    create_fields={"clientOrderId": "id"},
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
    pages=Pages("page", "page", 1_000, order="order_id"),
    refusals=refusals.GATE,
    code_paths=("label",),
    reason_paths=("message", "detail", "label"),
    options={**_SPOT, "unifiedAccount": False, "createMarketBuyOrderRequiresPrice": True},
)

# receiveWindow counts from requestTime to their door [D]; a time stamp is good for 30 seconds anyway [D]. A market
# buy takes money. Unified accounts are refused there by 40085, since ccxt is told not to ask which kind it is. A
# look-up by our id that finds nothing may be answered by an empty list, which ccxt fails to read: hence the lists.
_BITGET: Final = Venue(
    id="bitget",
    valid_ms=30_000,
    create_fields={"clientOrderId": "id", "requestTime": "sent text", "receiveWindow": "window text"},
    id_pattern="[A-Za-z0-9_-]{1,50}",
    unique="unknown",
    look_steps=(
        BY_EXCHANGE_ID,
        Step("fetch_open_orders", "list", limit=100),
        Step("fetch_canceled_and_closed_orders", "list since", limit=100),
    ),
    market_buy_by_base=False,
    pages=Pages("older id", "idLessThan", 100, key="tradeId", order="orderId"),
    refusals=refusals.BITGET,
    options={**_SPOT, "uta": False, "createOrder": {"createMarketBuyOrderRequiresPrice": True}},
)

VENUES: Final = {
    venue.id: venue for venue in (_BINANCE, _BINANCEUS, _KRAKEN, _COINBASE, _KUCOIN, _OKX, _BYBIT, _GATE, _BITGET)
}
"""Every exchange that can be traded at, by its id."""


def venue_of(exchange: str) -> Venue:
    """Find an exchange by the name a user wrote; `orders` is off if it can be used on paper only.

    Raises:
        ConfigError: there is no such exchange, or it has no spot market; names near ones.
    """
    name = canonical_name(exchange)
    if name in VENUES:
        return VENUES[name]
    if name in WITHOUT_SPOT:
        near = near_names(exchange, STREAMING - WITHOUT_SPOT)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose another, such as {', '.join(sorted(VENUES))}"
        raise ConfigError(f"exchange is {shown_name(exchange)}: it has no spot market, and only spot is traded; {hint}")
    if name in STREAMING:
        return Venue(id=name, orders=False)
    near = near_names(exchange, STREAMING - WITHOUT_SPOT)
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
