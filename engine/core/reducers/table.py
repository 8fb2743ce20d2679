"""The shape of a reducer table: event type to pure function."""

from collections.abc import Callable
from typing import Any

from engine.core.state import BotState

Reducer = Callable[[BotState, Any, int], BotState]
Table = dict[type, Reducer]
