"""Count how many small changes to the code that must not be wrong a test notices: python -m tests.mutants.

Owns which files belong to which area, which mutants are the sample (those whose name hashes to a multiple of `every`)
and the report. Mutmut makes the mutants and runs the tests (pyproject.toml). A mutant that was noticed counts as
noticed until its function changes. The reasons beside survivors in the report are written by hand; a change that has
one is not run again as long as its function stays the same.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from engine.testing.digest import source_digest

ROOT: Final = Path(__file__).resolve().parents[1]
REPORT: Final = ROOT / "docs" / "evidence" / "mutants.json"
STORE: Final = ("chains", "codec", "commits", "follower", "sqlite", "verification", "witness")
AREAS: Final = {
    "protocol": ("core/effects", "core/reducers/orders", "runtime/live_executor", "runtime/reports"),
    "reconciliation": ("runtime/ownership", "runtime/reconciliation"),
    "store": tuple(f"store/{name}" for name in STORE),
    "trailing": ("core/watch", "core/decider/trailing", "core/reducers/trailing"),
}
EVERY: Final = {"protocol": 8, "reconciliation": 4, "store": 8, "trailing": 8}
"""The sample is one in so many: more where the first sample found more."""

KILLED: Final = frozenset({1, 3})
WORDS: Final = {0: "survived", 33: "no tests", 5: "no tests", -24: "timeout", 36: "timeout", 152: "timeout"}
MAKE: Final = (
    "from mutmut.__main__ import copy_also_copy_files, copy_src_dir, create_mutants\n"
    "copy_src_dir(); copy_also_copy_files(); create_mutants(1)"
)


def run_mutmut(*args: str) -> str:
    """Run Python with mutmut beside the packages of this project; give what it printed if it is a short answer."""
    env = os.environ | {"PYTHONPATH": str(ROOT / ".venv" / "mutation")}
    is_run = args[:3] == ("-m", "mutmut", "run")
    found = subprocess.run([sys.executable, *args], cwd=ROOT, env=env, check=True, text=True, capture_output=not is_run)
    return found.stdout or ""


def results(file: str) -> dict[str, int | None]:
    """Give the mutants of a file, and how the tests ended for each; None: not run."""
    text = (ROOT / "mutants" / "engine" / f"{file}.py.meta").read_text(encoding="utf-8")
    codes: dict[str, int | None] = json.loads(text)["exit_code_by_key"]
    return codes


def in_sample(name: str, every: int) -> bool:
    """Tell whether a mutant is one of those that are run."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") % every == 0


def word(code: int | None) -> str:
    """Say how it went with a mutant."""
    return "not run" if code is None else "killed" if code in KILLED else WORDS.get(code, "suspicious")


def change_of(name: str) -> str:
    """Show what a mutant changed, without what stands around it."""
    lines = run_mutmut("-m", "mutmut", "show", name).splitlines()
    return "\n".join(line for line in lines if line[:1] in "+-" and line[:3] not in {"+++", "---"})


def reported(every: dict[str, int], reasons: dict[tuple[str, str], str]) -> dict[str, Any]:
    """Put together what is known of the sample, per area and file, with every mutant that was not noticed."""
    areas: dict[str, Any] = {}
    left = []
    for area, files in AREAS.items():
        areas[area] = {"every": every[area], "all": 0, "sampled": 0, "files": {}}
        for file in files:
            codes = results(file)
            sample = {name: word(code) for name, code in codes.items() if in_sample(name, every[area])}
            counts = Counter(sample.values())
            areas[area]["files"][f"engine/{file}.py"] = {"all": len(codes), "sampled": len(sample)} | counts
            for key, count in (("all", len(codes)), ("sampled", len(sample)), *counts.items()):
                areas[area][key] = areas[area].get(key, 0) + count
            for name, how in sample.items():
                if how not in {"killed", "not run"}:
                    function, change = name.partition("__mutmut_")[0], change_of(name)
                    why = reasons.get((function, change), "")
                    left.append({"name": name, "area": area, "how": how, "change": change, "why": why})
    return {"engine": source_digest(ROOT / "engine"), "areas": areas, "left": left}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the mutants, run those of the sample that were not noticed yet, and write the report."""
    parser = argparse.ArgumentParser(prog="tests.mutants", description="See whether tests notice small changes.")
    parser.add_argument("--every", type=int, help="run one in so many of every area; 1 for all: hours")
    parser.add_argument("--area", choices=tuple(AREAS), help="run those of one area only")
    parser.add_argument("--jobs", type=int, default=1, help="so many at once")
    parser.add_argument("--report-only", action="store_true", help="run nothing, and tell what is known")
    options = parser.parse_args(arguments)
    run_mutmut("-c", MAKE)
    every = EVERY if options.every is None else dict.fromkeys(AREAS, options.every)
    files = [(file, every[area]) for area, files in AREAS.items() if options.area in {None, area} for file in files]
    codes = {name: code for file, one_in in files for name, code in results(file).items() if in_sample(name, one_in)}
    earlier = json.loads(REPORT.read_text(encoding="utf-8")) if REPORT.exists() else {"left": []}
    reasons = {(each["name"].partition("__mutmut_")[0], each["change"]): each["why"] for each in earlier["left"]}
    known = {each["name"] for each in earlier["left"] if each["why"]}
    names = [name for name, code in codes.items() if code is None or (code not in KILLED and name not in known)]
    if names and not options.report_only:
        run_mutmut("-m", "mutmut", "run", "--max-children", str(options.jobs), *names)
    report = reported(every, reasons)
    REPORT.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for area, numbers in report["areas"].items():
        print(f"{area}: " + ", ".join(f"{key} {count}" for key, count in numbers.items() if key != "files"))
    unexplained = [each["name"] for each in report["left"] if not each["why"]]
    print("\n".join(["Not noticed, and nobody said why:", *unexplained]) if unexplained else "Every survivor is known.")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
