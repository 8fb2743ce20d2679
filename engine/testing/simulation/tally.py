"""What came of storage schedules, in numbers.

Owns the sums. Never runs one.
"""

from collections import Counter
from typing import NamedTuple

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """A promise that was broken: the schedule that shows it, and what it was."""

    schedule: int
    kind: str
    what: str


class Tally(NamedTuple):
    """What came of schedules: how many of which kind ended how, what happened in them, and what was violated.

    `whole` holds all that was acknowledged. `short` ends behind all that the witness had covered, but before
    something acknowledged: nothing on this machine can show that. `rolled back` is so with the witness itself.
    `untouched` is whole because nothing befell it: the file that was to be replaced was not there.
    """

    schedules: int
    outcomes: Counter[str]
    counts: Counter[str]
    violations: tuple[Violation, ...]

    def joined(self, other: "Tally") -> "Tally":
        """Give both together."""
        return Tally(
            self.schedules + other.schedules,
            self.outcomes + other.outcomes,
            self.counts + other.counts,
            self.violations + other.violations,
        )
