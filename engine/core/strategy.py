"""What a strategy is: pure code that proposes; the engine applies limits, precision and fees.

Owns the Protocol and the intents. A strategy sees a view and answers; it never orders, never remembers.
"""

from decimal import Decimal
from typing import Protocol

import msgspec

from engine.core.events import IndicatorsObserved, PriceObserved
from engine.core.state import BotState


class Buy(msgspec.Struct, frozen=True):
    """Buy for the strategy's amount; `reason` says what spoke for it."""

    reason: str


class Hold(msgspec.Struct, frozen=True):
    """Do nothing; `rule` names the reason, `text` tells it, `numbers` holds what was compared."""

    rule: str
    text: str
    numbers: dict[str, str] = {}


class Strategy(Protocol):
    """Entry rules of one bot, bound to its parameters.

    `decision_version` is raised whenever the same log may give other decisions; replay then lists differences
    instead of calling them faults (design, "Event catalogue").
    """

    @property
    def name(self) -> str:
        """Give the name that the config's `strategy` chooses it by."""
        ...

    @property
    def decision_version(self) -> int:
        """Give the version of its rules."""
        ...

    def indicators(self) -> tuple[str, ...]:
        """Name the indicator specifications it reads, such as `rsi:14`."""
        ...

    def amount(self, state: BotState, /) -> Decimal:
        """Say how much quote the next purchase spends, before fees."""
        ...

    def screen(self, state: BotState, price: PriceObserved, at_ms: int, /) -> Hold | None:
        """Rule an entry out by what needs no indicators, or let it pass."""
        ...

    def vote(self, state: BotState, price: PriceObserved, indicators: IndicatorsObserved, /) -> Buy | Hold:
        """Decide by the indicators of the last closed candle."""
        ...
