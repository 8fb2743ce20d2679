"""The filters of a market: how they are told and what does not pass them.

Owns both, so that what exchangeInfo promises is what a new order meets.
"""

from decimal import Decimal

from tests.exchange_server.errors import ApiError, filter_failure
from tests.exchange_server.orders import Wish
from tests.exchange_server.script import MarketScript

MAX_PRICE = Decimal(1_000_000)
PRECISION = 8
_BID = (Decimal(5), Decimal("0.2"))
_ASK = (Decimal(5), Decimal("0.2"))


def filter_rows(rules: MarketScript) -> list[dict[str, object]]:
    """Tell the filters of a market as exchangeInfo does."""
    lot = {"minQty": eight(rules.min_quantity), "maxQty": eight(rules.max_quantity), "stepSize": eight(rules.step)}
    notional: dict[str, object] = {"minNotional": eight(rules.min_notional), "avgPriceMins": 5}
    if rules.notional_filter == "NOTIONAL":
        notional |= {"applyMinToMarket": True, "maxNotional": "9000000.00000000", "applyMaxToMarket": False}
    else:
        notional |= {"applyToMarket": True}
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": eight(rules.tick),
            "maxPrice": eight(MAX_PRICE),
            "tickSize": eight(rules.tick),
        },
        {"filterType": "LOT_SIZE", **lot},
        {"filterType": "MARKET_LOT_SIZE", **lot, "minQty": eight(Decimal(0)), "stepSize": eight(Decimal(0))},
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": str(_BID[0]),
            "bidMultiplierDown": str(_BID[1]),
            "askMultiplierUp": str(_ASK[0]),
            "askMultiplierDown": str(_ASK[1]),
            "avgPriceMins": 5,
        },
        {"filterType": rules.notional_filter, **notional},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.max_open_orders},
    ]


def check_filters(wish: Wish, rules: MarketScript, average: Decimal, open_orders: int) -> None:
    """Raise the refusal of the first filter that an order does not pass."""
    for name, value in (("price", wish.price), ("quantity", wish.quantity), ("quoteOrderQty", wish.quote_quantity)):
        if value is not None and _has_too_much_precision(value):
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.")
        if value is not None and value <= 0:
            raise ApiError(-1013, f"Invalid {name}.")
    if wish.price is not None:
        _check_price(wish.price, wish, rules, average)
    if wish.quantity is not None:
        fits = rules.min_quantity <= wish.quantity <= rules.max_quantity and wish.quantity % rules.step == 0
        if not fits:
            raise filter_failure("LOT_SIZE")
    notional = wish.quote_quantity
    if notional is None:
        assert wish.quantity is not None, wish
        notional = wish.quantity * (wish.price or average)
    if notional < rules.min_notional:
        raise filter_failure(rules.notional_filter)
    if open_orders >= rules.max_open_orders:
        raise filter_failure("MAX_NUM_ORDERS")


def eight(amount: Decimal) -> str:
    """Write an amount as the exchange does, with eight decimals."""
    return f"{amount:.8f}"


def _check_price(price: Decimal, wish: Wish, rules: MarketScript, average: Decimal) -> None:
    if not rules.tick <= price <= MAX_PRICE or price % rules.tick:
        raise filter_failure("PRICE_FILTER")
    up, down = _BID if wish.side == "BUY" else _ASK
    if not average * down <= price <= average * up:
        raise filter_failure("PERCENT_PRICE_BY_SIDE")


def _has_too_much_precision(value: Decimal) -> bool:
    exponent = value.normalize().as_tuple().exponent
    assert isinstance(exponent, int), value
    return -exponent > PRECISION
