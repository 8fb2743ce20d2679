"""How unmodified clients reach the local exchange: by plain address, or under the real host names.

Owns the resolver that leads every name to this machine, and what ccxt must be told. Never imports ccxt.
"""

import socket
import ssl
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

HOST = "127.0.0.1"


class LocalResolver(AbstractResolver):
    """Lead every host name, whatever its port, to the TLS port of a local exchange."""

    def __init__(self, tls_port: int) -> None:
        """Take the port."""
        self._port = tls_port
        self.asked: set[str] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give the local exchange for any name, and remember the name."""
        del port, family
        self.asked.add(host)
        return [
            ResolveResult(
                hostname=host, host=HOST, port=self._port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
            )
        ]

    async def close(self) -> None:
        """Have nothing to close."""


def local_session(resolver: LocalResolver, ca_file: Path) -> aiohttp.ClientSession:
    """Make a session for which the local exchange is the whole world. Whoever gets it closes it."""
    context = ssl.create_default_context(cafile=str(ca_file))
    connector = aiohttp.TCPConnector(resolver=resolver, ssl=context, use_dns_cache=False)
    return aiohttp.ClientSession(connector=connector)


def keys(api_key: str = "localkey", secret: str = "localsecret") -> dict[str, Any]:
    """Give the ccxt configuration that any exchange of the Binance family needs here: a key, and spot markets only."""
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
    return {"apiKey": api_key, "secret": secret, "options": options}


def plain_config(port: int, api_key: str = "localkey", secret: str = "localsecret") -> dict[str, Any]:
    """Give the ccxt configuration for the plain port. Pass the instance on to `keep_local`."""
    http, websocket = f"http://{HOST}:{port}", f"ws://{HOST}:{port}"
    api = {"public": f"{http}/api/v3", "private": f"{http}/api/v3", "sapi": f"{http}/sapi/v1"}
    streams = {"spot": f"{websocket}/stream/ws", "ws-api": {"spot": f"{websocket}/ws-api/v3"}}
    return {**keys(api_key, secret), "urls": {"api": {**api, "ws": streams}}}


def keep_local(urls: dict[str, Any], port: int) -> None:
    """Lead every address that still points elsewhere to the plain port, in place: `keep_local(exchange.urls, port)`."""
    urls["api"] = _local(urls["api"], port)


def _local(value: Any, port: int) -> Any:
    if isinstance(value, dict):
        return {name: _local(inner, port) for name, inner in value.items()}
    scheme, found, rest = str(value).partition("://")
    if not found or rest.startswith(f"{HOST}:{port}/"):
        return value
    plain = "ws" if scheme.startswith("ws") else "http"
    return f"{plain}://{HOST}:{port}/{rest.partition('/')[2]}"
