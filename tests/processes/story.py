"""What the tests of real processes share: an exchange, a live bot's file, the program, and the verdict in the end.

Owns the scenario and its last act, in which the bot comes to rest and log and ledger are held against each other. The
program is the installed one with its own clock, its own log and the real gateway; its settings are a user's.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from tests.cli.terminal import PROGRAM, Running
from tests.exchange_server.faults import Fault
from tests.exchange_server.process import ServerProcess, server_process
from tests.exchange_server.script import Waves
from tests.kill.forks import Forks
from tests.live.harness import config_text, live_script
from tests.live_kill.books import Ledger, LogBook, Row
from tests.live_kill.campaign import clock_of
from tests.live_kill.checker import Terms, check
from tests.live_kill.scenario import SPEED
from tests.live_kill.session import Request
from tests.processes.seccomp import SYNCS, Call, is_possible
from tests.processes.watched import Judge, Polled, Watched

BOT: Final = "bot"
BUDGET: Final = Decimal(1200)
LOTS: Final = 10
PATIENCE_S: Final = 100.0
CREATE: Final = "POST /api/v3/order"

T = TypeVar("T")


class Story:
    """One bot on one exchange, from its first start to the verdict."""

    def __init__(self, server: ServerProcess, folder: Path, balances: dict[str, Decimal], **changes: Any) -> None:
        """Take the exchange, a folder, what the account begins with, and changes to the bot's file."""
        self.server: Final = server
        self.directory = folder / "state"
        self._file: Final = folder / "bot.yml"
        self._balances: Final = balances
        self._changes: Final = changes
        keys = {"KRYPTO_BINANCEUS_API_KEY": "localkey", "KRYPTO_BINANCEUS_API_SECRET": "localsecret"}
        self.environment: Final = {**os.environ, **keys}
        self._file.write_text(self._text())

    def move_to(self, directory: Path) -> None:
        """Have the program keep its state in another directory from its next start on."""
        self.directory = directory
        self._file.write_text(self._text())

    def run(self) -> Running:
        """Start the program, to be used as a context."""
        return Running(*self.command()[2:], environment=self.environment)

    def watch(self, names: Sequence[str], judge: Judge) -> Watched | Polled:
        """Start the program with a judge over some of its system calls."""
        return (Watched if is_possible() else Polled)(self.command(), names, judge, self.environment)

    def command(self) -> list[str]:
        return [PROGRAM, "run", "-c", str(self._file)]

    def log(self) -> LogBook:
        """Read the log as it stands."""
        return LogBook(self.directory)

    def ledger(self) -> Ledger:
        """Read the exchange's ledger as it stands."""
        return Ledger(self.server.ledger())

    def strike(self, fault: Fault) -> str:
        """Have a fault strike the next order that comes to the exchange; give the order's id once it has come."""
        self.server.control("faults", (fault,))
        (request,) = until(lambda: [each for each in self.ledger().requests if each["fault"]])
        return str(request["parameters"]["newClientOrderId"])

    def die_at_syncs(self, *numbers: int) -> None:
        """Start the program again and again, and kill each when it asks the disk to be sure for the n-th time."""
        for number in numbers:
            left = number

            def judge(_: Call) -> int:
                nonlocal left
                left -= 1
                if left <= 0:
                    program.process.kill()
                return 0

            with self.watch(SYNCS, judge) as program:
                assert program.process.wait(PATIENCE_S) == -signal.SIGKILL

    def next_accepted(self) -> Callable[[], bool]:
        """Tell, when asked, whether the exchange has taken an order that is not wanted yet."""
        before = self.log().intents.keys()
        return lambda: any(each.exchange_ids for name, each in self.log().intents.items() if name not in before)

    def goes_on(self) -> None:
        """Start the program and let it live until the exchange has taken a new order from it; end it in order."""
        goes_on = self.next_accepted()
        with self.run() as program:
            program.wait_for("Reconciled with the exchange")
            until(goes_on)
            end = stopped(program)
        assert end == (143, ""), end

    def finish(self, forks: Forks) -> None:
        """Run one more session, in quick time, until all is at rest; raise unless log and ledger agree."""
        self.server.control("faults", method="DELETE")
        price = self.server.control("state")["prices"]["BTCUSD"]
        self.server.control("price", {"symbol": "BTCUSD", "price": price})
        self.server.control("clock", {"speed": SPEED})
        start_ms, origin_s = clock_of(self.server)
        request = Request(str(self.directory), (self._text(may_buy=False),), start_ms, origin_s, last=True)
        assert not forks.run(request)
        terms = Terms(self._balances, BUDGET, LOTS, {BOT: "BTC/USD"})
        violations = check(self.directory, self.ledger(), terms)
        assert not violations, "\n".join(violations)

    def _text(self, *, may_buy: bool = True) -> str:
        params = {"amount_usd": 100, **({} if may_buy else {"max_price": 1})}
        keys: dict[str, Any] = {
            "bot_id": BOT,
            "budget": int(BUDGET),
            "max_open_lots": LOTS,
            "profit_target": 0.01,
            "min_price_change_percent": 0,
            "sell_order_type": "limit",
            "sell_order_timeout": 10,
            "connectivity_check_interval": 10,
            **self._changes,
        }
        text = config_text(self.server.port, **keys, strategy_params=params)
        return text + yaml.safe_dump({"state_dir": str(self.directory)})


@contextmanager
def story(folder: Path, **changes: Any) -> Iterator[Story]:
    """Have an exchange whose price swings within a minute, and a bot that buys and sells all the time."""
    path = Waves(Decimal(50_000), swing_percent=1.0, period_ms=20_000)
    script = live_script(market={"path": path}, seed=folder.name)
    place = folder / "exchange"
    place.mkdir()
    with server_process(script, place) as server:
        yield Story(server, folder, dict(script.accounts[0].balances), **changes)


def until(holds: Callable[[], T], within_s: float = PATIENCE_S) -> T:
    """Wait until something holds, and give it; fail if it does not within so many seconds."""
    end_s = time.monotonic() + within_s
    while not (found := holds()):
        assert time.monotonic() < end_s, f"it did not come to that within {within_s:.0f} s"
        time.sleep(0.02)
    return found


def stopped(program: Running) -> tuple[int, str]:
    """End a program by SIGTERM; give its exit code and what it complained of."""
    program.process.send_signal(signal.SIGTERM)
    end = program.end()
    return end.code, end.err


def newest_sale(log: LogBook, status: str) -> str:
    """Give the id of the order that was requested last, if it is a sale and stands so in the log.

    The faults wait for a sale: a purchase in doubt would hold the next one back until it is proven absent, which takes
    most of a minute by the engine's own clock.
    """
    name = next(reversed(log.intents), "")
    is_it = name and log.intents[name].status == status and log.intents[name].wanted["side"] == "sell"
    return name if is_it else ""


def kept(before: Sequence[Row], log: LogBook) -> bool:
    """Tell whether a log still begins with all the rows that it had."""
    return log.rows[: len(before)] == list(before)
