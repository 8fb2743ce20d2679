"""Benchmark: how fast the engine trades when nothing paces it, and how large its log grows. Stated, without bars."""

import subprocess
import time
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Final

from engine.feeds.simulated import SimulatedMarket, SimulatedSettings
from engine.store.reader import LogReader
from engine.store.schema import LOG_NAME
from tests.perf.engines import HOUR_MS, config, day_log, run
from tests.perf.figures import Figure
from tests.perf.startup import PROGRAM

DAYS: Final = 30
MINUTE_MS: Final = 60_000

CONFIG: Final = """
bot_id: month
exchange: recorded
symbol: BTC/USD
budget: 2000
profit_target: 0.6
buy_order_type: trailing_market
sell_order_type: trailing_market
strategy_params: {amount_usd: 200}
"""


def bench(directory: Path, scale: int) -> list[Figure]:
    """Run a simulated day and a recorded month, and weigh the log."""
    return [_simulated_day(directory / f"again-{scale}"), *_recorded_month(directory, scale), *_log_size(directory)]


def _simulated_day(place: Path) -> Figure:
    start, used = time.perf_counter(), time.process_time()
    (world,) = run(place, [config()], 24 * HOUR_MS).worlds
    took, cpu = time.perf_counter() - start, time.process_time() - used
    note = f"a price every 10 s for a day: {took:.2f} s, CPU {cpu:.2f} s"
    return Figure(name="simulated ticks a second", measured=world.prices / took, unit="/s", note=note)


def _recorded_month(directory: Path, scale: int) -> list[Figure]:
    market, place, file = _candles(directory), directory / f"month-{scale}", directory / "month.yml"
    file.write_text(f"{CONFIG}state_dir: {place}\nmarket: {{path: {market}}}\n", encoding="utf-8")
    start = time.perf_counter()
    subprocess.run([PROGRAM, "run", "-q", "-c", file, "--speed", "max"], stdout=subprocess.DEVNULL, check=True)
    took = time.perf_counter() - start
    with LogReader.open(place) as reader:
        tags = Counter(tag for (tag,) in reader.rows("SELECT tag FROM event"))
    prices = tags[b"price_observed"]
    note = f"{prices:,} prices, {tags.total():,} events, {tags[b'sale_recorded']} sales"
    return [
        Figure(
            name="a whole run over a month of minutes",
            measured=took,
            unit="s",
            note=note,
        ),
        Figure(name="recorded ticks a second, start included", measured=prices / took, unit="/s"),
    ]


@cache
def _candles(directory: Path) -> Path:
    """Write a month of one-minute candles of the simulated market, four prices each."""
    settings = SimulatedSettings(outages=False, cadence_s=15)
    market = SimulatedMarket("BTC/USD", "BTC", "USD", settings)
    path = directory / "month.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("timestamp,open,high,low,close,volume\n")
        for day in range(DAYS):
            begin_ms = settings.start_ms + day * 24 * HOUR_MS
            for each in market.candles(MINUTE_MS, begin_ms, begin_ms + 24 * HOUR_MS):
                file.write(f"{each.open_ms},{each.open},{each.high},{each.low},{each.close},{each.volume}\n")
    return path


def _log_size(directory: Path) -> list[Figure]:
    place = day_log(directory)
    with LogReader.open(place) as reader:
        rows = reader.position()
        ((body,),) = reader.rows("SELECT avg(length(body)) FROM event")
    size = (place / LOG_NAME).stat().st_size
    note = f"{rows:,} events in {size:,} bytes; {body:.0f} bytes of JSON on average"
    return [Figure(name="log, an event", measured=size / rows, unit="bytes", note=note)]
