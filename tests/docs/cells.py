"""Which fault cannot meet an order in which state: the reasons why cells of the table of visits are empty.

Owns the judgement. A reason that a campaign contradicts is a mistake here, which a test holds against the record.
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
)


def why(fault: str, state: str) -> Reason | None:
    """Say why a fault never meets an order in a state, None if it may."""
    return next((each for each in REASONS if state in each.states and re.fullmatch(each.faults, fault)), None)
