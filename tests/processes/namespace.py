"""A tmpfs of our own: mounted by root, or in a user and mount namespace that a process keeps and others enter.

Owns the system calls. `python -m tests.processes.namespace keep FOLDER` makes the namespaces, mounts, says so, and
keeps them until its standard input ends; `enter PID COMMAND...` becomes a command in them.
"""

import ctypes
import os
import sys
from pathlib import Path
from typing import Final

SIZE: Final = 1_500_000
"""Bytes: room for a log and its companions, and soon full."""

_NEW_USER, _NEW_MOUNTS, _DETACH = 0x10000000, 0x00020000, 2


def mount(folder: Path) -> None:
    """Mount a small tmpfs on a folder. Raises OSError."""
    _call("mount", b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={SIZE},mode=0700".encode())


def unmount(folder: Path) -> None:
    """Take it away again, whatever is still open on it. Raises OSError."""
    _call("umount2", os.fsencode(folder), _DETACH)


def main() -> None:
    """Keep or enter."""
    verb, what, *command = sys.argv[1:]
    if verb == "keep":
        try:
            _keep(Path(what))
        except OSError as error:
            sys.exit(f"no namespace of our own: {error}")
    else:
        spaces = [os.open(f"/proc/{what}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("user", "mnt")]
        here = Path.cwd()
        for space in spaces:
            _call("setns", space, 0)
        os.chdir(here)
        os.execv(command[0], command)


def _keep(folder: Path) -> None:
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _NEW_USER | _NEW_MOUNTS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path(f"/proc/self/{name}").write_text(text)
    mount(folder)
    print("mounted", flush=True)
    sys.stdin.buffer.read()


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
