"""What a bot sees of its market: the fold of a feed stream.

A bare price overwrites the one before it; nothing reads history off it.
"""

import msgspec
from msgspec.structs import replace

from engine.core.events import CandlesClosed, FeedEvent, IndicatorsObserved, MarketRulesObserved, PriceObserved
from engine.core.market import MarketRules


class FeedView(msgspec.Struct, frozen=True):
    """The latest of everything a feed said.

    `sequence` is the feed's, `price_sequence` and `price_ms` those of the last price; `fetched_ms` says by timeframe
    when candles were last fetched, which is the age of the candle cache.
    """

    feed: str
    sequence: int = 0
    at_ms: int = 0
    rules: MarketRules | None = None
    price: PriceObserved | None = None
    price_ms: int | None = None
    price_sequence: int = 0
    indicators: dict[str, IndicatorsObserved] = {}
    fetched_ms: dict[str, int] = {}


def apply_feed(view: FeedView, event: FeedEvent, sequence: int, at_ms: int) -> FeedView:
    """Fold one feed event into the view; sequences are gap-free."""
    assert sequence == view.sequence + 1, (sequence, view.sequence)
    match event:
        case PriceObserved():
            return replace(view, sequence=sequence, at_ms=at_ms, price=event, price_ms=at_ms, price_sequence=sequence)
        case CandlesClosed():
            fetched = {**view.fetched_ms, event.timeframe: at_ms}
            return replace(view, sequence=sequence, at_ms=at_ms, fetched_ms=fetched)
        case IndicatorsObserved():
            indicators = {**view.indicators, event.timeframe: event}
            return replace(view, sequence=sequence, at_ms=at_ms, indicators=indicators)
        case MarketRulesObserved():
            return replace(view, sequence=sequence, at_ms=at_ms, rules=event.rules)
