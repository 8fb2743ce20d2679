"""Break promises on purpose, one at a time, and see that the test named for each fails.

Run by `make planted` and CI. Works on copies of the tree; the code that lands is never touched. A plant that no test
notices, or one whose text is no longer in the code, ends with exit 1.
"""

import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.planted.plants import PLANTS, Plant

ROOT: Final = Path(__file__).resolve().parents[2]
LEFT_OUT: Final = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "data", ".hypothesis")
TESTS_FAILED: Final = 1


def run_test(tree: Path, test: str) -> subprocess.CompletedProcess[str]:
    """Run one test in a copy of the tree."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-n", "0", test]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, timeout=300)


def kill(plant: Plant) -> str | None:
    """Plant a bug; give what is wrong if its test does not notice, or None if it does."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        sound = run_test(tree, plant.test)
        if sound.returncode != 0:
            return f"its test does not pass without the bug:\n{sound.stdout[-1500:]}{sound.stderr[-500:]}"
        path = tree / plant.file
        text = path.read_text()
        if text.count(plant.old) != 1:
            return f"{plant.file} holds the text {text.count(plant.old)} times, not once: {plant.old!r}"
        path.write_text(text.replace(plant.old, plant.new))
        broken = run_test(tree, plant.test)
    if broken.returncode != TESTS_FAILED:
        return f"{plant.test} did not fail (exit {broken.returncode}):\n{broken.stdout[-1500:]}"
    return None


def main() -> int:
    """Plant every bug and report."""
    survivors = 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        for plant, trouble in zip(PLANTS, pool.map(kill, PLANTS), strict=True):
            print(f"{'caught' if trouble is None else 'MISSED'}  {plant.name}", flush=True)
            if trouble is not None:
                survivors += 1
                print(f"        {trouble}")
    print(f"{len(PLANTS) - survivors} of {len(PLANTS)} broken promises were caught by the test named for them")
    return min(survivors, 1)


if __name__ == "__main__":
    sys.exit(main())
