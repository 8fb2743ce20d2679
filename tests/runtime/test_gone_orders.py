"""When a missing order calls for a thorough look: only one that the exchange had accepted can be given up by it."""

from types import SimpleNamespace
from typing import cast

import pytest
from msgspec.structs import replace

from engine.core.state import OrderStatus
from engine.runtime.account_desk import AccountDesk
from engine.runtime.bot import Bot
from engine.runtime.live_executor import LiveExecutor
from engine.runtime.reconciliation import GONE_AFTER, Desked, Reconciler
from tests.runtime.test_reports import NAME, OPEN


async def record(*_: object) -> int | None:
    """Take no note: nothing is looked at here."""
    raise AssertionError


@pytest.mark.parametrize(
    ("status", "absences", "is_gone"),
    [
        ("open", GONE_AFTER, True),
        ("open", GONE_AFTER - 1, False),
        ("unknown", GONE_AFTER, False),
        ("sent", GONE_AFTER, False),
        ("canceled", GONE_AFTER, False),
    ],
)
def test_missing_order_is_gone_only_if_it_was_accepted_and_not_found_often_enough(
    status: OrderStatus, absences: int, *, is_gone: bool
) -> None:
    held = SimpleNamespace(state=SimpleNamespace(orders={NAME: replace(OPEN, status=status)}))
    executor = SimpleNamespace(absences={NAME: absences}.__getitem__)
    reconciler = Reconciler(cast("AccountDesk", None), "BTC/USD", record, lambda: 0)
    assert not reconciler.has_gone()
    reconciler.seats.append(Desked(cast("Bot", held), cast("LiveExecutor", executor)))

    assert reconciler.has_gone() is is_gone
