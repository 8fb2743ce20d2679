"""Trade for hours against the local exchange, in accelerated market time, with faults: `python -m tests.live_soak`.

The exchange runs in one process, the real engine in another; then the log is held against the exchange's ledger. Exit
code 1 if anything does not hold. What is as fast as the market (prices, candles, waits, windows, backoff, silence) runs
on both sides at `--speed`; what ccxt, sockets and disks do by themselves (timeouts, keep-alive, fsync) takes real time.
So a window of 5 s is 5 / speed real seconds, in which an order must get from its signing through two fsyncs to the
exchange. A speed is honest while hardly an order misses it. Without faults and with some ten runnable processes on two
processors 2 requests of a run with 291 orders were too late at 20, and 24 of one with 300 at 40; at 80 it varied from
none to a fifth of the orders, and one run sent none; at 160 none were sent (why is not known). What is checked here
held at 20, at 40 and in the one run at 80 that was checked; orders that are late are refused (-1021) or held back
("stale"). No quiet machine was measured. Faults strike every kind of request in every way there is, and every four
market minutes all streams break.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.live_soak.calls import count_all, scenes, table
from tests.live_soak.checks import broken
from tests.live_soak.engine_process import Sample
from tests.live_soak.plan import HOUR_MS, Soak
from tests.live_soak.report import lines, progress
from tests.live_soak.running import soak_run


def main(arguments: list[str]) -> int:
    """Run a soak and say what did not hold."""
    chosen = _options().parse_args(arguments)
    if chosen.calls:
        with tempfile.TemporaryDirectory(prefix="krypto-calls-") as name:
            print("\n".join(table(count_all(scenes(), Path(name)))))
        return 0
    soak = Soak(chosen.hours, chosen.speed, str(chosen.seed), chosen.bots, chosen.faults)
    folder = Path(tempfile.mkdtemp(prefix="krypto-soak-", dir=chosen.dir))
    print(f"{soak}\nfiles in {folder}", flush=True)

    def tell(sample: Sample) -> None:
        print(progress(sample), flush=True)

    found = soak_run(soak, folder, tell, profile=chosen.profile)
    print("\n".join(lines(found)))
    faults = broken(found)
    for fault in faults:
        print(f"BROKEN: {fault}")
    print("" if faults else f"Everything holds after {found.samples[-1].at_ms / HOUR_MS:.1f} market hours.")
    return 1 if faults else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.live_soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--hours", type=float, default=1.0, help="market hours to trade")
    parser.add_argument("--speed", type=float, default=20.0, help="how much faster than real")
    parser.add_argument("--seed", default="soak", help="what prices and faults follow from")
    parser.add_argument("--bots", type=int, default=8, help="how many bots on one account")
    parser.add_argument("--faults", type=float, default=1.0, help="the percentage of requests that go wrong")
    parser.add_argument("--calls", action="store_true", help="instead, count what one bot and ten cost in an hour")
    parser.add_argument("--profile", default="", help="a file for the engine's cProfile")
    parser.add_argument("--dir", type=Path, help="where the files go")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
