"""What every key of the configuration is for, in one or two sentences: all that code cannot say of itself.

Owns words only. Types, defaults and ranges come from the code; tests/docs/configuration.py joins the two and refuses
a key that is missing on either side.
"""

from typing import Final

BOT: Final = {
    "state_dir": "The folder with the log, its witness, the lock, the control socket and the state files. Relative to where "
    "the engine is started. All bots of one process share it.",
    "bot_id": "The bot's name for ever: its stream in the log, its state file and its log lines bear it. 1 to 64 of `a-z`, "
    "`0-9`, `_` and `-`, beginning with a letter or digit. Left out, it is made of exchange, symbol, strategy and mode, such as "
    "`simulated-btc-usd-dca-paper`.",
    "exchange": "`simulated` or `recorded`. Names of real exchanges are refused until live trading exists.",
    "symbol": "Base and quote, such as `BTC/USD`.",
    "name": "What the state file shows as the bot's name; empty means the `bot_id`.",
    "strategy": "Which rules propose purchases; see [strategies.md](strategies.md).",
    "paper_trading": "Trade on paper. `false` is refused until live trading exists.",
    "live": "The second switch that live trading will ask for. `true` is refused.",
    "check_interval": "The entry cycle in seconds: a purchase is considered at the first price of each. Exits and trails follow every "
    "price whatever this says.",
    "timeframe": "The length of the candles that indicators are computed over.",
    "fees.maker": "Fee of a resting order, in percent of its value. The paper account charges it.",
    "fees.taker": "Fee of an order that trades at once, in percent. The paper account charges it, and targets are computed with it.",
    "profit_target": "What a lot is to earn after both fees, in percent of what it cost.",
    "budget": "What the bot may have tied up in lots and buys at any time, in quote. On paper it is also the opening balance.",
    "max_open_lots": "With this many lots open nothing more is bought.",
    "buy_order_type": "How to buy: at market, by a resting limit at the lower of last and ask, or by a trail that buys when the price "
    "turns up again.",
    "sell_order_type": "How to sell: at market once the target is reached, by a limit resting at the target, or by a trail that is armed "
    "at the target.",
    "buy_order_timeout": "Age in seconds at which a resting limit buy is cancelled. What was filled by then is a lot.",
    "sell_order_timeout": "Age in seconds at which an unfilled `trailing_limit` sell is cancelled; its trail is then active again.",
    "trailing_buy_percent": "How far the price must rise from its lowest point before a trailing buy fires, in percent.",
    "trailing_sell_percent": "How far the price must fall from its highest point before a trailing sell fires, in percent.",
    "trailing_sell_floor": "`target`: a trailing sell fires only while the best bid is at the lot's target or above. `none`: it fires wherever "
    "the trail says, perhaps under the target.",
    "trailing_max_gap": "Longest time without a price, in seconds, over which a trail is still trusted; twice the market's cadence counts if "
    "that is longer. Must be at least twice `check_interval`.",
    "connectivity_check_interval": "Seconds from one good check to the next.",
    "max_connectivity_failures": "After so many failed checks in a row the outage is declared and every trail is reset, once per outage.",
    "connectivity_hosts": "Hosts and ports that tell `no internet` from `exchange down` after a failed check. `[]` asks nobody. Simulated and "
    "recorded markets answer for them; no socket is opened.",
    "smart_indicator_checks": "Hold back indicator work while the price is near the last purchase, and keep fetched candles for a while. `false` "
    "switches both off.",
    "min_price_change_percent": "With a lot open, a purchase is considered only when the price is this far from the last purchase, on either "
    "side, in percent.",
    "indicator_cache_ttl": "How old fetched candles may be before they are fetched again, in seconds. `0` fetches at every entry cycle.",
    "auto_save": "Write the state file every `save_interval` as well. The saves after purchases, sales and outages, and on stop, happen anyway.",
    "save_interval": "Seconds from one periodic save to the next.",
    "on_stop": "What an orderly stop does with resting orders: leave them, cancel the buys, or cancel all.",
}

