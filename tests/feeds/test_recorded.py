"""The recorded market plays what stands in its file: exactly, in order, and nothing before its time."""

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import ConfigError, MarketDataError
from engine.core.market import TIMEFRAMES_MS, Candle, Tick
from engine.feeds.market import ScriptedOutage
from engine.feeds.recorded import RecordedMarket, RecordedSettings, load_recording
from engine.feeds.simulated import SimulatedMarket, SimulatedSettings

ROOT = Path(__file__).resolve().parents[2]
REAL_MONTHS = sorted(ROOT.parent.glob("*/data/btc-usd-1m-2022-01.csv"))
START_MS = 1_640_995_200_000
MINUTE_MS = 60_000

CANDLES = """timestamp,open,high,low,close,volume
1640995200,100,110.5,99,105,1.5
1640995260,105,106,90.25,91,2
1640995440,91,95,91,95,0
"""


def load(path: Path, **settings: Any) -> RecordedMarket:
    return load_recording("BTC/USD", "BTC", "USD", RecordedSettings(path=str(path), **settings))


def written(tmp_path: Path, text: str, name: str = "market.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def candle(open_ms: int, *numbers: str) -> Candle:
    opened, high, low, close, volume = map(Decimal, numbers)
    return Candle(open_ms, opened, high, low, close, volume)


def played(market: RecordedMarket) -> list[Tick]:
    found: list[Tick] = []
    while (tick := market.next_tick(found[-1].at_ms if found else 0)) is not None:
        found.append(tick)
    return found


@pytest.mark.spec("a candle yields its open, then low and high, then its close", section="Markets without a network")
def test_ticks_of_candles_come_in_the_order_told(tmp_path: Path) -> None:
    market = load(written(tmp_path, CANDLES))
    assert [(tick.at_ms - START_MS, str(tick.last)) for tick in played(market)] == [
        *((0, "100"), (20_000, "99"), (40_000, "110.5"), (59_999, "105")),
        *((60_000, "105"), (80_000, "106"), (100_000, "90.25"), (120_000, "91")),
        *((240_000, "91"), (260_000, "91"), (280_000, "95"), (300_000, "95")),
    ]
    assert (market.start_ms, market.end_ms) == (START_MS, START_MS + 300_000)


def test_market_of_candles_tells_its_rules_and_holes(tmp_path: Path) -> None:
    market = load(written(tmp_path, CANDLES), min_notional=Decimal(5))
    assert market.rules.price_tick == Decimal("0.01")
    assert market.rules.cadence_ms == 20_000
    assert market.rules.min_notional == 5
    assert market.has_volume
    assert market.holes == ((START_MS + 120_000, START_MS + 240_000),)


def test_market_of_ticks_has_no_volume_and_reports_its_holes(tmp_path: Path) -> None:
    seconds = [*range(0, 300, 10), 301, *range(900, 1000, 10)]
    text = "timestamp,price\n" + "".join(f"{1640995200 + second},{100 + second}.10\n" for second in seconds)
    market = load(written(tmp_path, text))
    assert not market.has_volume
    assert market.rules.cadence_ms == 10_000
    assert market.rules.price_tick == Decimal("0.1")
    assert market.holes == ((START_MS + 301_000, START_MS + 900_000),)
    assert [tick.at_ms for tick in played(market)] == [START_MS + second * 1000 for second in seconds]
    assert [each.open_ms for each in market.candles(300_000, 0, START_MS + 1_000_000)] == [START_MS, START_MS + 300_000]
    [first, second] = market.candles(300_000, 0, START_MS + 1_200_000)[:2]
    assert first == candle(START_MS, "100.10", "390.10", "100.10", "390.10", "0")
    assert second.open == second.close == Decimal("401.10")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1640995200", "1640995260"),
        ("1640995200.0", "1640995260.0"),
        ("1640995200000", "1640995260000"),
        ("2022-01-01T00:00:00Z", "2022-01-01T00:01:00Z"),
        ("2022-01-01 00:00:00", "2022-01-01 00:01:00.000000"),
        ("2022-01-01T02:00:00+02:00", "2022-01-01T02:01:00+02:00"),
        (" 2022-01-01 ", "2022-01-01T00:01"),
    ],
    ids=["epoch s", "epoch s with decimals", "epoch ms", "ISO Z", "ISO without zone", "ISO with zone", "date"],
)
@pytest.mark.spec("times are epoch s, epoch ms or ISO 8601, without zone UTC", section="Markets without a network")
def test_times_in_every_format_are_read(tmp_path: Path, first: str, second: str) -> None:
    market = load(written(tmp_path, f"timestamp,price\n{first},1\n{second},2\n"))
    assert [tick.at_ms for tick in played(market)] == [START_MS, START_MS + MINUTE_MS]


