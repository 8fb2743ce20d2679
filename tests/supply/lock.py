"""What requirements.lock names: packages in exact versions, with the hashes of their files.

Owns the reading of the lock. Never asks a registry.
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

LOCK: Final = Path(__file__).resolve().parents[2] / "requirements.lock"
_PIN: Final = re.compile(r"^(?P<name>[a-zA-Z0-9][\w.-]*)==(?P<version>[^\s;]+)(?: ;(?P<marker>[^\\]+))? ?\\$")
_HASH: Final = re.compile(r"^\s+--hash=sha256:([0-9a-f]{64})(?: \\)?$")


class Pin(NamedTuple):
    """One package in one version; the marker says on which machines it is installed."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def pins(text: str) -> list[Pin]:
    """Read the text of a lock; a line that is neither a pin nor a hash nor a comment is a fault of the lock."""
    found: list[Pin] = []
    for line in text.splitlines():
        pin, digest = _PIN.match(line), _HASH.match(line)
        if pin is not None:
            found.append(Pin(pin["name"], pin["version"], (pin["marker"] or "").strip(), ()))
        elif digest is not None:
            found[-1] = found[-1]._replace(hashes=(*found[-1].hashes, digest[1]))
        else:
            assert not line.strip() or line.lstrip().startswith("#"), f"the lock has an odd line: {line}"
    return found
