"""What a failed conversion means to the one who wrote the value."""

from decimal import Decimal
from typing import Any, Final, get_args

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
    missing = reason.removeprefix("Object missing required field ")
    if missing != reason:
        return f"{key}{path}.{missing.strip('`')} is missing: add it"
    return f"{key}{path} is {shown}: {_in_words(reason)}"


def _in_words(reason: str) -> str:
    """Say what is expected without the words of a programming language."""
    if reason == "Invalid decimal string":
        return f"{_WORDS['decimal']} is expected"
    if reason.startswith("Expected `"):
        kinds = [_WORDS.get(kind.strip(), kind.strip()) for kind in reason.split("`")[1].split("|")]
        return f"{' or '.join(kinds)} is expected"
    return f"{reason[0].lower()}{reason[1:]}"


_WORDS: Final = {
    "array": "a list",
    "bool": "true or false",
    "decimal": "a number",
    "int": "a whole number",
    "null": "nothing",
    "object": "a section of keys and values",
    "str": "text",
}
