"""A campaign: bots on a local exchange of their own, killed again and again, and then held against its ledger.

Owns one round, from the opening of the exchange to the verdict, and the tally of many. What a round does follows from
its seed, as far as two processes and real time let it.
"""

import os
import random
import select
import time
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from tests.exchange_server.process import ServerProcess, server_process
from tests.kill.forks import Forks
from tests.live_kill.books import Ledger, LogBook
from tests.live_kill.checker import Terms, check, check_orders
from tests.live_kill.points import AIR, KINDS, Target
from tests.live_kill.scenario import BOTS, BUDGET, LOTS, bot_texts, script_of
from tests.live_kill.session import Request

SERVER: Final = "tests.live_kill.server"
LONGEST_S: Final = 2.5
"""A session that did not come to its boundary by then is killed from outside."""

OUTSIDE: Final = "random instant"


class Tally:
    """What happened in the rounds so far."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.rounds = self.kills = self.under_way = self.in_flight = 0
        self.orders = self.trades = self.sessions = 0
        self.kinds: Final[Counter[str]] = Counter()
        self.faults: Final[Counter[str]] = Counter()
        self.violations: Final[list[str]] = []

    def __str__(self) -> str:
        """Say the numbers."""
        return (
            f"{self.rounds} rounds, {self.kills} kills ({self.under_way} under way, {self.in_flight} with an order in "
            f"flight), {self.orders} orders, {self.trades} trades, {sum(self.faults.values())} faults, "
            f"{len(self.violations)} violations"
        )

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

    def __init__(self, forks: Forks, folder: Path, seed: int, tally: Tally, wrong: str = "") -> None:
        """Take the fork server, a folder of its own, the seed, the tally, and the wrong protocol if it is a control."""
        self._forks: Final = forks
        self._folder: Final = folder
        self._directory: Final = folder / "data"
        self._seed: Final = seed
        self._tally: Final = tally
        self._wrong: Final = wrong
        self._chance: Final = random.Random(f"round {seed}")

    def run(self, kills: int) -> list[str]:
        """Run a round of so many kills; give the violations found, each with how to see it again."""
        self._folder.mkdir(parents=True, exist_ok=True)
        script = script_of(self._seed)
        found: list[str] = []
        with server_process(script, self._folder) as server:
            try:
                for _ in range(kills):
                    self._live_and_die(server)
                    if self._wrong and (found := self._given_up(server)):
                        break
                else:
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
        kind = target.kind if target is not None else OUTSIDE
        if not _ended(child, LONGEST_S if target is not None else self._chance.uniform(0.15, LONGEST_S)):
            kind = OUTSIDE
            was_killed = self._forks.kill(child, request)
        else:
            was_killed = self._forks.wait(request)
        assert was_killed, "a session ended by itself"
        log = LogBook(self._directory)
        self._tally.kills += 1
        self._tally.kinds[kind] += 1
        self._tally.under_way += log.was_under_way(before)
        self._tally.in_flight += log.was_under_way(before) and log.has_order_in_flight()
        time.sleep(self._chance.choice((0, 0, 0.02, 0.1, 0.3)))

    def _target(self) -> Target | None:
        """Choose where the next session dies: mostly at a boundary, the rarer ones first."""
        if self._chance.random() < 0.25:
            return None
        kind = min(self._chance.sample(KINDS, 5), key=lambda each: self._tally.kinds[each])
        delay_s = self._chance.uniform(0.001, 0.02) if kind == AIR else 0.0
        is_early = kind.startswith("start-up") or kind.endswith(("end", "cancel request"))
        return Target(kind, self._chance.choice((1, 1, 2) if is_early else (1, 1, 2, 3, 5)), delay_s)

    def _request(self, server: ServerProcess, target: Target | None, *, last: bool = False) -> Request:
        start_ms, origin_s = _clock_of(server)
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


def _clock_of(server: ServerProcess) -> tuple[int, float]:
    """Read the exchange's clock, with the reading of our monotonic clock that belongs to it: the quickest of three."""
    readings = []
    for _ in range(3):
        asked_s = time.monotonic()
        told_ms = int(server.control("state")["true_ms"])
        came_s = time.monotonic()
        readings.append((came_s - asked_s, told_ms, (asked_s + came_s) / 2))
    _, told_ms, middle_s = min(readings)
    return told_ms, middle_s


def run_rounds(folder: Path, seeds: range, kills: int, tally: Tally, wrong: str = "") -> list[str]:
    """Run rounds until one finds something wrong; give what it found."""
    with Forks(SERVER) as forks:
        for seed in seeds:
            found = Round(forks, folder / str(seed), seed, tally, wrong).run(kills)
            if found:
                return found
    return []


def as_json(tally: Tally) -> bytes:
    """Write a tally for other programs."""
    return msgspec.json.encode({name: value for name, value in vars(tally).items()})
