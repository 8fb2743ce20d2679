"""The ways in which a secret may turn up in what others wrote: as it is, quoted for an address, in hex, in base64.

Owns the list. Never keeps a secret, and never looks for one itself.
"""

import json
from base64 import b64encode
from typing import Final
from urllib.parse import quote, quote_plus

SHORTEST: Final = 6
"""Shorter parts stand in ordinary words."""


def spellings(secret: str) -> set[str]:
    """Give all ways to write a secret; in base64 the part that does not depend on what stands before and behind it."""
    raw = secret.encode()
    quoted = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    found = {json.dumps(secret)[1:-1], raw.hex(), raw.hex().upper(), *quoted, *map(_lower_escapes, quoted)}
    for offset in range(3):
        encoded = b64encode(b"\0" * offset + raw).decode()
        core = encoded[-(-offset * 4 // 3) : (offset + len(raw)) // 3 * 4]
        found |= {core, core.replace("+", "-").replace("/", "_")}
    return {secret} | {each for each in found if len(each) >= SHORTEST}


def _lower_escapes(quoted: str) -> str:
    """Write %2F as %2f, as some do."""
    parts = quoted.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])
