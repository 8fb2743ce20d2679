"""The fork server of live sessions: ccxt and all else is loaded once, and a child forked for each session.

Started by `tests.kill.forks` as `python -m tests.live_kill.server`.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import ccxt.pro  # type: ignore[import-untyped]  # noqa: F401 - loaded before forking
import msgspec

import engine.indicators.talib_backend
import engine.runtime.supervisor  # noqa: F401 - loaded before forking
from tests.kill.server import serve
from tests.kill.session import configs_of
from tests.live_kill.session import Request, run_session


def _read(line: bytes) -> tuple[Path, Callable[[], None]]:
    request = msgspec.json.decode(line, type=Request)
    configs_of(request.bots)
    return Path(request.directory), partial(run_session, request)


if __name__ == "__main__":
    serve(_read)
