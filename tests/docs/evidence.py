"""The figures of docs/evidence.md, made from what the campaigns wrote down in docs/evidence/.

Owns how they are put into tables. Never runs a campaign: what was not recorded is said to be so.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Final

import msgspec

from engine.testing.simulation.disasters import DISASTERS
from engine.testing.simulation.exchange.terms import OF_ORDERS
from engine.testing.simulation.watch import ORDER_STATES
from tests.docs.cells import REASONS, seldom, why
from tests.docs.pages import ROOT, table
from tests.live import outcome_incidents, restart_incidents

FOLDER: Final = ROOT / "docs" / "evidence"
ORDER_CALLS: Final = ("create", "cancel", "query", "order_trades")
OUTSIDE: Final = ("clock", "disaster", "operator")
"""What befalls a world by these is no trouble with a call: `operator: kill` is the command, `kill: ...` the signal."""

KNOWN: Final = (*sorted(OF_ORDERS), *(f"disaster: {kind}" for kind in dict.fromkeys(DISASTERS)))
NOT_RECORDED: Final = "Not recorded yet."


def _read(name: str) -> Any:
    path = FOLDER / name
    return msgspec.json.decode(path.read_bytes()) if path.exists() else None


def worlds() -> str:
    """Tell what the simulated worlds and the storage schedules came to."""
    result = _read("worlds.json")
    if result is None:
        return NOT_RECORDED
    came, schedules = result["worlds"], result["schedules"]
    lines = [
        ("worlds", f"{came['seeds']:,}, seeds {came['first']:,} to {came['first'] + came['seeds'] - 1:,}"),
        ("restarts", f"{came['restarts']:,}"),
        ("runs of recoveries, worlds past recovery", f"{came['recoveries']:,}, {came['unjudged']:,}"),
        ("orders, trades", f"{came['orders']:,}, {came['trades']:,}"),
        ("time lived through", f"{came['virtual_s'] / 86_400:,.0f} days"),
        ("faults", f"{sum(came['faults'].values()):,} of {len(came['faults'])} kinds"),
        ("worlds an hour", f"{result['seeds_an_hour']:,} in {result['jobs']} processes"),
        ("worlds that violated something", f"{len(came['failures']):,}"),
        ("digest of all traces", f"`{came['digest'][:32]}`"),
        ("storage schedules", f"{schedules['schedules']:,}"),
        ("schedules that violated something", f"{len(schedules['violations']):,}"),
        ("run once more in other processes", _again(result["engine"])),
        ("Python, SQLite", f"{result['python']}, {result['sqlite']}"),
        ("digest of `engine/`", f"`{result['engine'][:32]}`"),
    ]
    return table(("figure", "value"), lines)


def _again(engine: str) -> str:
    """Tell how much of the campaign of this engine was run again, and what came out otherwise."""
    again = _read("again.json")
    if again is None or again["engine"] != engine:
        return NOT_RECORDED
    count = f"{again['worlds']:,} worlds and {again['schedules']:,} schedules"
    return f"{count}: {len(again['differ']):,} blocks came out otherwise"


def kills() -> str:
    """Tell what the real kills came to."""
    rows = _read("kills.json")
    if rows is None:
        return NOT_RECORDED
    lines = [
        (
            {"paper": "paper bots", "ccxt": "live bots through ccxt"}[row["kind"]],
            *(f"{row[key]:,}" for key in ("kills", "under_way", "in_flight", "orders", "trades", "faults")),
            f"{len(row['violations']):,}",
            f"`{row['engine'][:16]}`",
        )
        for row in rows
    ]
    header = (
        "what",
        "kills",
        "under way",
        "order in flight",
        "orders",
        "trades",
        "faults",
        "violations",
        "`engine/` alone",
    )
    return table(header, lines)


def schedules() -> str:
    """Tell how the storage schedules ended, by kind."""
    result = _read("worlds.json")
    if result is None or not result["schedules"]["outcomes"]:
        return NOT_RECORDED
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    for key, count in result["schedules"]["outcomes"].items():
        kind, _, outcome = key.partition(": ")
        ends[kind][outcome] += count
    outcomes = sorted({outcome for each in ends.values() for outcome in each})
    lines = [(kind, *(f"{each[outcome]:,}" for outcome in outcomes)) for kind, each in sorted(ends.items())]
    return table(("schedule", *outcomes), lines)


def visits() -> str:
    """Tell which fault met orders in which state, how often, and why some never can."""
    met = visited()
    if met is None:
        return NOT_RECORDED
    lines = [(fault, *(_cell(fault, state, each[state]) for state in ORDER_STATES)) for fault, each in met.items()]
    marks = {line for row in lines for line in row[1:]}
    reasons = [f"- {each.mark}: {each.text}" for each in REASONS if each.mark in marks]
    empty = [line for fault, each in met.items() for line in _open_cells(fault, unvisited(fault, each))]
    parts = [table(("fault", *ORDER_STATES), lines), "A letter says why a fault cannot meet an order in a state:"]
    parts.append("\n".join(reasons))
    if empty:
        parts += ["Possible, and not met in these worlds, each with why it is seldom:", "\n".join(empty)]
    return "\n\n".join(parts)


def visited() -> dict[str, Counter[str]] | None:
    """Give how often a fault of each row met an order in each state, None if no campaign is recorded.

    A kind that orders can meet has its row although it never met one.
    """
    result = _read("worlds.json")
    if result is None:
        return None
    met: dict[str, Counter[str]] = defaultdict(Counter, {fault: Counter() for fault in KNOWN})
    for key, count in result["worlds"]["visits"].items():
        fault, _, state = key.partition("|")
        met[_group(fault)][state] += count
    return dict(sorted(met.items()))


def unvisited(fault: str, met: Counter[str]) -> list[str]:
    """Name the states in which a fault could have met an order and has not."""
    return [state for state in ORDER_STATES if not met[state] and why(fault, state) is None]


def _open_cells(fault: str, states: list[str]) -> list[str]:
    """List the states in which a fault could have met an order and has not, those of one reason together."""
    together: dict[str, list[str]] = defaultdict(list)
    for state in states:
        together[seldom(fault, state) or "not explained"].append(state)
    return [f"- {fault} and {', '.join(each)}: {text}" for text, each in together.items()]


def _cell(fault: str, state: str, count: int) -> str:
    reason = why(fault, state)
    return f"{count:,}" if count else "" if reason is None else reason.mark


def _group(fault: str) -> str:
    """Name the row that a fault belongs to: calls that are no calls about orders share one, so do files being made."""
    for how in ("kill", "power cut"):
        if fault.startswith(f"{how} "):
            where = fault.removeprefix(f"{how} ").split("/")
            return f"{how}: {_place(where)}"
    verb, _, kind = fault.partition(" ")
    if not kind:
        return fault
    if verb in OUTSIDE:
        return f"{verb}: {kind}"
    return f"{kind}: {verb if verb in ORDER_CALLS else 'other calls'}"


def _place(where: list[str]) -> str:
    match where[0]:
        case "disk":
            return f"disk, {where[1].removeprefix('new-')}"
        case "exchange":
            return f"call, {where[1] if where[1] in ORDER_CALLS else 'other'}"
        case _:
            return "some time"


def planted() -> str:
    """Tell which planted bugs were killed, by what and how soon."""
    result = _read("planted.json")
    if result is None:
        return NOT_RECORDED
    lines = [(row["name"], row["by"], row["rule"] or "not found", _needed(row)) for row in result["kills"]]
    unseen = result["unseen"]
    of = result["plants"] + len(unseen)
    told = f"{result['killed']} of {of} planted bugs were found. The engine: `{result['engine'][:32]}`."
    parts = [told, table(("planted bug", "found by", "as", "after at most"), lines)]
    if unseen:
        parts += ["Not found so far:", "\n".join(f"- {name}: {why}" for name, why in unseen.items())]
    return "\n\n".join(parts)


def _needed(row: dict[str, Any]) -> str:
    """Say how many seeds, counted from 1 on, or schedules, from 0 on, hold the one that is known to kill."""
    return "1" if row["by"] == "tapes" else f"{row['seed'] + (row['by'] == 'schedules'):,}"


def incidents() -> str:
    """Tell which incidents of other programs are played against the engine, and under which mistake each shows."""
    rows = sorted((outcome_incidents.INCIDENTS | restart_incidents.INCIDENTS).items())
    lines = [(name, _first_line(each.story), _first_line(each.wrong)) for name, each in rows]
    return table(("incident", "what happens to the engine", "the mistake that would repeat it"), lines)


def _first_line(function: Callable[..., object]) -> str:
    return (function.__doc__ or "").splitlines()[0]


def fuzz() -> str:
    """Tell how many inputs the fuzzers have put to each target, and to which engine."""
    result = _read("fuzz.json")
    if result is None:
        return NOT_RECORDED
    lines = [
        (name, f"{found['executions']:,}", f"{found['seconds']:,} s", f"{found['findings']:,}")
        for name, found in result["targets"].items()
    ]
    told = f"The engine: `{result['engine'][:32]}`."
    return f"{table(('target', 'inputs', 'in', 'findings'), lines)}\n\n{told}"


def coverage() -> str:
    """Tell how many lines and branches the tests of `make coverage` take."""
    result = _read("coverage.json")
    if result is None:
        return NOT_RECORDED
    columns = ("files", "lines", "branches")
    lines = [(area, *(f"{found[column]:,}" for column in columns)) for area, found in result["areas"].items()]
    return f"{table(('area', *columns), lines)}\n\nThe engine: `{result['engine'][:32]}`."


def mutants() -> str:
    """Tell how many small changes to the code were noticed by a test, and which were not."""
    result = _read("mutants.json")
    if result is None:
        return NOT_RECORDED
    lines = [
        (
            area,
            f"{found['all']:,}",
            f"1 in {found['every']}: {found['sampled']:,}",
            *(f"{found.get(how, 0):,}" for how in ("killed", "timeout", "survived")),
        )
        for area, found in result["areas"].items()
    ]
    left = [f"- `{each['name'].rpartition('.')[2]}` ({each['how']}): {each['why']}" for each in result["left"]]
    header = ("area", "changes in all", "tried", "noticed", "ran too long", "not noticed")
    told = f"The engine: `{result['engine'][:32]}`."
    return "\n\n".join([table(header, lines), told, "Those left, each with why:", "\n".join(left)])
