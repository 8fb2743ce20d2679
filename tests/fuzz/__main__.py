"""The fuzzers: `python -m tests.fuzz TARGET --seconds N` runs atheris from the corpus on and keeps what it finds.

Owns the run. What it finds lies in `.fuzz/TARGET/`: `crash-…`, `timeout-…` and `oom-…` are findings, `inputs/` what
reached something new. `python -m tests.fuzz TARGET FILE…` puts files to the target, without atheris. A finding is
mended and its file moved to `tests/fuzz/corpus/TARGET/`, from where the tests put it for ever.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.target import MEGABYTES, SECONDS_EACH, SMALL

NAMES = ("events", "config", "payloads", "answers")
KEPT = Path(".fuzz")


def main() -> None:
    """Read the command and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Look for inputs that break a promise.")
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("files", nargs="*", type=Path, help="put these to the target, and nothing else")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.files:
        put_files(asked.target, asked.files)
    else:
        fuzz(asked.target, asked.seconds, asked.seed)


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
