"""What fees are worth in quote: in the pair's own assets by the trade itself, in a third asset by that asset's price.

Owns the prices of third assets, which it keeps for a minute. A fee that cannot be valued is a fault, never a zero.
"""

from decimal import Decimal
from typing import Final

from engine.core.errors import UnreachableError
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.port import Fill
from engine.exchanges.readings import RawTrade, in_quote, inverse

KEPT_MS: Final = 60_000


class Fees:
    """The values of fees at one exchange."""

    def __init__(self, connection: CcxtConnection) -> None:
        """Take the connection that is asked for prices."""
        self._connection: Final = connection
        self._rates: Final[dict[tuple[str, str], tuple[int, Decimal]]] = {}

    async def fill(self, symbol: str, trade: RawTrade) -> Fill:
        """Give a trade with its fee valued. Raises UnreachableError if that cannot be done now."""
        market = self._connection.market(symbol)
        assert market is not None, symbol
        base, quote = str(market["base"]), str(market["quote"])
        is_third = bool(trade.fee) and trade.fee_asset not in {base, quote}
        rate = await self._rate(trade.fee_asset, quote) if is_third else None
        return Fill(
            trade_id=trade.trade_id,
            price=trade.price,
            quantity=trade.quantity,
            fee=trade.fee,
            fee_asset=trade.fee_asset,
            fee_quote=in_quote(trade, base, quote, rate),
            liquidity=trade.liquidity,
        )

    async def _rate(self, asset: str, quote: str) -> Decimal:
        now_ms = self._connection.clock_ms()
        kept = self._rates.get((asset, quote))
        if kept is not None and 0 <= now_ms - kept[0] < KEPT_MS:
            return kept[1]
        rate = await self._asked(asset, quote)
        self._rates[asset, quote] = (now_ms, rate)
        return rate

    async def _asked(self, asset: str, quote: str) -> Decimal:
        for symbol, is_inverse in ((f"{asset}/{quote}", False), (f"{quote}/{asset}", True)):
            market = self._connection.market(symbol)
            if market is not None and market.get("spot"):
                last = (await self._connection.ticker(symbol)).last
                return inverse(last) if is_inverse else last
        raise UnreachableError(f"A fee was taken in {asset}, which has no market against {quote} to value it by.")
