"""docs/events.md from the event types themselves: tag, version, role, urgency, fields, and what each says."""

from typing import Any, get_args

import msgspec

from engine.core.config import BotConfig
from engine.core.events import BotEvent, Event, FeedEvent, Role
from tests.docs.pages import table
from tests.docs.types_in_words import default_words, fields, first_sentence, is_struct, type_words

ROLES = {Role.OBSERVATION: "observation", Role.DECISION: "decision"}


def catalogue() -> str:
    """Write the overview, every event, and the values that events carry."""
    parts = []
    for title, union in (("Events of a feed stream", FeedEvent), ("Events of a bot stream", BotEvent)):
        kinds: tuple[type[Event], ...] = get_args(union)
        parts += [f"## {title}", _overview(kinds), *map(_entry, kinds)]
    values = _values((*get_args(FeedEvent), *get_args(BotEvent)))
    parts += ["## Values that events carry", *map(_value, values)]
    return "\n\n".join(parts)


def tag(kind: type[Event]) -> str:
    """Give the tag of an event type."""
    return str(kind.__struct_config__.tag)


def _overview(kinds: tuple[type[Event], ...]) -> str:
    lines = [
        (
            f"[`{tag(kind)}`](#{tag(kind)})",
            str(kind.version),
            ROLES[kind.role],
            "first durable" if kind.urgent else "rides along",
        )
        for kind in kinds
    ]
    return table(("tag", "version", "role", "when it is written"), lines)


def _entry(kind: type[Event]) -> str:
    urgency = "durable before anything acts on it" if kind.urgent else "rides with the next commit"
    head = f"### {tag(kind)}\n\nVersion {kind.version}, {ROLES[kind.role]}, {urgency}."
    return f"{head}\n\n{first_sentence(kind.__doc__)}{_rest(kind)}\n\n{_fields(kind)}".strip()


def _rest(kind: type[msgspec.Struct]) -> str:
    """Give the paragraphs of a docstring after the first, without what points back into the specification."""
    paragraphs = (kind.__doc__ or "").strip().split("\n\n")[1:]
    told = [" ".join(each.split()) for each in paragraphs]
    kept = [each.partition("Source:")[0].strip() for each in told]
    return "".join(f" {each}" for each in kept if each)


def _fields(kind: type[msgspec.Struct]) -> str:
    lines = [
        (f"`{name}`", _linked(type_), "required" if default is msgspec.NODEFAULT else _default(default))
        for name, type_, default in fields(kind)
    ]
    return table(("field", "type", "if left out"), lines) if lines else ""


def _default(default: object) -> str:
    return "`{}`" if default == {} else default_words(default)


def _linked(type_: Any) -> str:
    words = type_words(type_)
    for struct in _structs(type_):
        anchor = "configuration.md" if struct is BotConfig else f"#{struct.__name__.lower()}"
        words = words.replace(struct.__name__, f"[{struct.__name__}]({anchor})")
    return words


def _structs(type_: Any) -> list[type[msgspec.Struct]]:
    if is_struct(type_):
        return [type_]
    return [struct for inner in get_args(type_) for struct in _structs(inner)]


def _values(kinds: tuple[type[msgspec.Struct], ...]) -> list[type[msgspec.Struct]]:
    found: dict[str, type[msgspec.Struct]] = {}
    for kind in kinds:
        for _, type_, _ in fields(kind):
            found |= {struct.__name__: struct for struct in _structs(type_) if struct is not BotConfig}
    return [found[name] for name in sorted(found)]


def _value(kind: type[msgspec.Struct]) -> str:
    shape = " Written as a list, in this order." if kind.__struct_config__.array_like else ""
    return f"### {kind.__name__}\n\n{first_sentence(kind.__doc__)}{_rest(kind)}{shape}\n\n{_fields(kind)}"
