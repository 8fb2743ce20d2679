"""`make bench`: measure the promised speeds; exit code 1 if a bar is missed.

Ratios within one run, medians of shuffled pairs, exact counts where possible. A benchmark that misses a bar is measured
once more, three times as long, before it counts. `--only NAME` chooses, `--json` prints one line for machines, `--dir`
says where the logs are written: the file system there is the one that is measured.
"""

import argparse
import importlib
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.perf.figures import Figure, lines

BENCHES: Final = {
    "append": "Making events durable",
    "fold": "Folding a bot from its log",
    "bots": "A thousand bots on one symbol",
    "startup": "Looking at a bot",
    "running": "Trading as fast as it goes",
}
AGAIN: Final = 3


def main(arguments: list[str]) -> int:
    """Run the chosen benchmarks and print their tables."""
    chosen = _options().parse_args(arguments)
    figures: dict[str, list[Figure]] = {}
    with tempfile.TemporaryDirectory(dir=chosen.dir, prefix="krypto-bench-") as name:
        if not chosen.json:
            where = chosen.dir or Path(tempfile.gettempdir())
            print(f"Python {platform.python_version()}, {os.cpu_count()} processors, logs in {where}\n")
        for bench in chosen.only or BENCHES:
            figures[bench] = _measured(bench, Path(name), quiet=chosen.json)
            if not chosen.json:
                print("\n".join([BENCHES[bench], *lines(figures[bench]), ""]), flush=True)
    missed = [each.name for found in figures.values() for each in found if not each.is_met]
    if chosen.json:
        print(json.dumps([each.as_json(bench) for bench, found in figures.items() for each in found]))
    else:
        print(f"Missed: {'; '.join(missed)}." if missed else "Every bar is met.")
    return 1 if missed else 0


def _measured(bench: str, directory: Path, *, quiet: bool) -> list[Figure]:
    measure = importlib.import_module(f"tests.perf.{bench}").bench
    figures: list[Figure] = measure(directory, 1)
    if not all(each.is_met for each in figures):
        if not quiet:
            print(f"{BENCHES[bench]}: a bar was missed, measuring again, {AGAIN} times as long", flush=True)
        figures = measure(directory, AGAIN)
    return figures


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.perf", description="Measure the promised speeds.")
    parser.add_argument("--only", action="append", choices=BENCHES, help="this benchmark alone; may be repeated")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--dir", type=Path, help="where to write logs (default: the system's place for such files)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
