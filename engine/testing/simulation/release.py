"""The release of the engine that a world runs: now and then an operator recovers a log with a newer one.

Owns the number of the rules that decide, for as long as a world lasts. A newer engine does not decide to its end what
an older one was deciding when its log broke off, so such a log stays as it was cut.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import engine.core.decider as rules


def newer() -> None:
    """Go on with a newer engine, whose rules may be others; these are not."""
    _be(rules.DECISION_VERSION + 1)


@contextmanager
def as_before() -> Iterator[None]:
    """Have the engine be the one that it was, whatever a world makes of it meanwhile."""
    version = rules.DECISION_VERSION
    try:
        yield
    finally:
        _be(version)


def _be(version: int) -> None:
    vars(rules)["DECISION_VERSION"] = version
