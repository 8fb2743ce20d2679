"""What follows from a look at the account: balances that do not fit, orders that the log does not hold.

Foreign orders and coins are none of the bot's business. What bears this log's ids and is not in this log is: another
copy of the log trades, and the bot must not.
"""

from typing import Final

from engine.core.decider.draft import Draft
from engine.core.events import Balance, BalancesObserved, DiscrepancyFound, OrderReconciled, OrdersSurveyed
from engine.core.units import ZERO

TOLD_AT: Final = 2
"""So many looks in a row must find too little before it is told: a trade may not show up at once."""


def on_balances(draft: Draft) -> None:
    """Tell, once, that the account holds less of the base than the bots bought and did not sell."""
    event, state = draft.event, draft.state
    assert isinstance(event, BalancesObserved), event
    if state.short == TOLD_AT:
        held = event.balances.get(state.config.base, Balance(ZERO)).total
        expected = state.certain + event.others
        draft.emit(
            DiscrepancyFound(
                f"the balance of {state.config.base}",
                expected=str(expected),
                actual=str(held),
                action="sales are sized to what is there",
            )
        )


def on_survey(draft: Draft) -> None:
    """Stop for the operator if orders of this log exist that the log does not hold (a fork)."""
    event = draft.event
    assert isinstance(event, OrdersSurveyed), event
    if event.unknown_own and draft.state.halted is None:
        draft.emit(
            DiscrepancyFound(
                "orders of this log at the exchange",
                expected=f"none after number {draft.state.order_number}",
                actual=", ".join(event.unknown_own[:10]),
                action="nothing is sent until an operator decides: another copy of this log has traded",
                halts=True,
            )
        )


def on_reconciled(draft: Draft) -> None:
    """Tell that an order held to be not placed stands at the exchange after all; it is back in the books."""
    event = draft.event
    assert isinstance(event, OrderReconciled), event
    if event.old_status == "rejected":
        draft.emit(
            DiscrepancyFound(
                f"order {event.client_order_id}",
                expected="not placed",
                actual="at the exchange",
                action="it is back in the books",
            )
        )
