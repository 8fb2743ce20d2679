"""A campaign of real kills that is written down as it goes: `python -m tests.campaigns.kills --paper 9000 --ccxt 1000`.

Owns the order of the rounds and their spreading over processes. Every finished round is a line of the results file. An
interrupted campaign goes on where it was: what it had finished with this same engine counts, the rest is run. Ctrl-C
and SIGTERM end it within the round; whatever was started is ended with it. The exit status is 1 after a violation.
"""

import argparse
import multiprocessing
import os
import queue
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NoReturn, get_args

import msgspec

from tests.campaigns.results import Kind, Results, RoundResult, engine_digest
from tests.campaigns.rounds import TARGETS, Rounds

FIRST_SEED: Final = 1000
_worker: list[Rounds] = []


def main() -> int:
    """Run the campaign that the command line describes, as far as it has not been run yet."""
    arguments = _parser().parse_args()
    wanted: dict[Kind, int] = {"paper": arguments.paper, "ccxt": arguments.ccxt}
    results = Results(arguments.results, engine_digest())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if not arguments.summary:
            for result in _run(results, wanted, arguments.seed, arguments.jobs, arguments.targets):
                _tell(results, result, wanted[result.kind])
    except KeyboardInterrupt:
        print(f"interrupted; {arguments.results} holds what was finished: the same command goes on", file=sys.stderr)
        return 130
    summaries = [results.summary(kind) for kind in get_args(Kind)]
    print(msgspec.json.format(msgspec.json.encode(summaries)).decode())
    return int(any(summary.violations for summary in summaries))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.kills", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--paper", type=int, default=0, help="kills of paper bots on a recorded market, in all")
    parser.add_argument("--ccxt", type=int, default=0, help="kills of live bots through ccxt, in all")
    parser.add_argument("--results", type=Path, default=Path("kills.jsonl"), help="the file of finished rounds")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="of the first round of each kind")
    parser.add_argument("--jobs", type=int, default=1, help="rounds at a time")
    parser.add_argument(
        "--targets", type=int, default=TARGETS, help="boundaries offered to a paper life; few are quick"
    )
    parser.add_argument("--summary", action="store_true", help="sum up what is there, and run nothing")
    return parser


def _run(results: Results, wanted: dict[Kind, int], first_seed: int, jobs: int, targets: int) -> Iterator[RoundResult]:
    """Run rounds until so many kills of each kind are in the results; give each round as it ends."""
    done: queue.SimpleQueue[RoundResult | BaseException] = queue.SimpleQueue()
    begun: dict[Kind, set[int]] = {kind: {each.seed for each in results.of(kind)} for kind in wanted}
    under_way = 0
    with TemporaryDirectory(prefix="kills-") as name, _workers(jobs, Path(name), targets) as pool:
        while True:
            while under_way < jobs and (kind := _next_kind(results, wanted)) is not None:
                seed = next(seed for seed in count(first_seed) if seed not in begun[kind])
                begun[kind].add(seed)
                pool.apply_async(_round, (kind, seed), callback=done.put, error_callback=done.put)
                under_way += 1
            if not under_way:
                return
            result = done.get()
            under_way -= 1
            if isinstance(result, BaseException):
                raise result
            if engine_digest() != result.engine:
                raise SystemExit("engine/ has changed since the campaign began: what now runs is neither; start again")
            results.add(result)
            yield result


def _next_kind(results: Results, wanted: dict[Kind, int]) -> Kind | None:
    """Choose the kind of which the smaller part is done, so that an interrupted campaign has some of each."""
    parts = {kind: _kills(results, kind) / number for kind, number in wanted.items() if number}
    kind = min(parts, key=parts.__getitem__, default=None)
    return None if kind is None or parts[kind] >= 1 else kind


def _kills(results: Results, kind: Kind) -> int:
    return sum(each.kills for each in results.of(kind))


@contextmanager
def _workers(jobs: int, folder: Path, targets: int) -> Iterator[Any]:
    """Have processes that run rounds, each with its fork servers; they and all they started end with the block."""
    pool = multiprocessing.get_context("spawn").Pool(jobs, _begin_worker, (str(folder), targets))
    try:
        yield pool
    finally:
        pool.terminate()
        pool.join()


def _begin_worker(folder: str, targets: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent then ends us by SIGTERM
    _worker.append(Rounds(Path(folder) / str(os.getpid()), targets))


def _round(kind: Kind, seed: int) -> RoundResult:
    usual = signal.signal(signal.SIGTERM, _leave)  # so that an interrupted round ends the exchange that it started
    try:
        return _worker[0].run(kind, seed)
    finally:
        signal.signal(signal.SIGTERM, usual)


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)


def _tell(results: Results, result: RoundResult, wanted: int) -> None:
    rate = result.kills / result.seconds * 60
    print(
        f"{time.strftime('%H:%M:%S')} {result.kind} seed {result.seed}: {result.kills} kills ({result.under_way} under "
        f"way, {result.in_flight} with an order), {result.orders} orders, {rate:.0f} kills a minute; "
        f"{_kills(results, result.kind)} of {wanted}",
        file=sys.stderr,
        flush=True,
    )
    for violation in result.violations:
        print(f"  VIOLATION {violation}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
