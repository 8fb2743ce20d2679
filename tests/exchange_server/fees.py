"""What a trade costs: the rate, the asset it is taken in, and what has to be set aside for it.

Owns the rounding of commissions. Never moves a balance.
"""

from collections.abc import Mapping
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from tests.exchange_server.accounts import ZERO, Account
from tests.exchange_server.book import Side
from tests.exchange_server.market import Market

_EIGHT = Decimal("1e-8")


def spent_asset(market: Market, side: Side) -> str:
    """Name the asset that an order of this side gives away."""
    return market.rules.quote if side == "BUY" else market.rules.base


def received_asset(market: Market, side: Side) -> str:
    """Name the asset that an order of this side brings."""
    return market.rules.base if side == "BUY" else market.rules.quote


def named_fee_asset(account: Account, market: Market, side: Side) -> str:
    """Name the asset that the account's script wants fees to be taken in."""
    sides = {"received": received_asset(market, side), "quote": market.rules.quote, "base": market.rules.base}
    return sides.get(account.script.fee_asset, account.script.fee_asset)


def fee_on_top(account: Account, market: Market, side: Side, principal: Decimal) -> Decimal:
    """Give what must be set aside besides the principal: the fee, if it is taken in the asset that is spent."""
    if named_fee_asset(account, market, side) != spent_asset(market, side):
        return ZERO
    rate = max(account.script.maker_rate, account.script.taker_rate)
    return (principal * rate).quantize(_EIGHT, ROUND_UP)


def commission(
    account: Account,
    market: Market,
    markets: Mapping[str, Market],
    side: Side,
    price: Decimal,
    quantity: Decimal,
    *,
    is_maker: bool,
) -> tuple[str, Decimal]:
    """Give asset and amount of a trade's commission; instead of an asset that the account lacks, the received one."""
    rate = account.script.maker_rate if is_maker else account.script.taker_rate
    asset = named_fee_asset(account, market, side)
    in_quote = price * quantity * rate
    if asset not in {market.rules.base, market.rules.quote}:
        other = markets.get(asset + market.rules.quote)
        if other is not None:
            amount = (in_quote / other.price).quantize(_EIGHT, ROUND_DOWN)
            if account.has(asset) >= amount:
                return asset, amount
        asset = received_asset(market, side)
    amount = in_quote if asset == market.rules.quote else quantity * rate
    return asset, amount.quantize(_EIGHT, ROUND_DOWN)
