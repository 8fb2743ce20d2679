"""The search for planted secrets in bytes: whatever a program left behind, in every spelling a secret may have.

Owns the spellings that text may take on its way (tests/credentials/canaries.py has more of them, for characters that
YAML and Python write differently), and the walk over a folder. Never excuses a find.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from tests.credentials.canaries import spellings as known_spellings

PART: Final = 8
"""So many characters in a row of a canary are a find by themselves: beyond the four that are shown on purpose."""


def spellings(canary: str) -> set[bytes]:
    """Give every way in which a canary may stand in bytes, whole."""
    texts = known_spellings(canary)
    texts |= {json.dumps(text)[1:-1] for text in texts}
    texts |= {_lower_percents(text) for text in texts}
    found = {text.encode() for text in texts if len(text) > PART}
    return found | {canary.encode("utf-16-le"), canary.encode("utf-16-be")}


def parts(canary: str) -> set[bytes]:
    """Give the pieces of a canary that must not be seen either: a key that was cut is still half a key."""
    return {canary[at : at + PART].encode() for at in range(4, len(canary) - PART + 1)}


def finds(told: Mapping[str, bytes], canaries: Iterable[str]) -> list[str]:
    """List where which canary stands, in which spelling."""
    wanted = {each: canary for canary in canaries for each in spellings(canary) | parts(canary)}
    return sorted(
        f"{place} holds {canary[:4]}... as {each!r}"
        for place, data in told.items()
        for each, canary in wanted.items()
        if each in data
    )


def below(folder: Path) -> dict[str, bytes]:
    """Give every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _lower_percents(text: str) -> str:
    first, *rest = text.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)])
