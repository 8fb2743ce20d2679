"""Realistic mistakes that the campaign has not seen yet, each with what its worlds would need to show it.

Owns the list, which is the gap in what the campaign can detect. `python -m tests.prove --unseen --unknown --learn` goes
on searching.
"""

from typing import Final

UNSEEN: Final[dict[str, str]] = {
    "the peak is marked at the price of a trade of long ago": (
        "no checker reckons the equity's peak; tests/core/test_risk.py holds it"
    ),
}
