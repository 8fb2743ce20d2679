"""What a target of the fuzzers is, and the bounds that hold for all of them.

Owns the bounds. Never knows a target.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

Target = Callable[[bytes], None]
"""Take an input. Whatever it raises is a finding: typed faults are caught inside, where they are allowed."""

Opened = Callable[[], AbstractContextManager[Target]]
"""Make a target ready, and let go of it."""

MOST_BYTES: Final = 96 * 1024
"""Inputs of the tests are no longer: a body has at most 64 KiB, a configuration too, and both are put a longer one."""

SMALL: Final = 8 * 1024
"""Inputs that are kept and changed further are no longer, so that many can be put; the tests put the long ones."""

SECONDS_EACH: Final = 5.0
"""What one input may take at most, on a slow machine that does other things too."""

MEGABYTES: Final = 1_024
"""What a fuzzer's process may take at most, ccxt and the coverage tables included."""