@pytest.mark.spec("identical duplicates are dropped", section="Markets without a network")
def test_rows_that_repeat_earlier_ones_are_dropped(tmp_path: Path) -> None:
    head, *rows = CANDLES.splitlines()
    again = "1640995260,105.0,106.00,90.25,91,2.0"
    market = load(written(tmp_path, "\n".join([head, rows[0], rows[1], rows[0], again, "", rows[2], ""]) + "\n\n"))
    assert played(market) == played(load(written(tmp_path, CANDLES, "clean.csv")))


def test_numbers_stay_exactly_as_written(tmp_path: Path) -> None:
    text = "timestamp,price\n1640995200,0.100000000000000001\n1640995201,999999999999999.9\n1640995202,1.5e-7\n"
    market = load(written(tmp_path, text))
    assert [tick.last for tick in played(market)] == [
        Decimal("0.100000000000000001"),
        Decimal("999999999999999.9"),
        Decimal("0.00000015"),
    ]
    assert market.rules.price_tick == Decimal("1e-18")


def test_columns_in_another_order_are_found_by_name(tmp_path: Path) -> None:
    market = load(written(tmp_path, "\ufeffprice , timestamp\n7,1640995200\n8,1640995201\n"))
    assert [tick.last for tick in played(market)] == [7, 8]


def parquet_frame(kind: str) -> pl.DataFrame:
    frame = pl.read_csv(CANDLES.encode(), infer_schema=False)
    seconds = frame["timestamp"].cast(pl.Int64)
    numbers = frame.select("open", "high", "low", "close", "volume")
    match kind:
        case "floats":
            return numbers.cast(pl.Float64).with_columns(timestamp=seconds)
        case "decimals":
            return numbers.cast(pl.Decimal(20, 4)).with_columns(timestamp=seconds * 1000)
        case "datetimes":
            return numbers.cast(pl.Float64).with_columns(
                timestamp=pl.from_epoch(seconds, "s").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
            )
        case _:
            return frame


@pytest.mark.parametrize("kind", ["floats", "decimals", "datetimes", "texts"])
@pytest.mark.spec("recorded markets come from CSV or Parquet", section="Markets without a network")
def test_parquet_of_any_type_plays_like_the_csv(tmp_path: Path, kind: str) -> None:
    parquet_frame(kind).write_parquet(tmp_path / "market.parquet")
    market, twin = load(tmp_path / "market.parquet"), load(written(tmp_path, CANDLES))
    assert played(market) == played(twin)
    assert market.candles(120_000, 0, market.end_ms) == twin.candles(120_000, 0, twin.end_ms)
    assert market.rules == twin.rules


def test_candles_that_are_partly_there_are_built_and_empty_ones_are_holes(tmp_path: Path) -> None:
    market = load(written(tmp_path, CANDLES))
    found = market.candles(120_000, 0, START_MS + 360_000)
    assert [each.open_ms - START_MS for each in found] == [0, 240_000]
    assert found[0] == candle(START_MS, "100", "110.5", "90.25", "91", "3.5")
    assert found[1] == candle(START_MS + 240_000, "91", "95", "91", "95", "0")


def test_candles_finer_than_the_recording_are_refused_by_name(tmp_path: Path) -> None:
    text = "timestamp,open,high,low,close,volume\n1640995200,1,1,1,1,1\n1640995500,1,1,1,1,1\n"
    with pytest.raises(MarketDataError, match=r"market\.csv.*300 s.*60 s.*timeframe"):
        load(written(tmp_path, text)).candles(MINUTE_MS, 0, START_MS + 600_000)


