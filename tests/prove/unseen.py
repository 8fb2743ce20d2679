"""Realistic mistakes that the campaign has not seen yet, each with what its worlds would need to show it.

Owns the list, which is the gap in what the campaign can detect. `python -m tests.prove --unseen --unknown --learn` goes
on searching.
"""

from typing import Final

UNSEEN: Final[dict[str, str]] = {
    "what was sold of a lot before its whole purchase was known is offered again": (
        "a sell that traded after its end, of a lot whose purchase traded after its own: seed 1717 of earlier worlds"
    ),
    "the peak is marked at the price of a trade of long ago": (
        "no checker reckons the equity's peak; tests/core/test_risk.py holds it"
    ),
}
