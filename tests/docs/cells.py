"""Which fault cannot meet an order in which state, and which hardly does: why cells of the table of visits are empty.

Owns the judgement. A cell that never can be filled bears a letter; a campaign that contradicts one shows a mistake
here: a test holds the letters against the record. One that a campaign may fill and has not is explained by how seldom
it comes.
"""

import re
from typing import Final, NamedTuple


class Reason(NamedTuple):
    """Why orders in some states are never met by the faults whose row matches; `mark` stands in their cells."""

    mark: str
    faults: str
    states: tuple[str, ...]
    text: str


OF_ONE: Final = (
    r".+: (create|cancel)|bare_answer|cancel_race|late_fill|split|expired|partial|forced_cancel|cut_short|purged|"
    r"hint_(late|lost|repeated)|foreign_bot"
)
REASONS: Final = (
    Reason("a", OF_ONE, ("no order",), "it befalls an order, so there is one"),
    Reason(
        "b",
        rf"(?!{OF_ONE}$).+|(kill|power cut): .+",
        ("ended",),
        "it befalls the world, or names no order: then the orders in the books count, and one that ended is in none",
    ),
    Reason(
        "c",
        r"(?!kill|power cut).+: create",
        ("requested", "unknown", "open", "part filled", "canceling", "closing", "ended"),
        "a request that places an order leaves while the log has it as sent",
    ),
    Reason(
        "k",
        r"bare_answer",
        ("requested", "open", "part filled", "canceling", "closing", "ended"),
        "the answer to such a request comes while the log has the order as sent, or in doubt",
    ),
    Reason(
        "d",
        r"(?!kill|power cut).+: cancel|cancel_race|late_fill",
        ("requested", "sent", "unknown", "part filled", "closing"),
        "only an order whose cancellation was asked for is cancelled",
    ),
    Reason(
        "e",
        r"cancel_race|late_fill|(?!kill|power cut).+: cancel",
        ("open",),
        "the same: in the books it is canceling by then",
    ),
    Reason(
        "f",
        r"split|expired",
        ("requested", "open", "part filled", "canceling"),
        "an order at the market trades in the moment in which it is taken, which the log learns later",
    ),
    Reason(
        "g",
        r"partial|forced_cancel|cut_short|purged|hint_(late|lost|repeated)",
        ("requested",),
        "it happens at the exchange, so the order has left",
    ),
    Reason(
        "h",
        r"partial|forced_cancel|cut_short|purged|hint_(late|lost|repeated)|split|expired",
        ("closing",),
        "the log has it at its end, so it is at its end at the exchange, and nothing more comes of it there",
    ),
    Reason(
        "i",
        r"foreign_bot",
        ("requested", "sent", "unknown", "open", "part filled", "canceling", "closing"),
        "an order of another log is in no books of ours",
    ),
    Reason(
        "j",
        r"(kill|power cut): disk, folder",
        ("requested", "sent", "unknown", "open", "part filled", "canceling", "closing"),
        "the folder is written when a log is made, before its first order",
    ),
    Reason(
        "l",
        r"(kill|power cut): call, create",
        ("no order",),
        "it strikes while an order is being placed, so there is one",
    ),
)

EVERY: Final = r".+"
SELDOM: Final = (
    (r".+: cancel", "ended", "few orders end in the moment in which the request to cancel them leaves"),
    (r"cut_short", "ended", "only an order that was given up is at its end in the log before it is at the exchange"),
    (r"(ban|maintenance): (query|order_trades)", EVERY, "most refusals of this kind meet calls that come more often"),
    (r"(kill|power cut): disk, log", EVERY, "the log's own file is written as a session begins and ends, seldom else"),
    (r"(kill|power cut|disaster): .+", "closing", "an order waits for its last trades for a moment only"),
)
"""Faults and states that may meet and hardly do, each with why; the first that matches counts."""


def why(fault: str, state: str) -> Reason | None:
    """Say why a fault never meets an order in a state, None if it may."""
    return next((each for each in REASONS if state in each.states and re.fullmatch(each.faults, fault)), None)


def seldom(fault: str, state: str) -> str | None:
    """Say why a fault hardly meets an order in a state, None if nothing explains that it has not."""
    found = (text for faults, states, text in SELDOM if re.fullmatch(faults, fault) and re.fullmatch(states, state))
    return next(found, None)
