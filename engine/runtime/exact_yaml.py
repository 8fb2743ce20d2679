"""YAML as configurations use it: plain keys and values, exact numbers, and nothing that takes long to read.

Owns what of YAML is refused. Never knows a key, never reads a file.
"""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

import yaml

from engine.core.errors import ConfigError

MAX_DEPTH: Final = 16
MAX_NODES: Final = 4_096


def parse_yaml(text: str) -> Any:
    """Give the value that a text is; numbers with a point are decimals.

    Raises:
        ConfigError: names the line, or what cannot be read.
    """
    try:
        return yaml.load(text, _ExactLoader)  # noqa: S506 - a SafeLoader, made stricter
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise ConfigError(f"{where}this is not valid YAML: {getattr(error, 'problem', None) or error}") from error
    except ValueError as error:
        raise ConfigError(f"a value cannot be read: {error}") from error


class _ExactLoader(yaml.SafeLoader):
    """Safe YAML without aliases and tags, whose decimals stay exact."""

    depth = 0
    nodes = 0

    def fetch_flow_collection_start(self, kind: Any) -> None:
        """Refuse brackets in brackets before all of them are read, which takes long."""
        if self.flow_level >= MAX_DEPTH:
            raise _deep()
        super().fetch_flow_collection_start(kind)

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases, tags, deep nesting and endless lists, then build the node."""
        if self.check_event(yaml.AliasEvent):
            raise ConfigError("YAML anchors and aliases (& and *) are not used here: write the value out")
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise ConfigError(
                f"line {event.start_mark.line + 1}: YAML tags (!) are not used here: write the value alone"
            )
        self.depth += 1
        self.nodes += 1
        if self.depth > MAX_DEPTH:
            raise _deep()
        if self.nodes > MAX_NODES:
            raise ConfigError(f"the file holds more than {MAX_NODES} keys and values, which no configuration does")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _deep() -> ConfigError:
    return ConfigError(f"the file nests deeper than {MAX_DEPTH} levels")


def _exact_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    text = str(loader.construct_scalar(node)).replace("_", "").lower()
    try:
        return Decimal(text.replace(".inf", "Infinity").replace(".nan", "NaN"))
    except InvalidOperation:
        raise _odd_number(node) from None


def _plain_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    """Read a decimal number; to YAML 0100 is 64 and 1:30 is 90, which nobody means who writes an amount."""
    text = str(loader.construct_scalar(node)).replace("_", "")
    digits = text.lstrip("+-")
    if not digits.isdigit() or (digits[0] == "0" and digits != "0"):
        raise _odd_number(node)
    return int(text)


def _odd_number(node: yaml.ScalarNode) -> ConfigError:
    line = node.start_mark.line + 1
    return ConfigError(f"line {line}: {node.value} is no plain decimal number: write digits and at most one point")


def _unique_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        name = str(key.value)
        if key.tag == "tag:yaml.org,2002:merge":
            raise ConfigError("YAML merges (<<) are not used here: write the keys out")
        if name in seen:
            raise ConfigError(f"{name} is given twice: keep one of them")
        seen.add(name)
    return dict(loader.construct_mapping(node, deep=True))


_ExactLoader.add_constructor("tag:yaml.org,2002:float", _exact_float)
_ExactLoader.add_constructor("tag:yaml.org,2002:int", _plain_int)
_ExactLoader.add_constructor("tag:yaml.org,2002:map", _unique_mapping)
