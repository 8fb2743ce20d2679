"""What the simulated exchange may no longer show: ended orders for good, others for minutes, and only known ones."""

from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.events import OrderAccepted, OrderSent
from engine.runtime.journal import Published
from engine.testing.simulation.exchange.terms import Terms
from engine.testing.simulation.life import Life
from engine.testing.simulation.loop import VirtualLoop
from engine.testing.simulation.session import Session
from engine.testing.simulation.watch import Watch
from engine.testing.simulation.world import World
from tests.simulation.worlds import BTC, CENT, ExchangeWorld, order, run


@pytest.mark.parametrize("is_known", [True, False])
def test_order_that_ended_is_purged_for_good_after_a_while_if_a_log_knows_it(*, is_known: bool) -> None:
    world = ExchangeWorld(Terms(purged=0.5), played={"exchange/purged#0": 1})

    async def work() -> None:
        client, sent = world.client(), order(1, "buy", "0.01", sent_ms=world.now_ms())
        await client.create(BTC, sent)
        (placed,) = world.exchange.matching.orders.values()
        if is_known:
            world.exchange.known.add(placed.exchange_order_id)
        await world.until(55)
        assert await client.query(BTC, sent) is not None
        for second in (70, 90_000):
            await world.until(second)
            assert (await client.query(BTC, sent) is None) is is_known
            assert len(await client.trades(BTC, placed.at_ms)) == 1, "its trade stays"

    run(work)


@pytest.mark.parametrize("is_known", [True, False])
def test_order_is_hidden_for_minutes_once_in_a_while_if_a_log_knows_it(*, is_known: bool) -> None:
    spells = {f"exchange/oblivion#{slot}": 1 for slot in (0, 1, 6)}
    world = ExchangeWorld(Terms(oblivion=0.5), played=spells)

    async def work() -> None:
        client, far = world.client(), world.price() * Decimal("1.5") // CENT * CENT
        sent = order(1, "sell", "0.01", sent_ms=world.now_ms(), limit=far)
        await client.create(BTC, sent)
        if is_known:
            world.exchange.known.update(world.exchange.matching.orders)
        for second, may_hide in ((30, True), (90, False), (330, False), (1_830, True), (1_890, False)):
            await world.until(second)
            is_hidden = is_known and may_hide
            assert (await client.query(BTC, sent) is None) is is_hidden, second
            assert (await client.open_orders(BTC) == ()) is is_hidden, second

    run(work)


def test_order_is_known_once_its_acceptance_is_durable_in_a_life() -> None:
    world = ExchangeWorld()
    watch, life = Watch(world.exchange, {}), world.life()
    listen = watch.listener(life)

    listen(Published("bot:a", 1, 0, OrderSent("k1", 0, 5_000)))
    assert world.exchange.known == set()
    listen(Published("bot:a", 2, 0, OrderAccepted("k1", "77")))
    assert world.exchange.known == {"77"}
    life.end("killed")
    listen(Published("bot:a", 3, 0, OrderAccepted("k2", "78")))
    assert world.exchange.known == {"77"}


def test_worlds_whose_log_may_lose_its_end_purge_nothing_and_others_do(tmp_path: Path) -> None:
    loop, seen = VirtualLoop(), set()
    for seed in range(60):
        folder = tmp_path / str(seed)
        folder.mkdir()
        world = World(seed, folder, loop, None)
        seen.add((world.disasters.rate > 0, world.exchange.terms.purged > 0))
    loop.close()
    assert seen == {(True, False), (False, True), (False, False)}


def test_disaster_makes_an_exchange_show_all_orders_for_no_log_may_know_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = VirtualLoop()
    world = World(1, tmp_path, loop, {})
    session = Session(Life(1, lambda _point: False), world.machine, world.exchange.note)
    for struck, known in ((None, {"77"}), ("log cut", set())):
        world.exchange.known.add("77")
        monkeypatch.setattr(world.disasters, "befall", lambda *_, struck=struck: struck)
        world._befall(session)
        assert world.exchange.known == known
    loop.close()
