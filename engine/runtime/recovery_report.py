"""What a recovery found and did, as values: for the operator who must say yes, and for the command line to show.

Owns the shapes. Never asks or changes anything.
"""

from decimal import Decimal
from pathlib import Path

import msgspec

from engine.core.config import BotConfig
from engine.core.events.orders import Side
from engine.core.state import OrderStatus
from engine.core.units import ZERO


class Mend(msgspec.Struct, frozen=True):
    """How the log was made anew: why, rows kept, rows lost (None: nothing tells), where they were read, what was there.

    `is_backup` says that a backup or an earlier quarantine held more than the log itself.
    """

    reason: str
    kept: int
    lost: int | None
    source: Path
    is_backup: bool
    quarantine: Path | None


class Adopted(msgspec.Struct, frozen=True):
    """An order taken over from the exchange, and how it stands there."""

    client_order_id: str
    side: Side
    quantity: Decimal
    filled: Decimal
    status: OrderStatus
    limit_price: Decimal | None = None
    lot: int | None = None


class BotReport(msgspec.Struct, frozen=True):
    """One bot: why and since when something is missing, what was found at the exchange and booked, its base by that.

    The rows up to `kept` were kept when this recovery began; the witness had seen row `witness`, if it was there.
    `held` counts lots and dust, `others_hold` those of the log's other bots at the account. `balance` is None where
    there is no account to ask. `unmatched` lists what was found and not booked.
    """

    bot_id: str
    config: BotConfig
    reason: str
    kept_ms: int
    kept: int
    witness: int | None
    held_before: Decimal
    held_after: Decimal
    open_lots: int
    others_hold: Decimal = ZERO
    adopted: tuple[Adopted, ...] = ()
    trades: int = 0
    balance: Decimal | None = None
    unmatched: tuple[str, ...] = ()

    @property
    def lost(self) -> int | None:
        """Give how many rows were lost; None if nothing tells."""
        return None if self.witness is None else max(self.witness - self.kept, 0)

    @property
    def short(self) -> Decimal:
        """Give how much less the account holds than all its bots bought; nothing, or less, if it holds enough."""
        return ZERO if self.balance is None else self.held_after + self.others_hold - self.balance


class Report(msgspec.Struct, frozen=True):
    """All of a recovery. `mend` is None if the log itself was sound; without bots there was nothing to do at all."""

    mend: Mend | None
    bots: tuple[BotReport, ...]
    confirmed: bool = False

    @property
    def is_healthy(self) -> bool:
        """Tell whether there was nothing to recover."""
        return self.mend is None and not self.bots
