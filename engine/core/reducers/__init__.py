"""The reducer: `apply(state, event, at_ms)` gives the next state, for every event there is.

Total, pure, no clock, no I/O. One function per event type in a table; which module holds it follows the catalogue.
"""

from decimal import getcontext, setcontext
from typing import Final

from engine.core.events import BotCreated, BotEvent
from engine.core.exact import CONTEXT
from engine.core.reducers import bot, connectivity, limits, orders, trading, trailing
from engine.core.reducers.table import Table
from engine.core.state import BotState

REDUCERS: Final[Table] = {
    **bot.REDUCERS,
    **connectivity.REDUCERS,
    **limits.REDUCERS,
    **orders.REDUCERS,
    **trading.REDUCERS,
    **trailing.REDUCERS,
}


def apply(state: BotState | None, event: BotEvent, at_ms: int) -> BotState:
    """Fold one event into a state. The first event of a bot is `bot_created`, and only the first.

    Source: design, "The kernel: five pure functions".
    """
    if state is None:
        assert isinstance(event, BotCreated), event
        return bot.created(event, at_ms)
    assert type(event) is not BotCreated, "a bot is created once"
    outer = getcontext()
    setcontext(CONTEXT)
    try:
        return REDUCERS[type(event)](state, event, at_ms)
    finally:
        setcontext(outer)