STRATEGY: Final = {
    "amount_usd": "What each purchase spends, in quote, before fees.",
    "min_interval_hours": "Least time between two purchases, in hours.",
    "max_price": "Above this price nothing is bought.",
    "min_price": "Below this price nothing is bought.",
    "indicators.rsi.enabled": "Whether this vote counts.",
    "indicators.rsi.period": "Period of the RSI, in candles.",
    "indicators.rsi.threshold": "Votes yes at this RSI or under it.",
    "indicators.rsi.check_rising": "The RSI must also have risen over its last three values.",
    "indicators.stoch_rsi.enabled": "Whether this vote counts.",
    "indicators.stoch_rsi.period": "Period of the RSI inside, in candles.",
    "indicators.stoch_rsi.fast_k": "Length of the %K window, in candles.",
    "indicators.stoch_rsi.fast_d": "Length of the smoothing, in candles.",
    "indicators.stoch_rsi.threshold": "Votes yes at this value or under it.",
    "indicators.ema.enabled": "Whether this vote counts.",
    "indicators.ema.period": "Period of the moving average, in candles.",
    "indicators.macd.enabled": "Whether this vote counts.",
    "indicators.macd.fast": "Period of the fast average, in candles; less than `slow`.",
    "indicators.macd.slow": "Period of the slow average, in candles.",
    "indicators.macd.signal": "Period of the signal line, in candles.",
    "indicators.mfi.enabled": "Whether this vote counts. A market of bare prices has no volume, and refuses it.",
    "indicators.mfi.period": "Period of the money flow index, in candles.",
    "indicators.mfi.threshold": "Votes yes at this value or under it.",
    "indicators.price_drop.enabled": "Whether this vote counts.",
    "indicators.price_drop.candles": "How many candles back the highest close is looked for.",
    "indicators.price_drop.percent": "Votes yes when the last close is at least this far under that highest close, in percent.",
    "indicators.rising_price.enabled": "Whether this vote counts.",
}

_RULES: Final = {
    "price_tick": "Prices are whole multiples of this, in quote.",
    "quantity_step": "Quantities are whole multiples of this, in base.",
    "min_quantity": "The smallest order, in base.",
    "min_notional": "The least value of an order, in quote.",
    "maker_percent": "What the market says it charges makers, in percent. Recorded with the market's rules; the paper account charges "
    "`fees.maker`.",
    "taker_percent": "The same for takers; the paper account charges `fees.taker`.",
    "scripted_outages": "Outages at times of your choice, on top of those drawn.",
}

SIMULATED: Final = {
    **_RULES,
    "seed": "Chooses the market: prices and outages are a function of it and of time.",
    "start_ms": "Time of the first price, in milliseconds since 1970 UTC.",
    "price": "The price around which the market moves, in quote.",
    "cadence_s": "Seconds between two prices.",
    "regimes": "The moods that are drawn from, three hours each. Naming one twice doubles its share.",
    "outages": "Whether outages are drawn.",
    "outage_every_hours": "One outage is drawn in every stretch of so many hours, after a first hour without.",
    "outage_max_minutes": "The longest outage drawn, in minutes; the shortest is one minute.",
    "spread_percent": "Distance from best bid to best ask, in percent of the price.",
}

RECORDED: Final = {
    **_RULES,
    "path": "The recording: a `.csv` or `.parquet` file.",
    "price_tick": "Prices are whole multiples of this, in quote. Left out, it is the finest decimal that any price in the file needs.",
    "scripted_outages": "Times at which the recording is not to be reached.",
}

OUTAGE: Final = {
    "from_s": "When it begins, in seconds after the market's first price.",
    "length_s": "How long it lasts, in seconds.",
    "kind": "`exchange`: the exchange is down. `internet`: nothing can be reached.",
}

PAPER: Final = {
    "fee_asset": "Whether the fee of a buy is taken in quote, or in base from what was bought. Sells pay in quote.",
    "fill_fraction": "The part of an order that one price fills, above 0 and at most 1; less than 1 shows partial fills.",
}
