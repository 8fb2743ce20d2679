"""What every key of the configuration and of the state file is for: the words of meanings.yml.

Owns the reading of that file and the check that it speaks of every key and of no other.
"""

from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple

import yaml

from tests.docs.pages import ROOT

FILE: Final = "tests/docs/meanings.yml"


class Meaning(NamedTuple):
    """What a key is for, and its unit where the code does not tell it."""

    says: str
    unit: str = ""


@cache
def _sections() -> dict[str, dict[str, Meaning]]:
    text = (ROOT / FILE).read_text(encoding="utf-8")
    return {
        name: {key: Meaning(entry) if isinstance(entry, str) else Meaning(**entry) for key, entry in section.items()}
        for name, section in yaml.safe_load(text).items()
    }


def meanings(keys: Iterable[str], *sections: str) -> dict[str, Meaning]:
    """Give the meaning of each key, the later section before the earlier; assert that none lacks and none is left."""
    joined: dict[str, Meaning] = {}
    for section in sections:
        joined |= _sections()[section]
    different = set(keys) ^ set(joined)
    assert not different, f"in {FILE}, {' and '.join(sections)} lack or have too much of {sorted(different)}"
    return joined
