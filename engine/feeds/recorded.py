"""Reading a recorded market: `exchange: recorded`, CSV or Parquet, through polars (the only module that imports it).

Owns every check of such a file. Numbers are read as they were written, never through a float; the floats of a Parquet
file become their shortest exact text. Never plays the market: that is `engine.feeds.recording`.
"""

from array import array
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Final

import polars as pl

from engine.core.errors import MarketDataError
from engine.core.market import MINUTE_MS, TIMEFRAMES_MS
from engine.core.units import is_sound
from engine.feeds.recording import RecordedMarket, RecordedSettings, Recording
from engine.feeds.timestamps import Fault, read_times, rows_in_order

__all__ = ["RecordedMarket", "RecordedSettings", "load_recording", "read_recording"]

TICK_COLUMNS: Final = ("timestamp", "price")
CANDLE_COLUMNS: Final = ("timestamp", "open", "high", "low", "close", "volume")
HOLE_CADENCES: Final = 10
"""Ticks further apart than this many times their usual distance, and than a minute, have a hole between them."""

_ROW: Final = "row"
_PLAIN: Final = r"^[0-9]{1,15}(\.[0-9]{1,18})?$"
_WANTED: Final = f"{','.join(TICK_COLUMNS)} or {','.join(CANDLE_COLUMNS)}"


def load_recording(symbol: str, base: str, quote: str, settings: RecordedSettings) -> RecordedMarket:
    """Read `settings.path` and play it as a market.

    Raises:
        MarketDataError: see `read_recording`.
        ConfigError: a setting is out of its range.
    """
    return RecordedMarket(symbol, base, quote, settings, read_recording(Path(settings.path)))


def read_recording(path: Path) -> Recording:
    """Read and check a market file. Source: decisions.md, "Markets without a network".

    Raises:
        MarketDataError: the file is missing or unreadable, has other columns or no rows, or a row is unordered,
            contradictory or not numeric; names file, row (the first below the header is 1) and remedy.
    """
    frame = _read(path)

    def fault(index: int, what: str) -> MarketDataError:
        row = int(frame[_ROW][index]) + 1
        place = f"row {row} (line {row + 1})" if path.suffix.lower() == ".csv" else f"row {row}"
        return MarketDataError(f"{path}, {place}: {what}")

    names = [name for name in frame.columns if name not in {_ROW, "timestamp"}]
    times = read_times(_texts(frame["timestamp"], path).to_list(), fault)
    columns = {name: _numbers(_texts(frame[name], path), fault) for name in names}
    if "open" in columns:
        _demand_ordered(columns, fault)

    def same(one: int, other: int) -> bool:
        return all(Decimal(column.item(one)) == Decimal(column.item(other)) for column in columns.values())

    rows = rows_in_order(times, same, fault)
    if len(rows) < len(times):
        columns = {name: column.gather(list(rows)) for name, column in columns.items()}
    kept = array("q", [times[row] for row in rows])
    candles = "open" in columns
    period_ms = _period(kept, rows, path, fault) if candles else 0
    cadence_ms = period_ms // 3 if candles else _usual_gap(kept)
    longest_ms = period_ms if candles else max(HOLE_CADENCES * cadence_ms, MINUTE_MS)
    return Recording(
        path=str(path),
        times=kept,
        columns={**columns},
        period_ms=period_ms,
        cadence_ms=cadence_ms,
        holes=tuple((one + period_ms, other) for one, other in pairwise(kept) if other - one > longest_ms),
        price_tick=_price_tick([column for name, column in columns.items() if name != "volume"]),
    )


