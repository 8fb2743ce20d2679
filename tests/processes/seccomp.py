"""System calls of a process put before another one, by seccomp: the kernel asks, and waits for the answer.

Owns the filter, its installing, and the reading and answering of what the kernel asks; all through ctypes, so that
neither a compiler nor a debugger is needed. No privilege is needed either, and the program that is watched is the real
one: nothing of it is replaced or wrapped. Never decides what is answered.
Source: seccomp(2), seccomp_unotify(2); Linux 5.5 or newer.
"""

import ctypes
import errno
import fcntl
import os
import platform
import struct
from collections.abc import Collection
from functools import cache
from typing import Final, NamedTuple

NUMBERS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "seccomp": 317,
        "fsync": 74,
        "fdatasync": 75,
        "sendto": 44,
        "write": 1,
        "writev": 20,
        "pwrite64": 18,
        "ftruncate": 77,
        "fallocate": 285,
    },
    "aarch64": {
        "seccomp": 277,
        "fsync": 82,
        "fdatasync": 83,
        "sendto": 206,
        "write": 64,
        "writev": 66,
        "pwrite64": 68,
        "ftruncate": 46,
        "fallocate": 47,
    },
}
"""The numbers of system calls, by machine."""

SYNCS: Final = ("fsync", "fdatasync")
WRITES: Final = ("write", "writev", "pwrite64", "ftruncate", "fallocate")
SENDS: Final = ("sendto",)

_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NO_NEW_PRIVILEGES: Final = 38
_SET_FILTER: Final = 1
_NEW_LISTENER: Final = 8
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_AT_NUMBER, _AT_ARCHITECTURE = 0, 4
_QUESTION: Final = struct.Struct("=QIIiIQ6Q")
_ANSWER: Final = struct.Struct("=QqiI")
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_GO_ON: Final = 1


class Call(NamedTuple):
    """A system call that waits for an answer: the question's number, the thread that makes it, and its arguments."""

    question: int
    thread: int
    name: str
    arguments: tuple[int, ...]


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def numbers() -> dict[str, int]:
    """Give the numbers of system calls of this machine."""
    machine = platform.machine()
    assert machine in NUMBERS, f"no system calls are known for {machine}: add them here"
    return NUMBERS[machine]


def watch_this_process(names: Collection[str]) -> int:
    """Have these system calls of this process, and of whatever it becomes, asked about; give where they are.

    Raises OSError if the kernel or a sandbox forbids it. It holds until the process ends.
    """
    known = numbers()
    code = _program([known[name] for name in names])
    found = _Filter(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    listener: int = libc.syscall(known["seccomp"], _SET_FILTER, _NEW_LISTENER, ctypes.byref(found))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp(SECCOMP_SET_MODE_FILTER)")
    return listener


def receive(listener: int) -> Call | None:
    """Take a question; None if it was withdrawn, as when the process died or a signal came in between."""
    buffer = bytearray(_QUESTION.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, buffer, True)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.EINTR}:
            return None
        raise
    question, thread, _, number, _, _, *arguments = _QUESTION.unpack(buffer)
    name = next(name for name, known in numbers().items() if known == number)
    return Call(question, thread, name, tuple(arguments))


def answer(listener: int, call: Call, fault: int) -> None:
    """Let a call go on (0), or have it fail with an error number."""
    reply = _ANSWER.pack(call.question, 0, -fault, 0 if fault else _GO_ON)
    try:
        fcntl.ioctl(listener, _SEND, reply)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.EINPROGRESS}:  # who asked has died, or asks again after a signal
            raise


@cache
def is_possible() -> bool:
    """Find out, in a child, whether this kernel lets a process be watched so."""
    child = os.fork()
    if child == 0:
        try:
            watch_this_process(SYNCS)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _program(watched: Collection[int]) -> bytes:
    """Write the filter: ask about the watched calls, allow all others."""
    machine, count = _ARCHITECTURES[platform.machine()], len(watched)
    lines = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_JUMP_IF_EQUAL, 0, count + 1, machine),
        (_LOAD, 0, 0, _AT_NUMBER),
        *((_JUMP_IF_EQUAL, count - index, 0, number) for index, number in enumerate(watched)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ASK),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
