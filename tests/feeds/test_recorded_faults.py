"""A market file that is wrong stops with its name, the row and what to do about it."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from engine.core.errors import MarketDataError
from engine.feeds.recorded import read_recording

CANDLE_HEAD = "timestamp,open,high,low,close,volume\n"
GOOD_CANDLES = "1640995200,100,110,90,105,1\n1640995260,105,106,90,91,2\n"
GOOD_TICKS = "timestamp,price\n1640995200,100\n"


def tick_row(row: str) -> str:
    return GOOD_TICKS + row + "\n"


def candle_row(row: str) -> str:
    return CANDLE_HEAD + GOOD_CANDLES + row + "\n"


ROWS = {
    "no number": (tick_row("1640995201,abc"), 2, "abc"),
    "empty number": (tick_row("1640995201,"), 2, "empty"),
    "missing field": (tick_row("1640995201"), 2, "empty"),
    "NaN": (tick_row("1640995201,NaN"), 2, "finite"),
    "infinity": (tick_row("1640995201,-inf"), 2, "finite"),
    "zero": (tick_row("1640995201,0.000"), 2, "above 0"),
    "negative": (tick_row("1640995201,-5"), 2, "above 0"),
    "absurd": (tick_row("1640995201,1e16"), 2, "1e15"),
    "too fine": (tick_row("1640995201,0.1234567890123456789"), 2, "18 decimals"),
    "hexadecimal": (tick_row("1640995201,0x10"), 2, "0x10"),
    "negative volume": (candle_row("1640995320,91,95,91,95,-1"), 3, "volume"),
    "volume NaN": (candle_row("1640995320,91,95,91,95,nan"), 3, "volume"),
    "low above open": (candle_row("1640995320,91,95,92,95,1"), 3, "low is above open"),
    "high below close": (candle_row("1640995320,91,94,91,95,1"), 3, "close is above high"),
    "low above close by a hair": (
        candle_row("1640995320,100000.000000000002,100001,100000.000000000002,100000.000000000001,1"),
        3,
        "low is above close",
    ),
    "conflict": (tick_row("1640995200,101"), 2, "other numbers"),
    "conflicting candle": (candle_row("1640995200,100,110,90,105,7"), 3, "other numbers"),
    "disorder": (tick_row("1640995199,100"), 2, "sort"),
    "time no time": (tick_row("yesterday,100"), 2, "ISO 8601"),
    "time empty": (tick_row(",100"), 2, "ISO 8601"),
    "time in another format": (tick_row("2022-01-01T00:00:05Z,100"), 2, "ISO 8601"),
    "time in another unit": (tick_row("1640995260000,100"), 2, "ISO 8601"),
    "time in microseconds": ("timestamp,price\n1640995200000000,1\n", 1, "ISO 8601"),
    "date as one number": ("timestamp,price\n20220101,1\n", 1, "ISO 8601"),
    "impossible date": ("timestamp,price\n2022-01-01,1\n2022-02-30,1\n", 2, "ISO 8601"),
    "candles of an odd length": (CANDLE_HEAD + "1640995200,1,1,1,1,1\n1640995245,1,1,1,1,1\n", 2, "45 s"),
    "candle off the grid": (candle_row("1640995350,91,95,91,95,1"), 3, "multiple of 60 s"),
    "candles off the grid": (CANDLE_HEAD + "1640995230,1,1,1,1,1\n1640995290,1,1,1,1,1\n", 1, "multiple of 60 s"),
}


@pytest.mark.parametrize(("text", "row", "told"), ROWS.values(), ids=ROWS)
@pytest.mark.spec("conflicts, disorder and non-numbers stop with the row", section="Markets without a network")
def test_row_that_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, row: int, told: str) -> None:
    path = tmp_path / "market.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MarketDataError) as fault:
        read_recording(path)
    assert str(fault.value).startswith(f"{path}, row {row} (line {row + 1}): ")
    assert told in str(fault.value)
    assert fault.value.exit_code == 4


def test_row_after_blank_lines_is_named_by_its_place_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "market.csv"
    path.write_text("timestamp,price\n\n1640995200,1\n\n1640995201,x\n", encoding="utf-8")
    with pytest.raises(MarketDataError, match=r"row 4 \(line 5\)"):
        read_recording(path)


def as_file(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


FILES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("market.csv", lambda _: None, "is not there"),
    "a directory": ("market.csv", lambda path: path.mkdir(), "is not there, or no file"),
    "another kind": ("market.txt", as_file(GOOD_TICKS.encode()), "neither .csv nor .parquet"),
    "empty": ("market.csv", as_file(b""), "cannot be read"),
    "only a header": ("market.csv", as_file(b"timestamp,price\n"), "no rows"),
    "only blank lines": ("market.csv", as_file(b"timestamp,price\n\n\n"), "no rows"),
    "without a header": ("market.csv", as_file(b"1640995200,1\n1640995201,2\n"), "columns"),
    "a column missing": ("market.csv", as_file(b"timestamp,open,high,low,close\n1640995200,1,1,1,1\n"), "columns"),
    "a column too many": ("market.csv", as_file(b"timestamp,price,side\n1640995200,1,buy\n"), "columns"),
    "semicolons": ("market.csv", as_file(b"timestamp;price\n1640995200;1\n"), "columns"),
    "a field too many": ("market.csv", as_file(b"timestamp,price\n1640995200,1,2\n"), "cannot be read"),
    "not UTF-8": ("market.csv", as_file(b"timestamp,price\n1640995200,\xff\xfe\n"), "cannot be read"),
    "no Parquet": ("market.parquet", as_file(b"timestamp,price\n1640995200,1\n"), "cannot be read"),
    "half a Parquet": ("market.parquet", as_file(b"PAR1" + bytes(20)), "cannot be read"),
    "one candle": ("market.csv", as_file(CANDLE_HEAD.encode() + b"1640995200,1,1,1,1,1\n"), "one candle"),
}


@pytest.mark.parametrize(("name", "write", "told"), FILES.values(), ids=FILES)
def test_file_that_is_wrong_is_named(tmp_path: Path, name: str, write: Callable[[Path], object], told: str) -> None:
    path = tmp_path / name
    write(path)
    with pytest.raises(MarketDataError) as fault:
        read_recording(path)
    assert str(path) in str(fault.value)
    assert told in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (pl.DataFrame({"timestamp": [1640995200, 1640995201], "price": [1.5, None]}), "row 2: price is empty"),
        (pl.DataFrame({"timestamp": [1640995200, 1640995201], "price": [1.5, float("nan")]}), "row 2: price is nan"),
        (pl.DataFrame({"timestamp": [1640995200, None], "price": [1.5, 2.5]}), "row 2: timestamp is empty"),
        (pl.DataFrame({"timestamp": [1640995200], "price": [True]}), "type Boolean"),
        (pl.DataFrame({"timestamp": [[1640995200]], "price": [1.5]}), "type List"),
    ],
    ids=["null price", "NaN price", "null time", "truth values", "lists"],
)
def test_parquet_row_that_is_wrong_is_named_by_its_number(tmp_path: Path, frame: pl.DataFrame, told: str) -> None:
    path = tmp_path / "market.parquet"
    frame.write_parquet(path)
    with pytest.raises(MarketDataError) as fault:
        read_recording(path)
    assert told in str(fault.value)
