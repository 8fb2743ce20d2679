"""`decide`: what follows from what was just seen.

Pure: strategy, state and observation in, events out. The state given already holds the observation if it is one of
the bot's own; a price is the feed's and comes with the view of it. Called by the running bot and by
`replay --redecide` alike.
"""

from typing import Final

from engine.core.decider.account import on_balances, on_reconciled, on_survey
from engine.core.decider.commands import on_command
from engine.core.decider.connectivity import on_checked
from engine.core.decider.draft import Draft, Observation
from engine.core.decider.entries import wants_indicators
from engine.core.decider.prices import on_price
from engine.core.decider.recovered import on_adopted, on_confirmed, on_recovery
from engine.core.decider.settlement import on_report, on_timer
from engine.core.events import (
    BalancesObserved,
    BotEvent,
    CommandReceived,
    ConnectivityChecked,
    OrderAdopted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderReconciled,
    OrderRejected,
    OrdersSurveyed,
    PriceObserved,
    RecoveryConfirmed,
    RecoveryStarted,
    TimerFired,
)
from engine.core.exact import exactly
from engine.core.state import BotState
from engine.core.strategy import Strategy

DECISION_VERSION: Final = 1
"""Raised whenever the engine's own rules decide otherwise over the same log."""

_HANDLERS: Final = {
    PriceObserved: on_price,
    ConnectivityChecked: on_checked,
    CommandReceived: on_command,
    TimerFired: on_timer,
    OrderFilled: on_report,
    OrderRejected: on_report,
    OrderCanceled: on_report,
    OrderExpired: on_report,
    OrderReconciled: on_reconciled,
    BalancesObserved: on_balances,
    OrdersSurveyed: on_survey,
    RecoveryStarted: on_recovery,
    OrderAdopted: on_adopted,
    RecoveryConfirmed: on_confirmed,
}


@exactly
def decide(strategy: Strategy, state: BotState, observation: Observation) -> tuple[BotEvent, ...]:
    """Say what follows from an observation; often nothing.

    Source: design, "The kernel: five pure functions".
    """
    handler = _HANDLERS.get(type(observation.event))
    if handler is None:
        return ()
    draft = Draft(strategy, state, observation)
    handler(draft)
    return tuple(draft.events)


__all__ = ["DECISION_VERSION", "Observation", "decide", "wants_indicators"]
