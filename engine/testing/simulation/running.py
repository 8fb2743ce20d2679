"""Running one world to its report, whatever becomes of it.

Owns what counts as broken: a world that hangs, or in which something fails that nobody foresaw, is a violation with a
seed to repeat it, and never the end of a campaign.
"""

from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from engine.core.errors import EngineError
from engine.core.identity import parse_client_order_id
from engine.testing.simulation.chance import Tape
from engine.testing.simulation.loop import VirtualLoop
from engine.testing.simulation.patience import LONGEST_S, EndlessError, at_most
from engine.testing.simulation.release import as_before
from engine.testing.simulation.report import WorldReport, placeless
from engine.testing.simulation.verdict import log_digest
from engine.testing.simulation.vfs import layer
from engine.testing.simulation.world import World


def run_world(seed: int, folder: Path, played: Tape | None = None) -> WorldReport:
    """Run the world of a seed, or play a tape in it, in a folder of its own."""
    loop = VirtualLoop()
    loop.set_exception_handler(lambda _loop, _context: None)  # what a broken world leaves behind is told by its report
    made: list[World] = []
    log = ""

    async def live() -> None:
        made.append(World(seed, folder, loop, played))
        await made[0].run()

    try:
        with as_before(), at_most(LONGEST_S):
            loop.run_until_complete(live())
    except (Exception, EndlessError) as error:
        if not made:
            raise
        made[0].violations.append(f"broke: {type(error).__name__}: {error}")
    finally:
        loop.close()
        layer().forget()
    try:
        with suppress(EngineError, OSError), at_most(LONGEST_S):
            log = log_digest(made[0].directory)
    except EndlessError as error:
        made[0].violations.append(f"broke: its log: {error}")
    return _report(made[0], folder, loop.time(), log)


def _report(world: World, folder: Path, lived_s: float, log: str) -> WorldReport:
    history = world.exchange.history
    violations = tuple(placeless(violation, folder) for violation in world.violations)
    return WorldReport(
        seed=world.chance.seed,
        digest=sha256(placeless(msgspec.json.encode([history, violations, log]).decode(), folder).encode()).hexdigest(),
        lives=world.lives - world.recoveries,
        recoveries=world.recoveries,
        is_judged=world.is_judged,
        orders=sum(record["what"] == "order" and record["life"] > 0 for record in history),
        trades=sum(record["what"] == "trade" and _is_ours(record["client_order_id"]) for record in history),
        virtual_s=int(lived_s),
        endings=dict(world.endings),
        faults=dict(world.watch.faults),
        visits=dict(world.watch.visits),
        violations=violations,
        tape=dict(world.chance.tape),
    )


def _is_ours(client_order_id: str | None) -> bool:
    return client_order_id is not None and parse_client_order_id(client_order_id) is not None
