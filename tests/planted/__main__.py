"""Break promises on purpose, one at a time, and see that the test named for each fails.

Run by `make planted` and CI. Works on copies of the tree; the code that lands is never touched. A plant that no test
notices, or one whose text is no longer in the code, ends with exit 1.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.planted.plant import Plant
from tests.planted.plants import PLANTS

ROOT: Final = Path(__file__).resolve().parents[2]
LEFT_OUT: Final = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "data", "build", ".hypothesis")
TESTS_FAILED: Final = 1
AT_ONCE: Final = 3
"""More than there are processors on a small machine: some tests wait."""


def run_tests(tree: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests in a copy of the tree. That one fails is enough: nobody reads the smallest example."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-n", "0", *tests]
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "unshrunk"}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=900)


@contextmanager
def copied() -> Iterator[Path]:
    """Give a copy of the tree."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(ROOT, Path(folder) / "tree", ignore=LEFT_OUT))


def kill(plant: Plant) -> str | None:
    """Plant a bug; give what is wrong if its test does not notice, or None if it does."""
    with copied() as tree:
        path = tree / plant.file
        text = path.read_text()
        if text.count(plant.old) != 1:
            return f"{plant.file} holds the text {text.count(plant.old)} times, not once: {plant.old!r}"
        path.write_text(text.replace(plant.old, plant.new))
        broken = run_tests(tree, plant.test)
    if broken.returncode != TESTS_FAILED:
        return f"{plant.test} did not fail (exit {broken.returncode}):\n{broken.stdout[-1500:]}"
    return None


def unbroken() -> str | None:
    """Give what is wrong if the tests do not even pass without a bug."""
    with copied() as tree:
        sound = run_tests(tree, *sorted({plant.test for plant in PLANTS}))
    return f"{sound.stdout[-1500:]}{sound.stderr[-500:]}" if sound.returncode else None


def main() -> int:
    """See that the tests pass without a bug, plant every bug, and report."""
    survivors = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        passing, killed = pool.submit(unbroken), pool.map(kill, PLANTS)
        for plant, trouble in zip(PLANTS, killed, strict=True):
            print(f"{'caught' if trouble is None else 'MISSED'}  {plant.name}", flush=True)
            if trouble is not None:
                survivors += 1
                print(f"        {trouble}")
    fault = passing.result()
    if fault is not None:
        print(f"the tests do not pass without a bug:\n{fault}")
        return 1
    print(f"{len(PLANTS) - survivors} of {len(PLANTS)} broken promises were caught by the test named for them")
    return min(survivors, 1)


if __name__ == "__main__":
    sys.exit(main())
