"""The names of exchanges: those that ccxt knows with streams, those without spot markets, and those users know them by.

Owns the lists, as data, so that a name can be judged without loading ccxt. The tests hold them against the real ccxt.
"""

from difflib import get_close_matches
from typing import Final

TESTED_CCXT: Final = "4.5.90"
"""The version of ccxt that these names and the rows of venues.py were held against."""

ALIASES: Final = {
    "binance_us": "binanceus",
    "binance-us": "binanceus",
    "binance.us": "binanceus",
    "binance.com": "binance",
    "coinbasepro": "coinbase",
    "coinbase_pro": "coinbase",
    "coinbase-pro": "coinbase",
    "coinbaseadvanced": "coinbase",
    "coinbase_advanced": "coinbase",
    "coinbase-advanced": "coinbase",
    "gateio": "gate",
    "gate.io": "gate",
    "gate_io": "gate",
    "huobi": "htx",
    "okex": "okx",
    "okex5": "okx",
    "okx5": "okx",
    "crypto.com": "cryptocom",
    "crypto_com": "cryptocom",
}
"""Names that users know, and the ids that ccxt uses now."""

STREAMING: Final = frozenset(
    """
    alpaca apex aster backpack bequant binance binancecoinm binanceus binanceusdm bingx bitfinex bitget bithumb bitopro
    bitrue bitstamp bittrade bitvavo blockchaincom blofin bullish bybit bybiteu bybitid bydfi cex coinbase
    coinbaseexchange coinbaseinternational coincheck coinone cryptocom deepcoin deribit derive dydx extended gate gateeu
    gemini grvt hashkey hitbtc hollaex htx hyperliquid independentreserve kraken krakenfutures kucoin kucoinfutures
    lbank lighter luno mexc modetrade mudrex myokx nado ndax okx okxus onetrading p2b pacifica paradex phemex poloniex
    polymarket toobit upbit weex whitebit woo woofipro xt
    """.split()  # noqa: SIM905 - a list that is read and compared, not edited
)
"""What `ccxt.pro` of the tested version has: the exchanges whose market data can be followed."""

WITHOUT_SPOT: Final = frozenset(
    """
    apex binancecoinm binanceusdm blofin bydfi dydx extended grvt krakenfutures kucoinfutures modetrade mudrex paradex
    polymarket woofipro
    """.split()  # noqa: SIM905 - a list that is read and compared, not edited
)
"""Those of them of which ccxt says that they have no spot market: nothing is traded there."""

_SHOWN_LENGTH: Final = 40


def canonical_name(name: str) -> str:
    """Give the id that ccxt uses for an exchange, whatever a user calls it; other names in small letters."""
    plain = name.strip().lower()
    return ALIASES.get(plain, plain)


def shown_name(name: str) -> str:
    """Give a name as it may stand in a sentence, however long it is."""
    return repr(name if len(name) <= _SHOWN_LENGTH else name[:_SHOWN_LENGTH] + "...")


def near_names(name: str, known: frozenset[str]) -> list[str]:
    """Give up to three of the known names that are like another one, the nearest first."""
    spelled = {known_name: known_name for known_name in known}
    spelled |= {alias: target for alias, target in ALIASES.items() if target in known}
    near = get_close_matches(name.strip().lower()[:_SHOWN_LENGTH], sorted(spelled), n=5, cutoff=0.6)
    return list(dict.fromkeys(spelled[each] for each in near))[:3]
