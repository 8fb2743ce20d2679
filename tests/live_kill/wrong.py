"""Three wrong protocols, each a small change of the engine in the process of a session: the controls of the campaign.

Owns nothing else. The same campaign that finds nothing wrong with the real protocol must find each of these.
"""

from collections.abc import Callable
from typing import Any, Final

from engine.exchanges.ccxt_account import CcxtAccount
from engine.exchanges.live import AccountGateway
from engine.exchanges.port import Outcome, Rejected, Unknown
from engine.runtime import reports


def _resend_at_once() -> None:
    """Send an order whose outcome is unknown again, under the same id."""
    _put(AccountGateway, "repeats_create", value=True)


def _time_out_is_failed() -> None:
    """Take an order for failed when the exchange did not answer about it."""
    create: Callable[..., Any] = CcxtAccount.create

    async def judged(self: CcxtAccount, *arguments: Any) -> Outcome:
        outcome: Outcome = await create(self, *arguments)
        return Rejected("no answer", outcome.error) if isinstance(outcome, Unknown) else outcome

    _put(CcxtAccount, "create", judged)


def _not_found_is_failed() -> None:
    """Take an order for not placed as soon as one look does not find it."""
    _put(reports, "proves_absence", lambda order, *_: order.sent_ms is not None)


def _put(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


WRONG: Final = {
    "resend-at-once": _resend_at_once,
    "time-out-is-failed": _time_out_is_failed,
    "not-found-is-failed": _not_found_is_failed,
}


def install(name: str) -> None:
    """Make this process trade by a wrong protocol; by the real one if no name is given."""
    if name:
        WRONG[name]()
