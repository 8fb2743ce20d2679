"""Which market a symbol means at an exchange, from the markets that the library has loaded.

Owns the sentence about a symbol that the exchange does not have. Never asks an exchange anything.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from engine.core.errors import ConfigError

_SHOWN: Final = 3


def spot_market(markets: Mapping[str, Any], symbol: str, exchange: str) -> Mapping[str, Any]:
    """Give the spot market of a symbol.

    Raises:
        ConfigError: there is none; names near ones.
    """
    found: Mapping[str, Any] | None = markets.get(symbol)
    if found is None:
        spots = [name for name, one in markets.items() if one.get("spot")]
        near = ", ".join(get_close_matches(symbol, spots, _SHOWN, 0.6))
        hint = f"did you mean {near}?" if near else f"it has {len(spots)} others, such as {', '.join(spots[:_SHOWN])}."
        raise ConfigError(f"symbol is {symbol!r}: {exchange} has no such market; {hint}")
    if not found.get("spot"):
        raise ConfigError(
            f"symbol is {symbol!r}: that is no spot market of {exchange}; choose one, only spot is traded."
        )
    return found


def some_symbol(markets: Mapping[str, Any]) -> str:
    """Give a symbol to ask for when all that matters is whether an answer comes: the first spot market that trades."""
    spots = (name for name, one in markets.items() if one.get("spot") and one.get("active") is not False)
    return next(spots, next(iter(markets)))
