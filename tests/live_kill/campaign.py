"""A campaign: bots on a local exchange of their own, killed again and again, and then held against its ledger.

Owns one round, from the opening of the exchange to the verdict, and the tally of many. What a round does follows from
its seed, as far as two processes and real time let it.
"""

import os
import random
import select
import signal
import time
import urllib.error
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Final, NamedTuple

from engine.core.errors import EngineError
from engine.runtime.control import Request as Command
from engine.runtime.control import send_command
from tests.exchange_server.process import ServerProcess, server_process
from tests.kill.forks import Forks
from tests.live_kill.books import Ledger, LogBook
from tests.live_kill.checker import OPEN, Terms, check, check_orders
from tests.live_kill.points import AIR, KINDS, Target
from tests.live_kill.scenario import BOTS, BUDGET, LOTS, bot_texts, script_of
from tests.live_kill.session import Request

SERVER: Final = "tests.live_kill.server"
OUTSIDE: Final = "random instant"
STOPPED: Final = "during an orderly stop"
STALLS: Final = ("durable sent", "before witness", "after witness", "leaving create", "answered create", "before fill")
"""Where a process may stand still for a while, as a machine does that is put to sleep."""

ODD_CLOCKS: Final = 0.3
"""In so many rounds the clock of the machine is set anew between sessions, by half a second or most of a minute."""

MEDDLE: Final = 0.15


class Pace(NamedTuple):
    """How much time a campaign takes: how long sessions live at most, and how long it is down between two.

    A patient session lives long enough for an order that never came to be held to be not placed, which takes 35 seconds
    of the engine's time.
    """

    longest_s: float
    patient_s: float
    down_s: tuple[float, ...]


USUAL: Final = Pace(2.5, 3.5, (0, 0, 0, 0.02, 0.1, 0.3, 0.3, 2.0))
HASTY: Final = Pace(1.5, 2.0, (0, 0, 0.02, 0.1, 0.2))


