"""Where a connection's requests go: to the exchange, or all of them to one server on this machine.

Owns the rewriting of addresses. Keys travel to these addresses, so that only this machine is allowed as another place.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from engine.core.errors import ConfigError

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def local_origin(endpoint: str) -> str:
    """Check an address of this machine and give it without its path, as host and port.

    Raises:
        ConfigError: it is not a plain address of this machine.
    """
    try:
        parts = urlsplit(endpoint)
        is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK and bool(parts.port)
    except ValueError:
        is_local = False
    if not is_local or parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        shown = "an address with a name or password in it" if "@" in endpoint else repr(endpoint)
        raise ConfigError(
            f"market.endpoint is {shown}: keys would travel there, so that it must be a port of this machine, such as "
            "http://127.0.0.1:8600"
        )
    return parts.netloc


def led_to(value: Any, origin: str) -> Any:
    """Give the same tree of addresses with every one leading to `origin`, http or ws, its path kept.

    Streams of markets keep the word "stream" that their host name had: the library tells kinds of streams by it.
    """
    if isinstance(value, dict):
        return {name: led_to(inner, origin) for name, inner in value.items()}
    if isinstance(value, list):
        return [led_to(inner, origin) for inner in value]
    scheme, found, rest = str(value).partition("://")
    if not found:
        return value
    host, _, path = rest.partition("/")
    if not scheme.startswith("ws"):
        return f"http://{origin}/{path}"
    return f"ws://{origin}/stream/{path}" if host.startswith("stream.") else f"ws://{origin}/{path}"


def leaves(value: Any) -> list[str]:
    """List every address in a tree of them."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [leaf for one in inner for leaf in leaves(one)]
    return [value] if isinstance(value, str) and "://" in value else []
