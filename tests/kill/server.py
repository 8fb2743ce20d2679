"""A process that has everything loaded and forks a child for each session asked of it.

An interpreter needs most of a second to start; a fork needs some milliseconds, and hundreds of sessions have to die.
This process runs nothing itself and has no thread of its own, so that what it forks is as good as new. A JSON line in:
the id of the child out. An empty line in: the wait status of the child out, once it has ended. Until then its id is its
own, so that it can be killed without fear for others.

Started by `tests.kill.forks` as `python -m tests.kill.server`.
"""

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import msgspec

import engine.feeds.recorded
import engine.runtime.supervisor  # noqa: F401 - loaded before forking
from tests.kill.forks import SHOUT
from tests.kill.session import Request, configs_of, run_session


def serve(read: Callable[[bytes], tuple[Path, Callable[[], None]]]) -> None:
    """Do what the lines on standard input ask, until it ends.

    `read` gives the state directory and the running of the session that a line describes.
    """
    child = 0
    gc.collect()
    gc.freeze()  # what is loaded is never collected in a child, which would copy every page of it
    for line in sys.stdin.buffer:
        if line.strip():
            directory, session = read(line)
            child = os.fork()
            if child == 0:
                _run(directory, session)
            answer = child
        else:
            answer, child = os.waitpid(child, 0)[1], 0
        try:
            os.write(1, f"{answer}\n".encode())
        except BrokenPipeError:
            break
    if child:  # who asked for it is gone, and nobody else would ever end it
        os.kill(child, signal.SIGKILL)


def _run(directory: Path, session: Callable[[], None]) -> NoReturn:
    """Be the session: never come back to the loop of the parent."""
    code = 0
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 0)
        os.dup2(nowhere, 1)
        session()
    except BaseException:  # noqa: BLE001 - the parent reads what it was
        with suppress(OSError):  # who asked for it may have taken the folder away with everything
            directory.with_name(SHOUT).write_text(traceback.format_exc())
        code = 1
    os._exit(code)


def _read(line: bytes) -> tuple[Path, Callable[[], None]]:
    request = msgspec.json.decode(line, type=Request)
    configs_of(request.bots)
    return Path(request.directory), partial(run_session, request)


if __name__ == "__main__":
    serve(_read)