class Tally:
    """What happened in the rounds so far."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.rounds = self.kills = self.under_way = self.in_flight = 0
        self.orders = self.trades = self.stalls = 0
        self.kinds: Final[Counter[str]] = Counter()
        self.faults: Final[Counter[str]] = Counter()
        self.violations: Final[list[str]] = []

    def __str__(self) -> str:
        """Say the numbers."""
        return (
            f"{self.rounds} rounds, {self.kills} kills ({self.under_way} under way, {self.in_flight} with an order in "
            f"flight), {self.stalls} stalls, {self.orders} orders, {self.trades} trades, "
            f"{sum(self.faults.values())} faults, {len(self.violations)} violations"
        )

    def died(self, kind: str, log: LogBook, before: int) -> None:
        """Count a death, and in which circumstances; the session had found the log ending at `before`."""
        self.kills += 1
        self.kinds[kind] += 1
        if log.was_under_way(before):
            self.under_way += 1
            self.in_flight += log.has_order_in_flight()

    def count(self, ledger: Ledger) -> None:
        """Count what the exchange has seen in a round."""
        self.rounds += 1
        self.orders += len(ledger.orders)
        self.trades += len(ledger.trades)
        for request in ledger.requests:
            if request["fault"] is not None:
                self.faults[f"{request['fault']} {request['method']} {request['path'].rpartition('/')[2]}"] += 1


class Round:
    """One round: an exchange, a state directory, and its sessions."""

    def __init__(
        self, forks: Forks, folder: Path, seed: int, tally: Tally, wrong: str = "", pace: Pace = USUAL
    ) -> None:
        """Take the fork server, a folder of its own, the seed, the tally, the wrong protocol of a control, the pace."""
        self._forks: Final = forks
        self._folder: Final = folder
        self._directory: Final = folder / "data"
        self._seed: Final = seed
        self._tally: Final = tally
        self._wrong: Final = wrong
        self._pace: Final = pace
        self._chance: Final = random.Random(f"round {seed}")
        self._has_odd_clock: Final = self._chance.random() < ODD_CLOCKS

    def run(self, kills: int, is_enough: Callable[[], bool] = lambda: False) -> list[str]:
        """Run a round of so many kills, or until it is enough; give the violations found."""
        self._folder.mkdir(parents=True, exist_ok=True)
        script = script_of(self._seed)
        found: list[str] = []
        with server_process(script, self._folder) as server:
            try:
                for _ in range(kills):
                    self._live_and_die(server)
                    if is_enough() or (self._wrong and (found := self._given_up(server))):
                        break
                if not found:
                    self._finish(server)
            except AssertionError as failure:
                found.append(f"failed: {failure}")
            ledger = Ledger(server.ledger())
        if not found:
            symbols = {bot["bot_id"]: bot.get("symbol", "BTC/USD") for bot in BOTS}
            found = check(self._directory, ledger, Terms(dict(script.accounts[0].balances), BUDGET, LOTS, symbols))
        self._tally.count(ledger)
        again = f"python -m tests.live_kill --seed {self._seed} --kills {kills}"
        again += f" --wrong {self._wrong}" if self._wrong else ""
        self._tally.violations.extend(f"{each}  [{again}]" for each in found)
        return found

    def _live_and_die(self, server: ServerProcess) -> None:
        before = LogBook(self._directory).position
        target = self._target()
        child = self._forks.start(request := self._request(server, target))
        kind = target.kind if target is not None and not target.stall_s else OUTSIDE
        if kind == OUTSIDE or not _ended(child, self._pace.longest_s):
            kind = self._disturb(child)
            was_killed = self._forks.kill(child, request)
        else:
            was_killed = self._forks.wait(request)
        assert was_killed or kind == STOPPED, "a session ended by itself"
        self._tally.stalls += target is not None and target.stall_s > 0
        if was_killed:
            self._tally.died(kind, LogBook(self._directory), before)
        if self._chance.random() < MEDDLE:
            self._meddle(server)
        time.sleep(self._chance.choice(self._pace.down_s))

    def _disturb(self, child: int) -> str:
        """Let a session live for a while, perhaps with commands, perhaps to the beginning of an orderly end."""
        longest_s, patient_s, _ = self._pace
        _ended(child, self._chance.choice((self._chance.uniform(0.15, longest_s), longest_s, patient_s)))
        drawn = self._chance.random()
        if drawn < 0.25:
            os.kill(child, signal.SIGTERM)  # nobody has waited for it yet, so the number is still its own
            _ended(child, self._chance.uniform(0, 0.5))
            return STOPPED
        if drawn < 0.5:
            command = self._chance.choice(("pause", "resume", "resume", "reset-trailing"))
            with suppress(EngineError, OSError):
                send_command(self._directory, Command(command, str(self._chance.choice(BOTS)["bot_id"])))
            _ended(child, self._chance.uniform(0, 0.3))
        return OUTSIDE

    def _target(self) -> Target | None:
        """Choose what befalls the next session: mostly death at a boundary, the rarer ones first."""
        drawn = self._chance.random()
        if drawn < 0.2:
            return None
        if drawn < 0.3:
            return Target(self._chance.choice(STALLS), self._chance.choice((1, 2, 3)), 0.0, self._chance.uniform(0, 1))
        kind = min(self._chance.sample(KINDS, 5), key=lambda each: self._tally.kinds[each])
        delay_s = self._chance.uniform(0.001, 0.02) if kind == AIR else 0.0
        is_early = kind.startswith("start-up") or kind.endswith(("end", "cancel request"))
        return Target(kind, self._chance.choice((1, 1, 2) if is_early else (1, 1, 2, 3, 5)), delay_s)

    def _meddle(self, server: ServerProcess) -> None:
        """Have the exchange itself end an open order, or fill a part of it, while nobody looks."""
        orders = [states[-1] for states in server.ledger()["orders"] if states[-1]["status"] in OPEN]
        if not orders:
            return
        order = self._chance.choice(orders)
        wish, left = order["wish"], Decimal(order["quantity"]) - Decimal(order["executed"])
        change = {"symbol": wish["symbol"], "client_order_id": wish["client_order_id"]}
        if self._chance.random() < 0.5:
            change["quantity"] = str((left / 2).quantize(Decimal("0.00001"), ROUND_UP))
        with suppress(urllib.error.HTTPError):  # it may have been filled meanwhile
            server.control("order", change)

    def _request(self, server: ServerProcess, target: Target | None, *, last: bool = False) -> Request:
        start_ms, origin_s = clock_of(server)
        if self._has_odd_clock and not last:
            start_ms += self._chance.choice((*(6 * (0,)), -600, 600, -45_000, 45_000))
        texts = bot_texts(server.port, may_buy=not last)
        return Request(str(self._directory), texts, start_ms, origin_s, target, self._wrong, last)

    def _given_up(self, server: ServerProcess) -> list[str]:
        """Look whether the wrong protocol has shown itself already."""
        return list(check_orders(LogBook(self._directory), Ledger(server.ledger())))

    def _finish(self, server: ServerProcess) -> None:
        """End all faults, let the market stand still, and run a last session that comes to rest."""
        server.control("faults", method="DELETE")
        server.control("visibility", {})
        server.control("streams", {"action": "resume"})
        for symbol, price in server.control("state")["prices"].items():
            server.control("price", {"symbol": symbol, "price": price})
        time.sleep(0.8)  # what was held back on its way comes now or never
        assert not self._forks.run(self._request(server, None, last=True))


def _ended(child: int, within_s: float) -> bool:
    """Wait for a process that is not our own child; tell whether it ended in time."""
    descriptor = os.pidfd_open(child)
    try:
        return bool(select.select([descriptor], [], [], within_s)[0])
    finally:
        os.close(descriptor)


def clock_of(server: ServerProcess) -> tuple[int, float]:
    """Read the exchange's clock, with the reading of our monotonic clock that belongs to it: the quickest of three."""
    readings = []
    for _ in range(3):
        asked_s = time.monotonic()
        told_ms = int(server.control("state")["true_ms"])
        came_s = time.monotonic()
        readings.append((came_s - asked_s, told_ms, (asked_s + came_s) / 2))
    _, told_ms, middle_s = min(readings)
    return told_ms, middle_s
