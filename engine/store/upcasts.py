"""The registry of upcasters: how a payload of an older version reads today.

Owns one pure function for each (tag, version) left behind. Never touches stored bytes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Payload = dict[str, Any]
Upcasters = Mapping[tuple[str, int], Callable[[Payload], Payload]]

UPCASTERS: Final[Upcasters] = {}
"""From (tag, version) to a function that gives the payload of version + 1, `type` included."""
