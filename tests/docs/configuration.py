"""The tables of docs/configuration.md, from the structs and ranges that the loader itself uses.

Owns one thing the code does not say: what each key is for. A key without a meaning, or a meaning without a key, stops
the generator.
"""

import re
from collections.abc import Iterator, Mapping
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
from engine.strategies.catalogue import STRATEGIES
from engine.strategies.dca import DcaParams
from tests.docs.meanings import BOT, OUTAGE, PAPER, RECORDED, SIMULATED, STRATEGY
from tests.docs.pages import table
from tests.docs.types_in_words import default_words, fields, first_sentence, is_struct, type_words

SECTIONS: Final = {"strategy_params", "market"}
HEADER: Final = ("key", "default", "allowed", "meaning")
Row = tuple[str, Any, Any]


def bot_keys() -> str:
    """Write the keys of a bot, `fees` opened up, and `state_dir`, which belongs to the engine."""
    rows = [row for row in _flat(BotConfig) if row[0] not in SECTIONS]
    return _table([("state_dir", str, STATE_DIR), *rows], BOT, RANGES)


def strategy_keys() -> str:
    """Write the keys of `strategy_params` of dca: first its own, then vote by vote."""
    rows = list(_flat(DcaParams))
    own = [row for row in rows if not row[0].startswith("indicators.")]
    parts = [_table(own, STRATEGY, STRATEGY_RANGES, exhaustive=False)]
    _meant([name for name, _, _ in rows], STRATEGY)
    votes = next(kind for name, kind, _ in fields(DcaParams) if name == "indicators")
    for name, kind, _ in fields(votes):
        prefix = f"indicators.{name}."
        of_vote = [row for row in rows if row[0].startswith(prefix)]
        told = f"### {name}\n\n{first_sentence(kind.__doc__)}"
        parts.append(f"{told}\n\n{_table(of_vote, STRATEGY, STRATEGY_RANGES, exhaustive=False)}")
    return "\n\n".join(parts)


def simulated_keys() -> str:
    """Write the keys of `market` for `exchange: simulated`."""
    return _table(_flat(SimulatedSettings), SIMULATED, _market_ranges())


def recorded_keys() -> str:
    """Write the keys of `market` for `exchange: recorded`; its rules have the ranges of the simulated market."""
    own = {field for field in RecordedSettings.__struct_fields__}
    return _table(_flat(RecordedSettings), RECORDED, {k: v for k, v in _market_ranges().items() if k in own})


def outage_keys() -> str:
    """Write the keys of one entry of `scripted_outages`."""
    return _table(_flat(ScriptedOutage), OUTAGE, {"from_s": "0 or more seconds", "length_s": "1 second or more"})


def paper_keys() -> str:
    """Write the keys of the paper account, which stand in `market` too."""
    return _table(_flat(PaperSettings), PAPER, {})


def _flat(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[Row]:
    """List name, type and default of a struct's fields, structs inside it opened up."""
    for name, type_, default in fields(kind):
        if is_struct(type_):
            yield from _flat(type_, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", type_, default


def _meant(names: list[str], meanings: Mapping[str, str]) -> None:
    different = set(names) ^ set(meanings)
    assert not different, f"keys without meaning or meanings without key in tests/docs/meanings.py: {different}"


def _table(
    rows: Iterator[Row] | list[Row],
    meanings: Mapping[str, str],
    ranges: Mapping[str, Range | str],
    *,
    exhaustive: bool = True,
) -> str:
    listed = list(rows)
    if exhaustive:
        _meant([name for name, _, _ in listed], meanings)
    lines = [
        (f"`{name}`", _default(default), _allowed(name, kind, ranges), meanings[name]) for name, kind, default in listed
    ]
    return table(HEADER, lines)


def _default(default: object) -> str:
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
    """Learn the ranges of the simulated market from itself: it says them when it refuses a value."""
    found: dict[str, str] = {}
    for name in SimulatedSettings.__struct_fields__:
        default = getattr(SimulatedSettings(), name)
        if isinstance(default, bool) or not isinstance(default, int | Decimal):
            continue
        settings = msgspec.structs.replace(SimulatedSettings(), **{name: type(default)(-(10**14))})
        try:
            SimulatedMarket("BTC/USD", "BTC", "USD", settings)
        except ConfigError as error:
            match = re.fullmatch(rf"market\.{name} is \S+, and must be (.+)", str(error))
            assert match, error
            found[name] = match[1]
    return found
