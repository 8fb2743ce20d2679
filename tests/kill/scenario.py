"""What the kill tests run: two recorded markets and three bots, chosen so that everything happens in a few hours.

Owns the recordings and the configurations. One feed carries two bots of different order types, the other a third:
trails in both directions, resting and partly filled limit orders, timeouts, fees in base, outages, holes.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from engine.core.identity import LOG_ID_LENGTH, encode_base32

START_MS: Final = 1_700_001_000_000
"""An hour and a half before a UTC midnight, at which the window of candles moves."""

HOLES: Final = {"x": range(150, 159), "y": range(95, 98)}
"""Candles left out: nine minutes make a trail stale, three do not."""

ALPHA: Final = """
bot_id: alpha
exchange: recorded
symbol: BTC/USD
timeframe: 1m
budget: 5000
max_open_lots: 6
profit_target: 0.4
buy_order_type: trailing_limit
sell_order_type: trailing_limit
trailing_buy_percent: 0.1
trailing_sell_percent: 0.15
sell_order_timeout: 60
buy_order_timeout: 90
min_price_change_percent: 0.2
save_interval: 600
strategy_params:
  amount_usd: 300
  indicators: {rsi: {threshold: 55, check_rising: false}, rising_price: {enabled: false}}
market:
  path: "%(x)s"
  fee_asset: base
  fill_fraction: 0.4
  scripted_outages: [{from_s: 5400, length_s: 420}, {from_s: 10000, length_s: 100, kind: internet}]
"""

BETA: Final = """
bot_id: beta
exchange: recorded
symbol: BTC/USD
timeframe: 3m
budget: 5000
max_open_lots: 5
profit_target: 0.5
buy_order_type: limit
sell_order_type: limit
buy_order_timeout: 120
min_price_change_percent: 0.3
on_stop: cancel_buys
auto_save: false
strategy_params:
  amount_usd: 250
  indicators: {rsi: {enabled: false}, ema: {period: 12}, macd: {enabled: true}, rising_price: {enabled: false}}
market:
  path: "%(x)s"
  fill_fraction: 0.5
  scripted_outages: [{from_s: 5400, length_s: 420}, {from_s: 10000, length_s: 100, kind: internet}]
"""

GAMMA: Final = """
bot_id: gamma
exchange: recorded
symbol: ETH/USD
timeframe: 1m
budget: 3000
max_open_lots: 8
profit_target: 0.3
buy_order_type: trailing_market
sell_order_type: trailing_market
trailing_buy_percent: 0.1
trailing_sell_percent: 0.2
trailing_sell_floor: none
min_price_change_percent: 0.2
smart_indicator_checks: false
connectivity_check_interval: 60
save_interval: 300
strategy_params:
  amount_usd: 200
  indicators: {mfi: {enabled: true, threshold: 60}, ema: {enabled: false}, rising_price: {enabled: false}}
market:
  path: "%(y)s"
  scripted_outages: [{from_s: 7200, length_s: 200, kind: internet}]
"""

BOTS: Final = {"alpha": ALPHA, "beta": BETA, "gamma": GAMMA}
LOG_IDS: Final = {bot_id: encode_base32(number * 7919**3, LOG_ID_LENGTH) for number, bot_id in enumerate(BOTS, 1)}


def write_recordings(folder: Path, candles: int) -> dict[str, Path]:
    """Write the recordings of so many minutes, the same every time; give their paths by name."""
    paths = {name: folder / f"{name}.csv" for name in HOLES}
    for (name, path), start, seed in zip(paths.items(), (41_000, 2_200), (11, 23), strict=True):
        path.write_text(_recording(random.Random(seed), start, candles, HOLES[name]))
    return paths


def bot_texts(recordings: Mapping[str, Path]) -> dict[str, str]:
    """Give the YAML text of every bot, by its id."""
    return {bot_id: text % recordings for bot_id, text in BOTS.items()}


def _recording(chance: random.Random, start: int, candles: int, holes: range) -> str:
    """Make candles that swing: slow waves that trails can follow, fast ones that trigger them."""
    lines = ["timestamp,open,high,low,close,volume"]
    cents = start * 100
    drift = 0
    for number in range(candles):
        if number % 12 == 0:
            home = (start * 100 - cents) * 10_000 // (start * 100)  # in hundredths of a percent, as all here
            drift = chance.choice((-10, -5, 5, 10)) + home // 12
        opened = cents
        step = drift + chance.randint(-16, 16)
        cents += cents * step // 10_000
        high = max(opened, cents) * (10_000 + chance.randint(0, 12)) // 10_000
        low = min(opened, cents) * (10_000 - chance.randint(0, 12)) // 10_000
        prices = ",".join(f"{each / 100:.2f}" for each in (opened, high, low, cents))
        if number not in holes:
            lines.append(f"{START_MS + number * 60_000},{prices},{chance.randint(1, 900) / 100}")
    return "\n".join(lines) + "\n"
