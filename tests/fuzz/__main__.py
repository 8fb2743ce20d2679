"""The fuzzers: `python -m tests.fuzz TARGET --seconds N` runs atheris from the corpus on and keeps what it finds.

Owns the run. `all` runs one target after the other, and `--report` writes down how many inputs each was put. What a run
finds lies in `.fuzz/TARGET/`: `crash-…`, `timeout-…` and `oom-…` are findings, `inputs/` what reached something new.
`python -m tests.fuzz TARGET FILE…` puts files to the target, without atheris. A finding is mended and its file moved to
`tests/fuzz/corpus/TARGET/`, from where the tests put it for ever.
"""

import argparse
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from engine.testing.digest import source_digest
from tests.fuzz.target import MEGABYTES, SECONDS_EACH, SMALL

NAMES = ("events", "config", "payloads", "answers")
KEPT = Path(".fuzz")
EXECUTIONS = re.compile(r"^stat::number_of_executed_units: *(\d+)", re.MULTILINE)
ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Read the command and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Look for inputs that break a promise.")
    parser.add_argument("target", choices=(*NAMES, "all"))
    parser.add_argument("files", nargs="*", type=Path, help="put these to the target, and nothing else")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="with `all`: write down what was run")
    asked = parser.parse_args()
    if asked.target == "all":
        sys.exit(fuzz_all(asked.seconds, asked.seed, asked.report))
    if asked.files:
        put_files(asked.target, asked.files)
    else:
        fuzz(asked.target, asked.seconds, asked.seed)


def fuzz_all(seconds: int, seed: int, report: Path | None) -> int:
    """Fuzz every target in a process of its own, which atheris ends; give 1 if any found something."""
    targets: dict[str, dict[str, int]] = {}
    for name in NAMES:
        command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds), "--seed", str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        executions = EXECUTIONS.search(done.stderr)
        if executions is None or done.returncode:
            print(done.stdout[-2_000:] + done.stderr[-4_000:], file=sys.stderr)
        count, findings = int(executions[1]) if executions else 0, int(done.returncode != 0)
        targets[name] = {"seconds": seconds, "executions": count, "findings": findings}
        print(f"{name}: {count:,} inputs in {seconds} s, {findings} findings", flush=True)
    if report is not None:
        made = {"engine": source_digest(ROOT / "engine"), "seed": seed, "targets": targets}
        report.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return int(any(each["findings"] or not each["executions"] for each in targets.values()))


def put_files(name: str, files: list[Path]) -> None:
    """Put files to a target; the first that breaks a promise ends it with its traceback."""
    from tests.fuzz.corpus import TARGETS

    with TARGETS[name]() as put:
        for file in files:
            print(file, flush=True)
            put(file.read_bytes())


def fuzz(name: str, seconds: int, seed: int) -> None:
    """Run atheris, which ends the process itself."""
    try:
        atheris: Any = import_module("atheris")
    except ImportError:
        sys.exit("atheris is not installed: it comes with make setup on Linux with an x86-64 processor")
    with atheris.instrument_imports(include=["engine", "yaml"]):
        from tests.fuzz.corpus import TARGETS, seeds
        from tests.fuzz.mutations import mutated
    begun, found = KEPT / name / "seeds", KEPT / name / "inputs"
    for folder in (begun, found):
        folder.mkdir(parents=True, exist_ok=True)
    known = [data for data in seeds(name) if len(data) <= SMALL]
    for number, data in enumerate(known):
        (begun / f"{number:04}").write_bytes(data)

    def change(data: bytes, most: int, chance: int) -> bytes:
        """Change an input our way or atheris's."""
        random = Random(chance)
        changed = mutated(data, random, known) if random.random() < 0.5 else atheris.Mutate(data, most)
        return bytes(changed[:most])

    flags = [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-timeout={SECONDS_EACH:.0f}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-max_len={2 * SMALL}",
        f"-artifact_prefix={KEPT / name}/",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    with TARGETS[name]() as put:
        atheris.Setup([sys.argv[0], *flags, str(found), str(begun)], put, custom_mutator=change)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
