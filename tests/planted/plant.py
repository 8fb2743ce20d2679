"""What a planted mistake is."""

from typing import NamedTuple


class Plant(NamedTuple):
    """One deliberate mistake: in `file`, `old` becomes `new`, and `test` must fail."""

    name: str
    file: str
    old: str
    new: str
    test: str
