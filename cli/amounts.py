"""Amounts of one bot in words: gains with their sign and colour, and what open lots cost and would bring.

Owns how the summary and `inspect-state` say the same thing the same way. Counts nothing that the state does not hold.
"""

from decimal import Decimal

from cli.render import signed
from engine.core.config import BotConfig
from engine.core.exact import exactly
from engine.core.narration import money, plain
from engine.core.state import BotState
from engine.core.units import ZERO


def gain(value: Decimal, config: BotConfig) -> str:
    """Write a profit or a loss in quote: `+$1.55`, `-0.00012 BTC`."""
    return signed(value, f"{'-' if value < 0 else '+' if value > 0 else ''}{money(abs(value), config)}")


@exactly
def open_lots(state: BotState, last_price: Decimal | None) -> str:
    """Say what the open lots have cost and what they are worth at the last price, before the fees of selling them."""
    if not state.lots:
        return "none"
    cost, config = sum((lot.cost for lot in state.lots.values()), ZERO), state.config
    if last_price is None:
        return f"cost {money(cost, config)}, no price seen"
    worth = state.position * last_price
    return (
        f"cost {money(cost, config)}, worth {money(worth, config)} at last price "
        f"({gain(worth - cost, config)} before fees)"
    )


def dust_words(state: BotState) -> str:
    """Say what is too small to be sold, and what it has cost."""
    return f"{plain(state.dust.quantity)} {state.config.base} that cost {money(state.dust.cost, state.config)}"
