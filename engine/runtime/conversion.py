"""What a failed conversion means to the one who wrote the value."""

from decimal import Decimal
from typing import Any, get_args

import msgspec


def _is_plain(value: object) -> bool:
    """Tell whether a value is one word or number; what holds keys of its own could hold a secret."""
    return "{" not in repr(value)


def explain(error: msgspec.ValidationError, value: Any, key: str, kind: Any = None) -> str:
    """Say which key has which value and what is allowed, from what the conversion said."""
    reason, _, place = str(error).partition(" - at `$")
    path = place.rstrip("`")
    for part in path.replace("[", ".[").split(".")[1:]:
        try:
            value = value[int(part[1:-1])] if part.startswith("[") else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            break
    shown = str(value) if isinstance(value, Decimal) else repr(value) if _is_plain(value) else "not right"
    allowed = get_args(kind)
    if allowed and all(isinstance(each, str) for each in allowed):
        return f"{key} is {shown}: use one of {', '.join(allowed)}"
    return f"{key}{path} is {shown}: {reason[0].lower()}{reason[1:]}"
