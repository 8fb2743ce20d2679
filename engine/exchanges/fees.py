"""What fees are worth in quote: in the pair's own assets by the trade itself, in others by the prices of their markets.

Owns those prices, which it keeps for a minute, and how long a price that does not come is waited for. A fee that
nothing can value is worth nothing in the books and is marked: the trade itself must not wait for ever.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from engine.core.errors import ConfigError, RateLimitedError, UnreachableError, UnreadableTradeError
from engine.core.units import ZERO
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.port import Fill
from engine.exchanges.readings import RawTrade, added, crossed, inverse, worth

KEPT_MS: Final = 60_000
TRIES: Final = 3
PATIENCE_MS: Final = 30_000
"""A price is asked for at least three times and so long; then the last one that was known serves, or none."""

CROSSES: Final = ("USDT", "USD", "BTC")
Step = tuple[str, bool]
"""A market, and whether its price is to be inverted."""


class Fees:
    """The values of fees at one exchange."""

    def __init__(self, connection: CcxtConnection) -> None:
        """Take the connection that is asked for prices."""
        self._connection: Final = connection
        self._rates: Final[dict[tuple[str, str], tuple[int, Decimal]]] = {}
        self._failed: Final[dict[tuple[str, str], tuple[int, int]]] = {}

    async def fill(self, symbol: str, trade: RawTrade) -> Fill:
        """Give a trade with its fee valued.

        Raises UnreachableError if that cannot be done now, but may be later, and UnreadableTradeError if the fee took
        more base than was traded, or gave more.
        """
        market = self._connection.market(symbol)
        assert market is not None, symbol
        base, quote = str(market["base"]), str(market["quote"])
        if abs(trade.fees.get(base, ZERO)) > trade.quantity:
            fee, traded = f"{trade.fees[base]:f} {base}", f"{trade.quantity:f} {base}"
            raise UnreadableTradeError(f"The exchange tells of a fee of {fee} for a trade of {traded}.")
        values: dict[str, Decimal | None] = {}
        for asset, cost in trade.fees.items():
            rate = trade.price if asset == base else await self._rate(asset, quote)
            values[asset] = None if rate is None else worth(cost, rate)
        known = {asset: value for asset, value in values.items() if value is not None}
        most = max(values, key=lambda asset: abs(known.get(asset, ZERO)), default=quote)
        fee_asset = next((asset for asset in (base, quote) if asset in values), most)
        return Fill(
            trade_id=trade.trade_id,
            price=trade.price,
            quantity=trade.quantity,
            fee=trade.fees.get(fee_asset, ZERO),
            fee_asset=fee_asset,
            fee_quote=added(list(known.values())),
            liquidity=trade.liquidity,
            is_valued=len(known) == len(values),
        )

    async def _rate(self, asset: str, quote: str) -> Decimal | None:
        """Give what one unit of an asset is worth in quote; None if nothing tells, not even later."""
        if asset == quote:
            return Decimal(1)
        pair, now_ms = (asset, quote), self._connection.clock_ms()
        kept = self._rates.get(pair)
        if kept is not None and 0 <= now_ms - kept[0] < KEPT_MS:
            return kept[1]
        way = next(self._ways(asset, quote), None)
        if way is None:
            return None
        try:
            rate = crossed([await self._asked(step) for step in way])
        except RateLimitedError:
            raise
        except (UnreachableError, ConfigError):
            tries, since_ms = self._failed.get(pair, (0, now_ms))
            self._failed[pair] = (tries + 1, since_ms)
            if tries + 1 < TRIES or now_ms - since_ms < PATIENCE_MS:
                raise
            return None if kept is None else kept[1]
        self._failed.pop(pair, None)
        self._rates[pair] = (now_ms, rate)
        return rate

    def _ways(self, asset: str, quote: str) -> Iterator[tuple[Step, ...]]:
        """Find how to get from an asset to quote: by a market of the two, or by two markets with one in between."""
        direct = self._step(asset, quote)
        if direct is not None:
            yield (direct,)
        for middle in CROSSES:
            first, second = self._step(asset, middle), self._step(middle, quote)
            if first is not None and second is not None:
                yield (first, second)

    def _step(self, one: str, other: str) -> Step | None:
        for symbol, is_inverse in ((f"{one}/{other}", False), (f"{other}/{one}", True)):
            market = self._connection.market(symbol)
            if market is not None and market.get("spot") and market.get("active") is not False:
                return symbol, is_inverse
        return None

    async def _asked(self, step: Step) -> Decimal:
        last = (await self._connection.ticker(step[0])).last
        return inverse(last) if step[1] else last
