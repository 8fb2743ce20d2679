"""The rule about secrets: no canary stands in any file, in no form in which it could leak.

Owns the forms. Never keeps or prints a secret: what is found is named by its place in the list.
"""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, quote_plus


def canary_violations(directory: Path, canaries: Sequence[str]) -> Iterator[str]:
    """Say which files hold which canary, and in which form."""
    forms = [(place, name, form) for place, secret in enumerate(canaries) for name, form in forms_of(secret)]
    if not forms:
        return
    for path in sorted(directory.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        lower = content.lower()
        for place, name, form in forms:
            if form in (lower if name == "hex" else content):
                yield f"secret: {path.relative_to(directory)} holds canary {place} as {name}"


def forms_of(secret: str) -> Iterator[tuple[str, bytes]]:
    """Give a secret as it is, in base64 at each of three offsets, as in an address, in JSON and in hex."""
    raw = secret.encode()
    yield "text", raw
    yield "hex", raw.hex().encode()
    for quoted in {quote(secret, safe=""), quote_plus(secret)} - {secret}:
        yield "address", quoted.encode()
    for offset in range(3):
        # The first characters and the last depend on what stands around the secret: they are left out.
        encoded = base64.b64encode(b"\0" * offset + raw)
        start, end = -(-offset * 8 // 6), (offset + len(raw)) * 8 // 6
        inner = encoded[start:end]
        yield f"base64 at offset {offset}", inner
        safe = inner.replace(b"+", b"-").replace(b"/", b"_")
        if safe != inner:
            yield f"base64 at offset {offset}", safe
