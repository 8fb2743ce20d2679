"""When somebody who was told of a pause may count on it.

Owns the reading of the commands in the exchange's own order. Never asks the log.
"""

from collections.abc import Mapping
from typing import Any, Final

from engine.testing.independent.bots import RESUMING


class Pauses:
    """The commands to one bot, as far as they have been followed; `is_paused` tells whether a pause stands for certain.

    An end that was asked for and never answered may have come about, so it counts, as does one that was asked for
    between a pause and its acknowledgement. A command that was refused is waited for no longer. A pause before a
    disaster may be lost with the end of the log.
    """

    def __init__(self, bot: str) -> None:
        """Start with none."""
        self.is_paused = False
        self._bot: Final = bot
        self._ending = self._pausing = 0
        self._is_crossed = False

    def take(self, record: Mapping[str, Any]) -> bool:
        """Take the next record in; tell whether it acknowledges a pause on which one may count from now on."""
        what = record.get("what")
        if what == "life":
            self._ending, self._pausing, self._is_crossed = 0, 0, False
        elif what == "disaster":
            self.is_paused = False
        elif what == "command" and record.get("bot") == self._bot:
            step = -1 if record["acknowledged"] or record.get("refused") else 1
            if record["name"] in RESUMING:
                self.is_paused, self._is_crossed = False, self._is_crossed or self._pausing > 0
                self._ending += step
            elif record["name"] == "pause":
                self._pausing += step
                counts = record["acknowledged"] and self._ending <= 0 and not self._is_crossed
                self._is_crossed = self._is_crossed and self._pausing > 0
                self.is_paused = self.is_paused or counts
                return bool(counts)
        return False
