"""The keys of the simulated account: what they are, how a hostile exchange gives them away, and who listens for them.

Owns the canaries. The engine's own `Scrubber` stands between the exchange's words and everything that is kept or said;
nothing here takes a key out of a text. Source: docs/evidence.md.
"""

import base64
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote

from engine.exchanges.credentials import Credentials, Secret
from engine.testing.independent.canaries import forms_of
from engine.testing.simulation.chance import Chance

CANARIES: Final = ("Canary7f3kQ9/simulated+key=ZpX2", "Canary5b8wT1/simulated+secret=VnR6")
"""The key and the secret, which must stand nowhere: with characters that addresses write differently."""

KEYS: Final = Credentials(*map(Secret, CANARIES))

_ECHOES: Final[Sequence[Callable[[str], str]]] = (
    lambda _: "",
    lambda _: "",
    str,
    lambda secret: quote(secret, safe=""),
    lambda secret: secret.encode().hex(),
    lambda secret: base64.b64encode(f"x:{secret}:x".encode()).decode(),
)
"""How an exchange repeats a key that it was sent: not at all, or so written."""

_FORMS: Final = [(place, name, form) for place, secret in enumerate(CANARIES) for name, form in forms_of(secret)]


def echoed(text: str, credentials: Credentials, chance: Chance, verb: str) -> str:
    """Give the words of an exchange, which may repeat the keys that came with the request."""
    echo = chance.choose(f"exchange/{verb}/echo", _ECHOES)
    told = [echo(secret.reveal()) for secret in (credentials.api_key, credentials.secret)]
    return " ".join(filter(None, [text, *told]))


def canaries_in(said: Any) -> list[str]:
    """Say which canaries stand in what was said, and in which form."""
    content = str(said).encode()
    lower = content.lower()
    return [
        f"canary {place} as {name}" for place, name, form in _FORMS if form in (lower if name == "hex" else content)
    ]
