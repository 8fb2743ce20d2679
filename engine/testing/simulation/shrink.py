"""A failing run made smaller: entries of its tape are struck off as long as it still fails in the same way.

Owns the search (delta debugging, Zeller and Hildebrandt 2002). What is struck off is neutral then: a fault that does
not happen, a life that ends in order.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from engine.testing.simulation.chance import Tape

Fails = Callable[[Tape], bool]
"""Play a tape; tell whether it fails as the first run did."""


def shrink(tape: Tape, fails: Fails, most_runs: int = 400) -> Tape:
    """Strike off what is not needed for the failure, at most so many runs long; the result still fails.

    First all that was chosen at a site, then ever smaller pieces of what is left.
    """
    kept, runs = dict(tape), 0
    sites = Counter(key.partition("#")[0] for key in kept)
    for site, _ in sites.most_common():
        rest = {key: choice for key, choice in kept.items() if key.partition("#")[0] != site}
        runs += 1
        if runs <= most_runs and fails(rest):
            kept = rest
    pieces = 2
    while len(kept) >= 2 and runs < most_runs:  # noqa: PLR2004 - one entry cannot be divided
        entries = list(kept.items())
        size = -(-len(entries) // pieces)
        for start in range(0, len(entries), size):
            rest = dict(entries[:start] + entries[start + size :])
            runs += 1
            if fails(rest):
                kept, pieces = rest, max(pieces - 1, 2)
                break
            if runs >= most_runs:
                return kept
        else:
            if size == 1:
                break
            pieces = min(2 * pieces, len(entries))
    return kept


def by_site(tape: Tape) -> Sequence[tuple[str, int]]:
    """Give a tape in an order that reads well: by site, then by number."""
    return sorted(tape.items(), key=lambda entry: (entry[0].partition("#")[0], int(entry[0].partition("#")[2])))
