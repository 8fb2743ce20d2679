"""The probe of the internet: can any of these hosts be reached at all?

Owns nothing; every socket is closed. Source: decision 3.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

CONNECT_S: Final = 3.0


async def reaches_internet(hosts: Sequence[str]) -> bool:
    """Connect to hosts, written as `8.8.8.8:53`, one after the other until one answers; at most 3 s each."""
    for host in hosts:
        name, _, port = host.rpartition(":")
        try:
            async with asyncio.timeout(CONNECT_S):
                _, writer = await asyncio.open_connection(name.strip("[]"), int(port))
        except (OSError, TimeoutError):
            continue
        writer.close()
        return True
    return False
