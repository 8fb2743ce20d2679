"""Which strategies there are, and how a config is bound to one."""

from collections.abc import Callable
from typing import Any, Final

from engine.core.config import BotConfig
from engine.core.strategy import Strategy
from engine.strategies.dca import Dca, DcaParams

STRATEGIES: Final[dict[str, Callable[[dict[str, Any]], Strategy]]] = {Dca.name: Dca.from_params}

PARAMS: Final[dict[str, type]] = {Dca.name: DcaParams}
"""What `strategy_params` may hold, by strategy."""


def strategy_for(config: BotConfig) -> Strategy:
    """Bind the config's strategy to its parameters."""
    return STRATEGIES[config.strategy](config.strategy_params)
