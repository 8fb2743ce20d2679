"""The independent checker as a command: `python -m engine.testing.independent DIRECTORY [--history FILE]`.

Owns reading its arguments and files. Prints one violation a line and ends with 1 if there is any.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.testing.independent import check


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge a state directory; give the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.testing.independent", description="Judge a state directory."
    )
    parser.add_argument("directory", type=Path, help="a state directory, whose engine has stopped")
    parser.add_argument("--history", type=Path, help="the exchange's history, one JSON record a line")
    parser.add_argument(
        "--running", action="store_true", help="the run did not come to rest: pass over what is under way"
    )
    given = parser.parse_args(arguments)
    if not given.directory.is_dir():
        parser.error(f"{given.directory} is no directory: name the folder that holds events.db")
    history = None
    if given.history is not None:
        history = [json.loads(line) for line in given.history.read_text("utf-8").splitlines() if line.strip()]
    violations = check(given.directory, history, {"quiet": not given.running})
    for line in violations or ("nothing found",):
        sys.stdout.write(line + "\n")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
