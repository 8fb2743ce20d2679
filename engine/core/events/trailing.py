"""Events of bot-managed trailing: inactive → waiting → active → triggered, and back.

A trail belongs to a lot (`lot` is its number, direction up) or to the entry (`lot` 0, direction down).
Source: specification, "Trailing State Management"; decisions 1, 6, 7, 18.
"""

from decimal import Decimal
from typing import ClassVar, Literal

from engine.core.events.base import Event

Direction = Literal["up", "down"]


class TrailingStarted(Event, frozen=True, tag="trailing_started"):
    """A trail waits for the price to reach `activation`. Its parameters are frozen here.

    `floor` is the price under which an up-trail may not fire; `amount` is the quote an entry will spend,
    `reason` what spoke for it.
    """

    lot: int
    direction: Direction
    activation: Decimal
    percent: Decimal
    floor: Decimal | None = None
    amount: Decimal | None = None
    reason: str = ""


class TrailingActivated(Event, frozen=True, tag="trailing_activated"):
    """The price reached the activation, or an unfilled trailing order was cancelled and the trail goes on.

    `watermark` is the best price from here on.
    """

    lot: int
    direction: Direction
    price: Decimal
    watermark: Decimal


class TrailingWatermarkMoved(Event, frozen=True, tag="trailing_watermark_moved"):
    """A new extreme, for every active trail of that direction that it improves."""

    urgent: ClassVar[bool] = False
    direction: Direction
    watermark: Decimal


class TrailingTriggered(Event, frozen=True, tag="trailing_triggered"):
    """The price came back from the watermark by at least the trail's percent: time to execute."""

    lot: int
    direction: Direction
    price: Decimal
    watermark: Decimal
    retrace_percent: Decimal


class TrailingReset(Event, frozen=True, tag="trailing_reset"):
    """A trail is inactive again.

    `reason` is `filled`, `outage`, `stale`, `manual`, `gate`, `rejected`, `unfilled`, `dust`, `target`,
    `stop_loss`, `kill_switch` or `max_daily_loss_percent`.
    """

    lot: int
    direction: Direction
    reason: str
    failure_count: int = 0
