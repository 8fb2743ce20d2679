"""Times in market files: what a text means, and in which order rows may stand.

Owns the reading of epoch seconds, epoch milliseconds and ISO 8601, and the rule for repeated rows. Never reads a file.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

from engine.core.errors import MarketDataError

Fault = Callable[[int, str], MarketDataError]
"""Make the fault of a row, given by its index, out of what is wrong and what to do."""

FORMATS: Final = "write epoch seconds, epoch milliseconds or ISO 8601, the same in all rows"

_EARLIEST: Final = 100_000_000  # in seconds 1973, in milliseconds a thousand times as much
_LATEST: Final = 100_000_000_000  # in seconds the year 5138
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]*)?")


def read_times(texts: Sequence[str | None], fault: Fault) -> list[int]:
    """Read times as epoch milliseconds; what is finer is cut off. The first row says which format all have.

    Times without a zone are UTC. Source: decisions.md, "Markets without a network".

    Raises:
        MarketDataError: a time is missing, has another format, or lies before 1973 (a date written as one number).
    """
    read: Callable[[str], int | None] = _iso_ms
    if texts and texts[0] is not None and _NUMBER.fullmatch(texts[0]):
        read = _from_seconds if Decimal(texts[0]) < _LATEST else _from_milliseconds
    times: list[int] = []
    for row, text in enumerate(texts):
        at_ms = None if text is None else read(text)
        if at_ms is None or not _EARLIEST * 1000 <= at_ms < _LATEST * 1000:
            raise fault(row, f"timestamp is {text or 'empty'}: {FORMATS}")
        times.append(at_ms)
    return times


def _from_seconds(text: str) -> int | None:
    return int(Decimal(text) * 1000) if _NUMBER.fullmatch(text) else None


def _from_milliseconds(text: str) -> int | None:
    return int(Decimal(text)) if _NUMBER.fullmatch(text) else None


def _iso_ms(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND


def rows_in_order(times: Sequence[int], same: Callable[[int, int], bool], fault: Fault) -> Sequence[int]:
    """Give the rows to keep: all, but for those that repeat an earlier row, times and numbers alike.

    Raises:
        MarketDataError: two rows of one time differ, or a row is earlier than the one before it.
    """
    if all(earlier < later for earlier, later in pairwise(times)):
        return range(len(times))
    kept: list[int] = []
    kept_times: list[int] = []
    for row, at_ms in enumerate(times):
        if not kept or at_ms > kept_times[-1]:
            kept.append(row)
            kept_times.append(at_ms)
            continue
        place = bisect_left(kept_times, at_ms)
        if kept_times[place] != at_ms:
            raise fault(row, "is earlier than the row before it: sort the file by timestamp")
        if not same(kept[place], row):
            raise fault(row, "has the timestamp of an earlier row but other numbers: remove the wrong one")
    return kept
