"""Events of risk limits: a limit reached, a lot stopped out, the kill switch engaged and released."""

from decimal import Decimal

from engine.core.config import KillAction
from engine.core.events.base import Event


class LimitReached(Event, frozen=True, tag="limit_reached"):
    """A limit forbids purchases until `until_ms`; sells go on. `rule` is its key under `risk`.

    `text` tells it, `numbers` holds what was compared. Source: decisions.md, "Risk".
    """

    rule: str
    text: str
    until_ms: int
    numbers: dict[str, str] = {}


class StopLossTriggered(Event, frozen=True, tag="stop_loss_triggered"):
    """The best bid (the last price, where there is none) fell to a lot's stop: it is sold at market, whatever comes.

    `stop_price` is the unit cost less `percent`. Source: decisions.md, "Risk".
    """

    lot: int
    price: Decimal
    stop_price: Decimal
    percent: Decimal


class KillSwitchEngaged(Event, frozen=True, tag="kill_switch_engaged"):
    """Nothing more is bought until the switch is released; with `flatten` every lot is sold at market, too.

    `reason` is `command` or the limit's key under `risk`, `text` tells it, `numbers` holds what was compared.
    Source: decisions.md, "Risk".
    """

    action: KillAction
    reason: str
    text: str
    numbers: dict[str, str] = {}


class KillSwitchReleased(Event, frozen=True, tag="kill_switch_released"):
    """An operator let the bot buy again. The drawdown is counted anew from `equity`, where a price is known."""

    equity: Decimal | None = None
