"""A process that writes a log until it is killed or cannot: `python -m tests.store.writer DIRECTORY [LIMIT_BYTES]`.

Owns the program that the kill and disk tests start. It prints each position once that is durable, and in the end what
stopped it.
"""

import asyncio
import resource
import sys
from pathlib import Path

from engine.core.errors import EngineError
from engine.store.sqlite import SqliteLog
from tests.store.helpers import BOTS, FEED, append, fill, price


async def keep_appending(log: SqliteLog, stream: str) -> None:
    while True:
        number = log.head(stream).sequence + 1
        print(await append(log, stream, fill(number)), flush=True)


async def keep_pricing(log: SqliteLog) -> None:
    while True:
        number = log.head(FEED).sequence + 1
        await append(log, FEED, price(number), price(number + 1))


async def main(directory: Path) -> None:
    log = await SqliteLog.open(directory, linger=asyncio.sleep)
    print("ready", flush=True)
    try:
        async with asyncio.TaskGroup() as group:
            for bot in BOTS:
                group.create_task(keep_appending(log, bot))
            group.create_task(keep_pricing(log))
    except* EngineError as faults:
        print(*{f"{type(fault).__name__}: {fault}" for fault in faults.exceptions}, sep="\n")
    try:
        log.append([], urgent=True)
    except EngineError as fault:
        print(f"again {type(fault).__name__}")
    await log.close()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    asyncio.run(main(Path(sys.argv[1])))
