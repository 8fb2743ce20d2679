"""Run a sample of a recorded campaign again: `python -m tests.campaigns.again docs/evidence/worlds.jsonl.xz`.

Owns the choice of the blocks and the comparison. Each is run in a fresh process whose hashes have another seed, and
must come to what the record holds: worlds to the digest of their traces, schedules to how they ended. The exit status
is 1 if one does not.
"""

import argparse
import json
import lzma
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.testing.digest import source_digest
from engine.testing.simulation.campaign import Block, Work, run_block
from engine.testing.simulation.report import StorageSum, Sum

ROOT: Final = Path(__file__).resolve().parents[2]


def recorded(path: Path) -> list[Block]:
    """Read the blocks of a campaign's record, packed or not."""
    data = path.read_bytes()
    lines = (lzma.decompress(data) if path.suffix == ".xz" else data).splitlines()
    return [msgspec.json.decode(line, type=Block) for line in lines]


def work_of(came: Sum | StorageSum) -> Work:
    """Tell what was to be done for this to come."""
    if isinstance(came, Sum):
        return Work("worlds", came.first, came.seeds)
    return Work("schedules", came.first, came.schedules)


def spread(blocks: Sequence[Sum | StorageSum], most: int) -> list[Sum | StorageSum]:
    """Choose so many blocks from the first to the last, at equal distances."""
    count = min(most, len(blocks))
    return [blocks[number * (len(blocks) - 1) // max(count - 1, 1)] for number in range(count)]


def comparable(came: Sum | StorageSum) -> dict[str, Any]:
    """Give a sum as JSON without how long it took."""
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(came))
    return {key: value for key, value in told.items() if key != "seconds"}


def run_elsewhere(work: Work, hash_seed: int) -> dict[str, Any]:
    """Run a block in a fresh process."""
    command = [sys.executable, "-m", "tests.campaigns.again", "--block", msgspec.json.encode(work).decode()]
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def main() -> int:
    """Run what the command line describes."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.again", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("record", type=Path, nargs="?", help="the record of a campaign, also packed")
    parser.add_argument("--blocks", type=int, default=50, help="so many of worlds; a tenth as many of schedules")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at a time")
    parser.add_argument("--report", type=Path, help="where to write what came of it")
    parser.add_argument("--block", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.block is not None:
        print(json.dumps(comparable(run_block(msgspec.json.decode(arguments.block, type=Work)))))
        return 0
    if arguments.record is None:
        parser.error("name the record of a campaign")
    here = source_digest(ROOT / "engine")
    blocks = [block.worlds or block.schedules for block in recorded(arguments.record) if block.engine == here]
    if not blocks:
        parser.error(f"{arguments.record} is of another engine than that of this tree, {here[:16]}")
    result = repeated([came for came in blocks if came is not None], arguments.blocks, arguments.jobs)
    text = json.dumps(result, indent=2) + "\n"
    print(text, end="")
    if arguments.report is not None:
        arguments.report.write_text(text, encoding="utf-8")
    return int(bool(result["differ"]) or not result["worlds"])


def repeated(blocks: Sequence[Sum | StorageSum], most: int, jobs: int) -> dict[str, Any]:
    """Run a sample of blocks again and say how many worlds and schedules it held, and which came out otherwise."""
    worlds = spread([came for came in blocks if isinstance(came, Sum)], most)
    schedules = spread([came for came in blocks if isinstance(came, StorageSum)], max(1, most // 10))
    chosen = [*worlds, *schedules]
    works = [work_of(came) for came in chosen]
    with ThreadPoolExecutor(jobs) as pool:
        came_again = list(pool.map(run_elsewhere, works, range(1, len(works) + 1)))
    pairs = zip(works, chosen, came_again, strict=True)
    differ = [msgspec.to_builtins(work) for work, before, now in pairs if comparable(before) != now]
    count = {kind: sum(work.count for work in works if work.kind == kind) for kind in ("worlds", "schedules")}
    return {"engine": source_digest(ROOT / "engine"), **count, "differ": differ}


if __name__ == "__main__":
    sys.exit(main())
