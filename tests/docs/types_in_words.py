"""How the types and defaults of a struct are told to people.

Owns the words for types, for the configuration, the event catalogue and the state file alike.
"""

import types
from decimal import Decimal
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

NOTHING = "none"
_WORDS: dict[Any, str] = {
    int: "whole number",
    Decimal: "number",
    str: "text",
    bool: "true or false",
    float: "float",
    Any: "anything",
}


def type_words(kind: Any) -> str:
    """Say a type in words; a struct by its name."""
    if kind in _WORDS:
        return _WORDS[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in inner)
    if origin in {Union, types.UnionType}:
        named = [type_words(each) for each in inner if each is not type(None)]
        return " or ".join(named) + (" or null" if type(None) in inner else "")
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return f"list of {type_words(inner[0])}"
        return "[" + ", ".join(type_words(each) for each in inner) + "]"
    if origin is dict:
        return f"map of {type_words(inner[0])} to {type_words(inner[1])}"
    return str(kind.__name__)


def default_words(value: object) -> str:
    """Write a default as it would stand in a YAML file."""
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case Decimal():
            return f"`{value:f}`"
        case None:
            return NOTHING
        case tuple():
            return "`[" + ", ".join(str(each) for each in value) + "]`"
        case dict():
            return "`{}`"
        case "":
            return "empty"
        case _:
            return f"`{value}`"


def fields(kind: type[msgspec.Struct]) -> list[tuple[str, Any, Any]]:
    """List name, type and default of a struct's fields; a field that must be given has the default NODEFAULT."""
    hints = get_type_hints(kind)
    listed = []
    for field in msgspec.structs.fields(kind):
        default = field.default
        if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        listed.append((field.name, hints[field.name], default))
    return listed


def is_struct(kind: Any) -> bool:
    """Tell whether a type is a struct."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def first_sentence(text: str | None) -> str:
    """Give the first line of a docstring up to its blank line, on one line."""
    assert text, "every event and section says what it is"
    return " ".join(text.strip().split("\n\n")[0].split())
