"""Which parts of which pages are made from code, and how they are put between their markers.

Owns the markers and the list of made sections. Never writes prose: what stands outside the markers is left as it is.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_MARK: Final = "<!-- made by `make docs`: {name} -->"
_END: Final = "<!-- end of {name} -->"


class Section:
    """One made part of one page: where it stands, and how its text comes about."""

    def __init__(self, page: str, name: str, make: Callable[[], str]) -> None:
        self.page: Final = page
        self.name: Final = name
        self.make: Final = make

    @property
    def path(self) -> Path:
        """Give the page as a file."""
        return ROOT / self.page

    def fresh(self, text: str) -> str:
        """Give a page's text with this section made anew."""
        start, end = _MARK.format(name=self.name), _END.format(name=self.name)
        assert text.count(start) == text.count(end) == 1, f"{self.page} needs {start} and {end}, each once"
        pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
        body = f"{start}\n\n{self.make().strip()}\n\n{end}"
        return pattern.sub(lambda _: body, text)


def sections() -> tuple[Section, ...]:
    """List what is made, the quick parts first."""
    from tests.docs import command_line, configuration, event_catalogue, evidence, found, promises, samples, state_file

    return (
        Section("docs/configuration.md", "bot-keys", configuration.bot_keys),
        Section("docs/configuration.md", "strategy-keys", configuration.strategy_keys),
        Section("docs/configuration.md", "simulated-keys", configuration.simulated_keys),
        Section("docs/configuration.md", "recorded-keys", configuration.recorded_keys),
        Section("docs/configuration.md", "outage-keys", configuration.outage_keys),
        Section("docs/configuration.md", "live-keys", configuration.live_keys),
        Section("docs/configuration.md", "paper-keys", configuration.paper_keys),
        Section("docs/events.md", "catalogue", event_catalogue.catalogue),
        Section("docs/state-file.md", "keys", state_file.keys),
        Section("docs/cli.md", "verbs", command_line.reference),
        Section("docs/promises.md", "promises", promises.page),
        Section("docs/evidence.md", "worlds", evidence.worlds),
        Section("docs/evidence.md", "kills", evidence.kills),
        Section("docs/evidence.md", "schedules", evidence.schedules),
        Section("docs/evidence.md", "visits", evidence.visits),
        Section("docs/evidence.md", "planted", evidence.planted),
        Section("docs/evidence.md", "coverage", evidence.coverage),
        Section("docs/evidence.md", "mutants", evidence.mutants),
        Section("docs/evidence.md", "incidents", evidence.incidents),
        Section("docs/evidence.md", "fuzz", evidence.fuzz),
        Section("docs/evidence.md", "found", found.page),
        Section("README.md", "run", samples.run),
        Section("README.md", "inspect-state", samples.inspect_state),
        Section("README.md", "replay", samples.replay),
    )


def table(header: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> str:
    """Write a Markdown table; a bar inside a cell is escaped."""
    rows = [header, tuple("---" for _ in header), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def link_to(test: str) -> str:
    """Name a test, such as tests/core/test_x.py::test_y, with a link to its file."""
    path, _, name = test.partition("::")
    return f"[`{path.removeprefix('tests/')}`](../{path}) `{name}`"
