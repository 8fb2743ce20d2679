"""How long to wait after connectivity failures, and before an order is asked about again."""

from typing import Final

FIRST_S: Final = 30
MOST_S: Final = 300
ASK_AGAIN_MS: Final = 1_000
ASK_DOUBLINGS: Final = 6


def backoff_s(failure_count: int) -> int:
    """Give the wait after the n-th failure in a row, in seconds: 30 60 120 240 300, and 300 from then on.

    Source: specification, "Backoff Strategy"; decision 4.
    """
    assert failure_count >= 1, failure_count
    doublings = min(failure_count - 1, MOST_S.bit_length())
    return min(FIRST_S << doublings, MOST_S)


def ask_again_ms(asked: int) -> int:
    """Give the wait after the n-th look at an order in a row that settled nothing: 1 2 4 … 64 s, in milliseconds."""
    assert asked >= 1, asked
    return ASK_AGAIN_MS << min(asked - 1, ASK_DOUBLINGS)
