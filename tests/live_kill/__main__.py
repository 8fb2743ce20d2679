"""Kill live bots for as long as you like: `python -m tests.live_kill --rounds 100 --seed 1`.

Prints each round as it goes and the sums at the end; the exit status is 1 if anything was wrong (or, for a wrong
protocol, if nothing was).
"""

import argparse
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.runtime.control import SOCKET_NAME
from tests.kill.forks import Forks
from tests.live_kill.campaign import SERVER, Round, Tally
from tests.live_kill.wrong import WRONG


def main() -> int:
    """Run the campaign that the command line describes."""
    parser = argparse.ArgumentParser(prog="python -m tests.live_kill", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next has the next")
    parser.add_argument("--kills", type=int, default=14, help="in each round")
    parser.add_argument("--wrong", choices=sorted(WRONG), default="", help="trade by a wrong protocol")
    parser.add_argument("--keep", type=Path, help="a folder for what failing rounds leave")
    arguments = parser.parse_args()
    tally, begun_s = Tally(), time.monotonic()
    with TemporaryDirectory(prefix="live-kill-") as name, Forks(SERVER) as forks:
        for seed in range(arguments.seed, arguments.seed + arguments.rounds):
            folder = Path(name) / str(seed)
            found = Round(forks, folder, seed, tally, arguments.wrong).run(arguments.kills)
            spent_s = time.monotonic() - begun_s
            print(f"seed {seed}: {tally}; {tally.kills / spent_s * 60:.0f} kills a minute", flush=True)
            for violation in found:
                print(f"  VIOLATION {violation}", flush=True)
            if found and arguments.keep:
                no_sockets = shutil.ignore_patterns(SOCKET_NAME)
                shutil.copytree(folder, arguments.keep / str(seed), ignore=no_sockets, dirs_exist_ok=True)
            shutil.rmtree(folder)
    for title, counts in (("kills by boundary", tally.kinds), ("faults struck", tally.faults)):
        print(f"{title}:")
        for what, count in sorted(counts.items(), key=lambda pair: -pair[1]):
            print(f"  {count:5} {what}")
    print(*tally.violations, sep="\n")
    return int(bool(tally.violations) != bool(arguments.wrong))


if __name__ == "__main__":
    sys.exit(main())
