"""Write down which lines and branches the tests take of the code that must not be wrong: python -m tests.covered.

Owns which files belong to which area, and the report. Run by `make coverage` on what coverage.py found there; the files
that are measured at all stand in pyproject.toml.
"""

import json
import sys
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from engine.testing.digest import source_digest

ROOT: Final = Path(__file__).resolve().parents[1]
REPORT: Final = ROOT / "docs" / "evidence" / "coverage.json"
AREAS: Final = {
    "recovery": ("engine/runtime/recovery*.py", "engine/store/salvage.py", "engine/store/rebuild.py"),
    "store": ("engine/store/*.py",),
    "reconciliation": (
        "engine/runtime/reconciliation.py",
        "engine/runtime/ownership.py",
        "engine/runtime/account_*.py",
    ),
    "an exchange's answers": ("engine/exchanges/*.py",),
    "trailing": ("engine/core/watch.py", "engine/core/*/trailing.py"),
    "protocol and decisions": ("engine/*.py",),
}
"""The patterns of each area; a file belongs to the first that matches, where a star stands for folders, too."""


def area_of(file: str) -> str:
    """Name the area of a file."""
    return next(area for area, patterns in AREAS.items() if any(fnmatch(file, pattern) for pattern in patterns))


def summed(found: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Add up files, lines and branches by area, from coverage.py's report, which is there only if all are taken."""
    areas: dict[str, Counter[str]] = {area: Counter() for area in AREAS}
    for file, each in found["files"].items():
        told = each["summary"]
        areas[area_of(file)].update(files=1, lines=told["num_statements"], branches=told["num_branches"])
    return {area: dict(count) for area, count in areas.items()}


def main() -> int:
    """Write the report."""
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    report = {"engine": source_digest(ROOT / "engine"), "areas": summed(found)}
    REPORT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
