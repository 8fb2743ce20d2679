"""A pytest plugin that writes the `spec` marks of all collected tests to a file: `-p tests.docs.marks`.

The file is named by the environment variable SPEC_MARKS; each line is a JSON list of section, promise and test id.
"""

import json
import os
from pathlib import Path

import pytest


def spec(promise: str, section: str) -> tuple[str, str]:
    """Read the arguments of a mark, however they were given."""
    return section, promise


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write one line per mark; the cases of a parametrised test count as one."""
    lines: dict[str, None] = {}
    for item in session.items:
        for mark in item.iter_markers("spec"):
            section, promise = spec(*mark.args, **mark.kwargs)
            lines[json.dumps([section, promise, item.nodeid.partition("[")[0]])] = None
    Path(os.environ["SPEC_MARKS"]).write_text("\n".join(lines), encoding="utf-8")
