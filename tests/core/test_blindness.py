"""How long a bot has not followed prices, when one reason to let them pass ends and another begins."""

from decimal import Decimal

import pytest

from engine.core.decider.skips import unseen_ms
from engine.core.events import (
    BackoffStarted,
    BotEvent,
    CommandReceived,
    ConnectivityChecked,
    ConnectivityRestored,
    FeedAttached,
    FeedDetached,
)
from engine.core.reducers import apply
from tests.kernel import START_MS, Kernel
