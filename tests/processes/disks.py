"""Small disks that fill up: a real tmpfs where one may be mounted, else a kernel that refuses to write.

Owns the three ways and the choice between them: mounted by root; mounted in a user and mount namespace of our own,
which an ordinary user may make on most machines; or, in a container that allows neither, writes that seccomp answers
with ENOSPC. Whoever uses one sees the same: a folder, `fill`, `free` and `rescue`.
"""

import errno
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from engine.runtime.control import SOCKET_NAME
from tests.cli.terminal import Running
from tests.processes.namespace import mount, unmount
from tests.processes.seccomp import WRITES, Call, is_possible
from tests.processes.story import Story

BALLAST: Final = "ballast"


class Disk(Protocol):
    """What a test needs of a small disk."""

    folder: Path

    def run(self, told: Story) -> Running:
        """Start the program on it."""
        ...

    def fill(self) -> None:
        """Leave no space."""
        ...

    def free(self) -> None:
        """Give the space back."""
        ...

    def rescue(self, place: Path) -> None:
        """Copy what is on it to another place, while no program runs."""
        ...


class Mounted:
    """A tmpfs that this process sees; `seen` is where from."""

    def __init__(self, folder: Path, seen: Path, enter: Sequence[str] = ()) -> None:
        """Take where programs see it, where we do, and what a command begins with to see it."""
        self.folder = folder
        self._seen: Final = seen
        self._enter: Final = tuple(enter)

    def run(self, told: Story) -> Running:
        """Start the program on it."""
        return Running(command=(*self._enter, *told.command()), environment=told.environment)

    def fill(self) -> None:
        """Write until there is no space."""
        with (self._seen / BALLAST).open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """Remove what was written."""
        (self._seen / BALLAST).unlink()

    def rescue(self, place: Path) -> None:
        """Copy the state directory."""
        _copy(self._seen / "state", place)


class Refusing:
    """A folder of any disk, and a kernel that refuses the writes of a process that have anything to do with files."""

    def __init__(self, folder: Path) -> None:
        """Take the folder."""
        self.folder = folder
        self._is_full = False

    def run(self, told: Story) -> Running:
        """Start the program under watch. Where the kernel lets nobody watch, its files may not grow (see `Watched`)."""
        return told.watch(WRITES, self._judge)

    def _judge(self, call: Call) -> int:
        is_output = call.name in {"write", "writev"} and call.arguments[0] <= 2
        return errno.ENOSPC if self._is_full and not is_output else 0

    def fill(self) -> None:
        """Refuse from now on."""
        self._is_full = True

    def free(self) -> None:
        """Refuse no more."""
        self._is_full = False

    def rescue(self, place: Path) -> None:
        """Copy the state directory."""
        _copy(self.folder / "state", place)


def _copy(state: Path, place: Path) -> None:
    """Copy a state directory, but for the socket that a killed program leaves behind."""
    shutil.copytree(state, place, ignore=shutil.ignore_patterns(SOCKET_NAME))


@contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    """Mount a tmpfs, as root. Raises OSError where that is forbidden."""
    mount(folder)
    try:
        yield Mounted(folder, folder)
    finally:
        unmount(folder)


@contextmanager
def namespaced(folder: Path) -> Iterator[Disk]:
    """Mount a tmpfs in namespaces of our own. Raises OSError where that is forbidden."""
    command = [sys.executable, "-m", "tests.processes.namespace"]
    with subprocess.Popen([*command, "keep", str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        try:
            assert keeper.stdout is not None
            if keeper.stdout.readline() != b"mounted\n":
                raise OSError(errno.EPERM, "no namespace may be made here")
            inside = Path(f"/proc/{keeper.pid}/root{folder}")
            yield Mounted(folder, inside, (*command, "enter", str(keeper.pid)))
        finally:
            assert keeper.stdin is not None
            keeper.stdin.close()


@contextmanager
def refusing(folder: Path) -> Iterator[Disk]:
    """Have a disk that is full when it is told to be."""
    yield Refusing(folder)


Way = Callable[[Path], AbstractContextManager[Disk]]


@contextmanager
def small_disk(folder: Path, *ways: Way) -> Iterator[Disk]:
    """Have a small disk in a folder, in the first of these ways that is allowed here; `refusing` always is."""
    folder.mkdir()
    for way in (*ways, refusing):
        having = way(folder)
        try:
            disk = having.__enter__()
        except OSError:
            continue
        try:
            yield disk
        finally:
            having.__exit__(None, None, None)
        return


def means() -> str:
    """Say how disks are filled and calls are struck on this machine: not every kernel allows the best means."""
    with tempfile.TemporaryDirectory() as folder, small_disk(Path(folder) / "disk", mounted, namespaced) as disk:
        full = "a tmpfs" if isinstance(disk, Mounted) else "refused writes"
    struck = "at the call that is meant" if is_possible() else "only near it, for no process may be watched"
    return f"real processes: a full disk is {full}, other faults strike {struck}"
