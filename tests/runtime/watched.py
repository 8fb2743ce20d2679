"""An engine run in this process under the eyes of a test: what was published, what was said, which files there were.

Owns the way to run it. Never asserts anything.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from engine.core.projection import state_file_name
from engine.runtime.bootstrap import Surroundings
from engine.runtime.clock import SystemTime
from engine.runtime.config_file import load_config
from engine.runtime.journal import Listener, Published
from engine.runtime.supervisor import Outcome, RunPlan, run_engine

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class Watched:
    """A run and what was seen of it.

    `files` are the contents the state file of the first bot went through, each with the sequence of the last event
    published before it was first seen; `said` the lines about the program with their market time.
    """

    def __init__(self, *paths: Path) -> None:
        self.configs = [load_config(path) for path in paths]
        self.directory = self.configs[0].state_dir
        self.state_file = self.directory / state_file_name(self.configs[0].config.bot_id)
        self.published: list[Published] = []
        self.said: list[tuple[int, str]] = []
        self.files: list[tuple[int, dict[str, Any] | None]] = [(0, None)]
        self._last = b""
        self._events = 0

    def run(self, for_ms: int | None) -> Outcome:
        """Run as fast as it goes, to the end."""
        outcome = asyncio.run(
            run_engine(
                self.directory,
                [each.config for each in self.configs],
                RunPlan(None, for_ms),
                real_time=SystemTime(),
                surroundings=self._surroundings,
                listeners=(self._listen,),
                announce=lambda _: None,
            )
        )
        self._look()
        return outcome

    def of_type(self, kind: type) -> list[Published]:
        """Give the published events of a type."""
        return [each for each in self.published if isinstance(each.event, kind)]

    def saves(self) -> list[dict[str, Any]]:
        """Give the contents that the state file went through."""
        return [content for _, content in self.files if content is not None]

    def _surroundings(self, listeners: tuple[Listener, ...]) -> Surroundings:
        return Surroundings(self.directory, listeners, self._say, lambda: "0123456789")

    def _say(self, at_ms: int, _bot_id: str, text: str, _routine: bool) -> None:
        self.said.append((at_ms, text))

    def _listen(self, published: Published) -> None:
        self._look()
        self.published.append(published)
        if published.stream.startswith("bot:"):
            self._events = published.sequence

    def _look(self) -> None:
        content = self.state_file.read_bytes() if self.state_file.exists() else b""
        if content != self._last:
            self._last = content
            self.files.append((self._events, json.loads(content)))
