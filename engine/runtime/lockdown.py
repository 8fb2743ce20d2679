"""Keeps the memory of a process that holds keys to itself: no core dump, no debugger of the same user.

Never looks at keys. What it does holds until the process ends.
"""

import ctypes
import resource
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def lock_down() -> bool:
    """Forbid core dumps and, on Linux, that others look into this process; to be called before keys are loaded.

    A handler of core dumps that is a program, as on most desktops, is given a core whatever the limit says: only the
    second measure stops it.

    Returns:
        Whether all of it took effect. A sandbox may refuse; that is worth a warning, not a stop.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        return False
    return not sys.platform.startswith("linux") or _make_undumpable()


def _make_undumpable() -> bool:
    try:
        return int(ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)) == 0
    except (AttributeError, OSError):
        return False
