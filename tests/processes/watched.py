"""The real program as a process whose system calls a test may hold, let go or have fail.

Owns the process and the thread that answers the kernel, and the second best where the kernel does not ask: looking
often. What is answered is the test's: a judge, which gives an error number for a call, or 0 to let it go on, and which
may take its time.
"""

import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from tests.cli.terminal import Running
from tests.processes.seccomp import Call, answer, receive

ROOT: Final = Path(__file__).resolve().parents[2]
POLL_S: Final = 0.003
Judge = Callable[[Call], int]


class Watched(Running):
    """A command under watch; it is `Running` in all else."""

    def __init__(
        self, command: Sequence[str], names: Collection[str], judge: Judge, environment: Mapping[str, str]
    ) -> None:
        """Start it; the judge is asked from a thread of its own, one call at a time."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.processes.launch", str(theirs.fileno()), ",".join(names), *command],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env={**environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{environment.get('PYTHONPATH', '')}"},
                pass_fds=(theirs.fileno(),),
            )
            self.out = ""
            theirs.close()
            _, descriptors, _, _ = socket.recv_fds(ours, 64, 1)
        assert descriptors, f"the kernel does not let a process be watched: {self.end()}"
        self._listener: Final = descriptors[0]
        self._judge: Final = judge
        self.failure: BaseException | None = None
        self._answering: Final = threading.Thread(target=self._answer, daemon=True)
        self._answering.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        super().__exit__(None, None, None)
        self._answering.join(30)
        os.close(self._listener)
        if self.failure is not None:
            raise self.failure

    def _answer(self) -> None:
        """Answer until the process has ended."""
        waiting = select.poll()
        waiting.register(self._listener, select.POLLIN)
        while True:
            ((_, happened),) = waiting.poll()
            if happened & select.POLLIN:
                call = receive(self._listener)
                if call is not None:
                    answer(self._listener, call, self._judged(call))
            elif happened:
                return

    def _judged(self, call: Call) -> int:
        try:
            return self._judge(call)
        except BaseException as failure:  # noqa: BLE001 - it belongs to the test, which is told at the end
            self.failure = failure
            return 0


class Polled(Running):
    """A command whose judge is asked every few milliseconds, where the kernel cannot be made to ask.

    The judge then hits its moments less exactly. An error number from it means that no file of the process may grow any
    more, which the kernel enforces as it does a full disk.
    """

    def __init__(
        self, command: Sequence[str], names: Collection[str], judge: Judge, environment: Mapping[str, str]
    ) -> None:
        """Start it, and ask the judge about each of the names in turn from a thread of its own."""
        super().__init__(command=command, environment=environment)
        self._names: Final = tuple(names)
        self._judge: Final = judge
        self._asking: Final = threading.Thread(target=self._ask, daemon=True)
        self._asking.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        super().__exit__(None, None, None)
        self._asking.join(30)

    def _ask(self) -> None:
        most = resource.getrlimit(resource.RLIMIT_FSIZE)
        process_id, room = self.process.pid, most[0]
        while self.process.poll() is None:
            for name in self._names:
                wanted = 0 if self._judge(Call(0, process_id, name, (1 << 30,) * 6)) else most[0]
                if wanted != room and self.process.poll() is None:
                    resource.prlimit(process_id, resource.RLIMIT_FSIZE, (wanted, most[1]))
                    room = wanted
            time.sleep(POLL_S)