def _read(path: Path) -> pl.DataFrame:
    """Read the rows that hold anything, each with its number, under the names decisions.md gives the columns."""
    readers = {".csv": _read_csv, ".parquet": _read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise MarketDataError(f"{path} is neither .csv nor .parquet: set market.path to such a file")
    if not path.is_file():
        raise MarketDataError(f"{path} is not there, or no file: set market.path to a .csv or .parquet file")
    try:
        frame = reader(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise MarketDataError(
            f"{path} cannot be read ({reason}): check that it is a whole {path.suffix} file"
        ) from error
    found = tuple(frame.columns)
    if set(found) not in (set(TICK_COLUMNS), set(CANDLE_COLUMNS)):
        raise MarketDataError(f"{path} has the columns {','.join(found)}: name them {_WANTED}")
    frame = frame.with_row_index(_ROW).filter(~pl.all_horizontal(pl.col(found).is_null()))
    if frame.is_empty():
        raise MarketDataError(f"{path} holds no rows: set market.path to a file with prices")
    return frame


def _read_csv(path: Path) -> pl.DataFrame:
    frame = pl.read_csv(path, infer_schema=False, glob=False)
    return frame.rename(str.strip).select(pl.all().str.strip_chars())


def _read_parquet(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path, glob=False, hive_partitioning=False)


def _texts(column: pl.Series, path: Path) -> pl.Series:
    """Write a column as exact text."""
    kind = column.dtype
    if kind == pl.String:
        return column
    if kind.is_integer() or kind.is_decimal():
        return column.cast(pl.String)
    if kind.is_float():
        texts = [None if number is None else repr(number) for number in column.to_list()]
        return pl.Series(column.name, texts, dtype=pl.String)
    if column.name == "timestamp" and isinstance(kind, (pl.Datetime, pl.Date)):
        return column.dt.epoch("ms").cast(pl.String)
    raise MarketDataError(f"{path}: the column {column.name} is of type {kind}: store numbers, or times as timestamp")


def _numbers(column: pl.Series, fault: Fault) -> pl.Series:
    """Check that all numbers are sound and above 0 (a volume may be 0), and write them without exponents."""
    least_ok = column.name == "volume"
    plain = column.str.contains(_PLAIN)
    if not least_ok:
        plain &= column.str.contains("[1-9]")
    odd = (~plain.fill_null(value=False)).arg_true().to_list()
    if not odd:
        return column
    texts = column.to_list()
    for row in odd:
        texts[row] = _plain(texts[row], column.name, row, fault, zero_ok=least_ok)
    return pl.Series(column.name, texts, dtype=pl.String)


def _plain(text: str | None, name: str, row: int, fault: Fault, *, zero_ok: bool) -> str:
    """Write an unusual number plainly, or refuse it."""
    try:
        number = Decimal(text or "")
    except InvalidOperation:
        raise fault(row, f"{name} is {text or 'empty'}, which is no number: correct or remove the row") from None
    if not number.is_finite() or number < 0 or (number == 0 and not zero_ok):
        allowed = "finite and not below 0" if zero_ok else "finite and above 0"
        raise fault(row, f"{name} is {text}, and must be {allowed}: correct or remove the row")
    if not is_sound(number):
        raise fault(row, f"{name} is {text}: at most 1e15 and 18 decimals are kept, so round it")
    return f"{number:f}"


def _demand_ordered(columns: dict[str, pl.Series], fault: Fault) -> None:
    """Refuse candles whose low or high is not their lowest or highest price.

    Reading a text as a float never turns two numbers round, so only those that floats cannot tell apart are asked
    exactly.
    """
    floats = {name: column.cast(pl.Float64) for name, column in columns.items()}
    for lower, higher in (("low", "open"), ("low", "close"), ("open", "high"), ("close", "high")):
        close_call = (floats[lower] >= floats[higher]) & (columns[lower] != columns[higher])
        for row in close_call.arg_true().to_list():
            if Decimal(columns[lower].item(row)) > Decimal(columns[higher].item(row)):
                raise fault(row, f"{lower} is above {higher}: correct or remove the row")


def _period(times: "array[int]", rows: Sequence[int], path: Path, fault: Fault) -> int:
    """Find the length of the candles: the smallest distance between two."""
    if len(times) == 1:
        raise MarketDataError(f"{path} holds one candle, which does not tell its length: two are needed at least")
    period_ms, at = min((later - earlier, index + 1) for index, (earlier, later) in enumerate(pairwise(times)))
    if period_ms not in TIMEFRAMES_MS.values():
        known = ", ".join(TIMEFRAMES_MS)
        raise fault(rows[at], f"opens {period_ms / 1000:g} s after the one before: candles may have {known}")
    for index, at_ms in enumerate(times):
        if at_ms % period_ms:
            raise fault(rows[index], f"does not open on a multiple of {period_ms // 1000} s: correct or remove the row")
    return period_ms


def _usual_gap(times: "array[int]") -> int:
    """Give the most frequent distance between two ticks, the smaller of equals; a minute where there is one tick."""
    gaps = Counter(later - earlier for earlier, later in pairwise(times))
    return min(gaps, key=lambda gap_ms: (-gaps[gap_ms], gap_ms), default=MINUTE_MS)


def _price_tick(prices: list[pl.Series]) -> Decimal:
    """Derive the price tick: one unit of the last decimal that any price needs."""
    used = (column.str.extract(r"\.([0-9]*[1-9])0*$").str.len_chars().max() for column in prices)
    return Decimal(1).scaleb(-max(int(str(decimals or 0)) for decimals in used))
