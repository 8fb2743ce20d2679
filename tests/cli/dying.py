"""A command that dies at its n-th step towards the disk, n by n: `tests.cli.dying FOLDER COPIES FIRST EACH VERB …`.

Owns a process that forks: each child has a copy of the folder, runs the real program there, and is gone without a word
before the n-th call that makes something durable, gives a file a name or takes one away. Ends with the first child that
came to its end. FIRST is the first step at which it dies, EACH how far apart they are; the verb and its arguments
follow, in which `{}` is the child's folder.
"""

import contextlib
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

from cli.main import main

STEPS: Final = ("fsync", "fdatasync", "replace", "rename", "unlink", "rmdir", "ftruncate")
DIED: Final = 99
MOST: Final = 200


def _die_before(number: int) -> None:
    """Let this process be gone before its n-th step."""
    left = number

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(DIED)
            return step(*arguments, **named)

        return called

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    sqlite3.connect = counted(sqlite3.connect)
    engine = sys.modules["engine.store.follower"]
    engine._sync = os.fdatasync  # type: ignore[attr-defined]


def _child(number: int, arguments: list[str]) -> NoReturn:
    _die_before(number)
    sys.argv = ["krypto-engine", *arguments]
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        try:
            main()
        except SystemExit as leaving:
            os._exit(leaving.code if isinstance(leaving.code, int) else 1)
    os._exit(0)


def _dying(folder: Path, copies: Path, first: int, each_step: int, arguments: list[str]) -> None:
    """Print the number of each child that died, then the exit code of the one that did not."""
    import engine.runtime.recovery
    import engine.store.follower  # noqa: F401 - loaded before the forks, once

    for number in range(first, MOST, each_step):
        copy = copies / str(number)
        shutil.copytree(folder, copy, symlinks=True)
        child = os.fork()
        if child == 0:
            _child(number, [each.replace("{}", str(copy)) for each in arguments])
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        print(number if code == DIED else f"ended {code}", flush=True)
        if code != DIED:
            return


if __name__ == "__main__":
    _dying(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
