"""The tables of docs/configuration.md, from the structs and ranges that the loader itself uses.

Owns how a key is shown. What it is for, which the code does not say, stands in meanings.yml.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from engine.core.config import BotConfig
from engine.core.config_rules import RANGES, STRATEGY_RANGES, Range
from engine.core.errors import ConfigError
from engine.core.market import TIMEFRAMES_MS
from engine.exchanges.paper import PaperSettings
from engine.feeds.market import ScriptedOutage
from engine.feeds.recording import RecordedSettings
from engine.feeds.simulated import SimulatedMarket, SimulatedSettings
from engine.runtime.config_file import STATE_DIR
from engine.runtime.markets import LiveSettings
from engine.strategies.catalogue import STRATEGIES
from engine.strategies.dca import DcaParams
from tests.docs.meanings import Meaning, meanings
from tests.docs.pages import table
from tests.docs.types_in_words import default_words, fields, first_sentence, is_struct, type_words

SECTIONS: Final = {"strategy_params", "market"}
HEADER: Final = ("key", "default", "allowed", "meaning")
Row = tuple[str, Any, Any]


def bot_keys() -> str:
    """Write the keys of a bot, `fees` opened up, and `state_dir`, which belongs to the engine."""
    rows = [("state_dir", str, STATE_DIR), *(row for row in _flat(BotConfig) if row[0] not in SECTIONS)]
    return _table(rows, _meant(rows, "bot"), RANGES)


def strategy_keys() -> str:
    """Write the keys of `strategy_params` of dca: first its own, then vote by vote."""
    rows = list(_flat(DcaParams))
    meant = _meant(rows, "strategy")
    parts = [_table([row for row in rows if not row[0].startswith("indicators.")], meant, STRATEGY_RANGES)]
    votes = next(kind for name, kind, _ in fields(DcaParams) if name == "indicators")
    for name, kind, _ in fields(votes):
        of_vote = [row for row in rows if row[0].startswith(f"indicators.{name}.")]
        parts.append(f"### {name}\n\n{first_sentence(kind.__doc__)}\n\n{_table(of_vote, meant, STRATEGY_RANGES)}")
    return "\n\n".join(parts)


def simulated_keys() -> str:
    """Write the keys of `market` for `exchange: simulated`."""
    rows = list(_flat(SimulatedSettings))
    return _table(rows, _meant(rows, "rules", "simulated"), _market_ranges())


def recorded_keys() -> str:
    """Write the keys of `market` for `exchange: recorded`; its rules have the ranges of the simulated market."""
    rows = list(_flat(RecordedSettings))
    names = {name for name, _, _ in rows}
    ranges = {name: allowed for name, allowed in _market_ranges().items() if name in names}
    return _table(rows, _meant(rows, "rules", "recorded"), ranges)


def live_keys() -> str:
    """Write the keys of `market` for a real exchange."""
    rows = list(_flat(LiveSettings))
    return _table(rows, _meant(rows, "live"), {"endpoint": "`http` on a loopback address, with a port"})


def outage_keys() -> str:
    """Write the keys of one entry of `scripted_outages`."""
    rows = list(_flat(ScriptedOutage))
    return _table(rows, _meant(rows, "outage"), {"from_s": "0 or more seconds", "length_s": "1 second or more"})


def paper_keys() -> str:
    """Write the keys of the paper account, which stand in `market` too."""
    rows = list(_flat(PaperSettings))
    return _table(rows, _meant(rows, "paper"), {"fill_fraction": "above 0 and at most 1"})


def _flat(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[Row]:
    """List name, type and default of a struct's fields, structs inside it opened up."""
    for name, type_, default in fields(kind):
        if is_struct(type_):
            yield from _flat(type_, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", type_, default


def _meant(rows: Sequence[Row], *sections: str) -> Mapping[str, Meaning]:
    return meanings([name for name, _, _ in rows], *sections)


def _table(rows: Sequence[Row], meant: Mapping[str, Meaning], ranges: Mapping[str, Range | str]) -> str:
    lines = [
        (f"`{name}`", _default(name, default), _allowed(name, kind, ranges), meant[name].says)
        for name, kind, default in rows
    ]
    return table(HEADER, lines)


def _default(name: str, default: object) -> str:
    if name == "bot_id":
        return "derived"
    return "required" if default is msgspec.NODEFAULT else default_words(default)


def _allowed(name: str, kind: Any, ranges: Mapping[str, Range | str]) -> str:
    """Say what values a key takes: its choices, or its type with the range that the loader enforces."""
    if name == "timeframe":
        return ", ".join(f"`{each}`" for each in TIMEFRAMES_MS)
    if name == "strategy":
        return ", ".join(f"`{each}`" for each in STRATEGIES)
    words = type_words(kind).replace(" or null", "").replace(ScriptedOutage.__name__, "outage")
    return f"{words}, {ranges[name]}" if name in ranges else words


def _market_ranges() -> dict[str, str]:
    """Learn the ranges of the simulated market from itself: it tells them when it refuses a value."""
    usual = SimulatedSettings()
    numbers = {name: getattr(usual, name) for name in usual.__struct_fields__}
    return {
        name: told
        for name, value in numbers.items()
        if isinstance(value, int | Decimal) and not isinstance(value, bool)
        if (told := _refusal(name, type(value)(-(10**14)))) is not None
    }


def _refusal(name: str, value: object) -> str | None:
    """Give what the market says must be, when a setting has this value; None if it takes it."""
    try:
        SimulatedMarket("BTC/USD", "BTC", "USD", msgspec.structs.replace(SimulatedSettings(), **{name: value}))
    except ConfigError as error:
        return str(error).partition(", and must be ")[2]
    return None
