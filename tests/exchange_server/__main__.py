"""Open the local exchange and leave it open: `python -m tests.exchange_server --port 8600`.

It speaks Binance spot as the real exchange does, on this machine alone, with money that is not real. Owns the command
line, what it prints, and the files by which other programs wait for it and read its ledger.
"""

import argparse
import asyncio
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from tests.exchange_server.script import Script, read_script
from tests.exchange_server.server import HOST, Server


class Ready(msgspec.Struct, frozen=True):
    """How to reach a server that is open."""

    port: int
    tls_port: int
    ca_file: str


def main() -> None:
    """Read the command line and serve until the process is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tests.exchange_server", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--port", type=int, default=8600, help="the plain port; 0 takes any that is free")
    parser.add_argument("--tls-port", type=int, default=0, help="the TLS port; 0 takes any that is free")
    parser.add_argument("--script", type=Path, help="a JSON file with the script of the exchange")
    parser.add_argument("--seed", help="what its chances follow from, instead of the script's")
    parser.add_argument("--speed", type=float, help="how much faster than real its time runs, instead of the script's")
    parser.add_argument(
        "--ready", type=Path, help="a file to write once it is open: its ports and certificate, as JSON"
    )
    parser.add_argument("--ledger", type=Path, help="a file to write at the end: everything that happened, as JSON")
    arguments = parser.parse_args()
    script = read_script(arguments.script.read_bytes()) if arguments.script else Script()
    changes = {name: value for name in ("seed", "speed") if (value := getattr(arguments, name)) is not None}
    asyncio.run(_serve(msgspec.structs.replace(script, **changes), arguments))


async def _serve(script: Script, arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with TemporaryDirectory(prefix="local-exchange-") as folder:
        server = Server(script, Path(folder))
        try:
            await server.start(arguments.port, arguments.tls_port)
        except OSError as fault:
            raise SystemExit(
                f"The local exchange cannot open its ports ({fault}): choose others with --port."
            ) from None
        print(how_to_connect(server), flush=True)
        if arguments.ready:
            ready = Ready(server.port, server.tls_port, str(server.ca_file))
            _replace(arguments.ready, msgspec.json.encode(ready))
        try:
            await stop.wait()
            if arguments.ledger:
                _replace(arguments.ledger, server.exchange.dump())
        finally:
            await server.stop()


def how_to_connect(server: Server) -> str:
    """Say what a person needs to know to trade here."""
    script = server.exchange.script
    plain, websocket = f"http://{HOST}:{server.port}", f"ws://{HOST}:{server.port}"
    markets = ", ".join(f"{rules.base}/{rules.quote}" for rules in script.markets)
    accounts = [
        f"  account     {account.name}: key {account.api_key}, secret {account.secret}; "
        + ", ".join(f"{amount} {asset}" for asset, amount in account.balances.items())
        for account in script.accounts
    ]
    return "\n".join(
        [
            "The local exchange is open. It speaks Binance spot; no money here is real. Ctrl-C closes it.",
            f"  requests    {plain}/api/v3",
            f"  streams     {websocket}/stream/ws and, for accounts, {websocket}/ws-api/v3",
            f"  TLS         https://{HOST}:{server.tls_port} as any host of binance.us or binance.com",
            f"              for clients that trust {server.ca_file}",
            f"  markets     {markets}",
            *accounts,
            f"  see it      curl {plain}/sim/state",
            f"  its ledger  curl {plain}/sim/ledger",
            f'  set a price curl -d \'{{"symbol":"{script.markets[0].symbol}","price":"50000"}}\' {plain}/sim/price',
        ]
    )


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(data)
    beside.replace(path)


if __name__ == "__main__":
    main()
