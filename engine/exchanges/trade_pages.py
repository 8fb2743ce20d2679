"""An account's trades, page after page, until one brings nothing new: no exchange lists them all at once.

Owns how a list goes on. A row is read for its id alone here: what else it says is of interest only if it is ours.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from engine.core.errors import UnreachableError
from engine.exchanges.readings import Row, id_of, time_of
from engine.exchanges.venue import Pages

MOST_PAGES: Final = 100
_DIGITS: Final = 64
Ask = Callable[[str | None, int | None, int | None, Mapping[str, Any]], Awaitable[Sequence[Row]]]
"""Ask for a page: symbol, since when, how many at most, and further parameters."""


async def all_trades(ask: Ask, pages: Pages, symbol: str, since_ms: int | None, order_id: str | None) -> list[Row]:
    """List the trades of a market since a time, or those of an order, each once and oldest first.

    Raises UnreachableError if there is no end to the pages: a part of the list is never given for all of it.
    """
    found: dict[str, Row] = {}
    params: dict[str, Any] = {} if order_id is None else {pages.order: order_id}
    from_ms, seen = since_ms, 0
    for number in range(1, MOST_PAGES + 1):
        rows = await ask(None if pages.mixed else symbol, from_ms, pages.limit, params)
        news = {id_of(row, "a trade"): row for row in rows}
        is_last = news.keys() <= found.keys() or (pages.is_exact and len(rows) < (pages.limit or 0))
        found |= news
        seen += len(rows)
        onward = None if is_last else _onward(pages, rows, number, seen)
        if onward is None:
            return _ours(found, symbol if pages.mixed else None)
        params = {**params, pages.field: onward}
        if pages.by == "next id":
            from_ms = None  # the one or the other
    raise UnreachableError(f"There are more than {MOST_PAGES} pages of trades.")


def _onward(pages: Pages, rows: Sequence[Row], number: int, seen: int) -> str | int | None:
    """Give what the next page is asked for with, None if this one was the last."""
    match pages.by:
        case "next id":
            return str(max(_numbers([row.get("id") for row in rows])) + 1)
        case "older id":
            return str(min(_numbers([_told(row, pages.key) for row in rows])))
        case "cursor":
            told = (_told(row, pages.key) for row in rows)
            return next((cursor for cursor in told if isinstance(cursor, str) and cursor), None)
        case "page":
            return number + 1
        case "offset":
            return seen


def _told(row: Row, key: str) -> Any:
    info = row.get("info")
    return info.get(key) if isinstance(info, Mapping) else None


def _numbers(told: Sequence[Any]) -> list[int]:
    texts = [str(one) for one in told]
    if not all(text.isascii() and text.isdigit() and len(text) <= _DIGITS for text in texts):
        raise UnreachableError("The exchange named no numbers for trades, by which their list would go on.")
    return [int(text) for text in texts]


def _ours(found: Mapping[str, Row], symbol: str | None) -> list[Row]:
    ordered = sorted(found.items(), key=lambda item: (time_of(item[1]) or 0, len(item[0]), item[0]))
    return [row for _, row in ordered if symbol is None or row.get("symbol") == symbol]