def test_outages_in_the_script_hide_prices_until_the_end_if_they_last(tmp_path: Path) -> None:
    path = written(tmp_path, CANDLES)
    market = load(path, scripted_outages=(ScriptedOutage(0, 70, "internet"), ScriptedOutage(110, 10)))
    assert [tick.at_ms - START_MS for tick in played(market)][:3] == [80_000, 100_000, 120_000]
    assert not market.reachability(START_MS).internet
    assert market.reachability(START_MS + 115_000).internet
    assert not market.reachability(START_MS + 115_000).exchange
    assert load(path, scripted_outages=(ScriptedOutage(30, 1000),)).next_tick(START_MS + 20_000) is None


def test_settings_out_of_range_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"market\.price_tick is 0"):
        load(written(tmp_path, CANDLES), price_tick=Decimal(0))


def simulated_candles(minutes: int) -> list[Candle]:
    market = SimulatedMarket("BTC/USD", "BTC", "USD", SimulatedSettings(seed=3))
    return market.candles(MINUTE_MS, market.start_ms, market.start_ms + minutes * MINUTE_MS)


def as_csv(candles: list[Candle]) -> str:
    rows = (f"{each.open_ms},{each.open},{each.high},{each.low},{each.close},{each.volume}\n" for each in candles)
    return "timestamp,open,high,low,close,volume\n" + "".join(rows)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> RecordedMarket:
    candles = [each for n, each in enumerate(simulated_candles(24 * 60)) if n % 97 not in {5, 6, 7, 60}]
    return load(written(tmp_path_factory.mktemp("day"), as_csv(candles)))


@given(st.data())
@pytest.mark.spec("no candle is visible before it closes", section="Markets without a network")
def test_candles_at_any_tick_hold_only_what_was_played(day: RecordedMarket, data: st.DataObject) -> None:
    now_ms = data.draw(st.integers(day.start_ms, day.end_ms))
    timeframe_ms = TIMEFRAMES_MS[data.draw(st.sampled_from(["1m", "5m", "15m", "1h"]))]
    since_ms = now_ms - 3 * timeframe_ms
    seen: set[Decimal] = set()
    tick = day.next_tick(since_ms - 1)
    while tick is not None and tick.at_ms <= now_ms:
        seen.add(tick.last)
        tick = day.next_tick(tick.at_ms)
    for candle in day.candles(timeframe_ms, since_ms, now_ms):
        assert candle.open_ms >= since_ms
        assert candle.open_ms + timeframe_ms <= now_ms
        assert {candle.open, candle.high, candle.low, candle.close} <= seen


@given(st.lists(st.integers(0, 86_400_000), min_size=1, max_size=20))
def test_ticks_asked_in_any_order_equal_the_sequential_ones(day: RecordedMarket, offsets: list[int]) -> None:
    for offset in offsets:
        after_ms = day.start_ms - 1 + offset
        tick = day.next_tick(after_ms)
        if tick is None:
            assert after_ms >= day.end_ms
        else:
            assert tick.at_ms > after_ms
            assert day.next_tick(tick.at_ms - 1) == tick
            assert after_ms < day.start_ms or day.next_tick(after_ms) == tick


def merged(candles: list[Candle], timeframe_ms: int) -> list[Candle]:
    built: dict[int, Candle] = {}
    for each in candles:
        open_ms = each.open_ms // timeframe_ms * timeframe_ms
        old = built.get(open_ms)
        built[open_ms] = Candle(
            open_ms,
            each.open if old is None else old.open,
            each.high if old is None else max(each.high, old.high),
            each.low if old is None else min(each.low, old.low),
            each.close,
            each.volume if old is None else each.volume + old.volume,
        )
    return list(built.values())


@pytest.mark.parametrize("path", [None, *REAL_MONTHS], ids=["simulated", *(path.name for path in REAL_MONTHS)])
@pytest.mark.spec("larger timeframes are built from smaller", section="Markets without a network")
def test_months_of_minutes_play_through_and_build_larger_candles(path: Path | None, tmp_path: Path) -> None:
    market = load(path or written(tmp_path, as_csv(simulated_candles(3_000))))
    minutes = market.candles(MINUTE_MS, 0, market.end_ms)
    assert len(minutes) >= 3_000
    for timeframe in ("5m", "1h"):
        length = TIMEFRAMES_MS[timeframe]
        until_ms = market.end_ms // length * length
        assert market.candles(length, 0, until_ms) == merged([c for c in minutes if c.open_ms < until_ms], length)
    ticks = played(market)
    assert len(ticks) == 4 * len(minutes)
    assert all(earlier.at_ms < later.at_ms for earlier, later in pairwise(ticks))
