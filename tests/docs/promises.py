"""docs/promises.md from the `spec` marks of the tests: each promise, and the tests that show it."""

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from tests.docs.headings import Place, place
from tests.docs.pages import ROOT, link_to, table

Mark = tuple[str, str, str]

_COLLECT: Final = ("--collect-only", "-q", "-p", "no:cacheprovider", "-p", "tests.docs.marks")

NOWHERE: Final = 9999
"""The rank of a section that no page tells of."""


@cache
def marks() -> tuple[Mark, ...]:
    """Collect section, promise and test id of every mark, by a pytest that collects and runs nothing."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "marks"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *_COLLECT],
            cwd=ROOT,
            env={**os.environ, "SPEC_MARKS": str(target), "PYTEST_ADDOPTS": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"The tests could not be collected:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return tuple(sorted({tuple(json.loads(line)) for line in target.read_text(encoding="utf-8").splitlines()}))


def page() -> str:
    """Write one table per section, in the order of the specification, then of the decisions."""
    places: dict[str, Place] = {}
    by_title: dict[str, dict[str, list[str]]] = {}
    for section, promise, test in marks():
        found = place(section) or Place(NOWHERE, section, "")
        places[found.title] = found
        by_title.setdefault(found.title, {}).setdefault(_sentence(promise), []).append(test)
    promises = sum(map(len, by_title.values()))
    tests = len({test for _, _, test in marks()})
    parts = [f"{promises} promises, shown by {tests} tests."]
    for title in sorted(places, key=lambda each: places[each]):
        lines = [(promise, "<br>".join(map(link_to, shown))) for promise, shown in by_title[title].items()]
        link = places[title].link
        told = f"The rule: [{link.partition('#')[0]}]({link}).\n\n" if link else ""
        parts.append(f"## {title}\n\n{told}{table(('promise', 'shown by'), lines)}")
    return "\n\n".join(parts)


def _sentence(promise: str) -> str:
    return promise[0].upper() + promise[1:].rstrip(".")
