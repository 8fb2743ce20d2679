"""Changes that look like mistakes and break no promise, each with the argument.

Owns the judgement. There are five at most.
"""

from typing import Final

from tests.prove.plant import Equivalent

EQUIVALENT: Final[tuple[Equivalent, ...]] = (
    Equivalent(
        "an order in doubt is not owed a question",
        "engine/core/effects.py",
        '        elif order.status in {"sent", "unknown", "canceled", "expired"}:\n',
        '        elif order.status in {"sent", "canceled", "expired"}:\n',
        "Every look at the open orders asks about each order that is not plainly open: at the start, after an outage, "
        "and every minute while an order is there. So an order in doubt is asked about all the same, only later; until "
        "then its money stays reserved and no other buy is decided.",
    ),
    Equivalent(
        "a hint of the account's stream is not followed",
        "engine/runtime/live_duties.py",
        "                    seat.executor.look(order.client_order_id)\n",
        "                    pass\n",
        "A hint proves nothing and is only a reason to look earlier: the looks on the timer find the same, and the "
        "worlds lose hints at any rate anyway.",
    ),
    Equivalent(
        "trades that are known are told again",
        "engine/runtime/reports.py",
        "for fill in report.fills if fill.trade_id not in order.trade_ids}",
        "for fill in report.fills}",
        "A fill is booked once by its order and trade id in the reducer, whatever is told; the repeated event is in "
        "the log and changes nothing, as docs/events.md says of it.",
    ),
)
