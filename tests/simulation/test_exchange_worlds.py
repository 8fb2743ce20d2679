"""Whole hours of trading under a mix of faults: what must hold for every seed, and be the same for the same seed."""

import json
from collections import defaultdict
from decimal import Decimal

import pytest

from engine.testing.simulation.chance import Chance, Tape
from engine.testing.simulation.exchange.terms import FAULTS, OF_ORDERS, SPELLS, Terms, calmed, swarm_terms
from tests.simulation.worlds import ExchangeWorld, run, trade

SEEDS = range(1, 9)
HOURS = 3


def _traded(seed: int, played: Tape | None = None) -> ExchangeWorld:
    """Trade in the world of a seed, or in that of a tape; the terms stand on it too."""
    world = ExchangeWorld(swarm_terms, seed, played)
    run(lambda: trade(world, HOURS))
    return world


@pytest.mark.parametrize("seed", SEEDS)
def test_balances_are_what_the_history_says(seed: int) -> None:
    world = _traded(seed)
    held: defaultdict[str, Decimal] = defaultdict(Decimal)
    for asset, amount in world.exchange.terms.wallet.items():
        held[asset] += Decimal(amount)
    filled: defaultdict[object, Decimal] = defaultdict(Decimal)
    for record in world.exchange.history:
        if record["what"] == "transfer":
            held[record["asset"]] += Decimal(record["amount"])
        if record["what"] == "trade":
            base, quote = record["symbol"].split("/")
            quantity = Decimal(record["quantity"]) * (1 if record["side"] == "buy" else -1)
            held[base] += quantity
            held[quote] -= quantity * Decimal(record["price"])
            held[record["fee_asset"]] -= Decimal(record["fee"])
            filled[record["order_id"]] += Decimal(record["quantity"])
    assert dict(world.exchange.wallet.total) == dict(held)
    for order in world.exchange.matching.orders.values():
        assert order.filled == filled[order.exchange_order_id] <= order.wish.quantity
        assert order.is_open or order.locked == 0
    open_orders = [order for order in world.exchange.matching.orders.values() if order.is_open]
    assert sum(world.exchange.wallet.locked.values()) == sum(order.locked for order in open_orders)


@pytest.mark.parametrize("seed", SEEDS)
def test_history_is_in_order_and_every_end_comes_once(seed: int) -> None:
    history = _traded(seed).exchange.history
    times = [record["at_ms"] for record in history]
    assert times == sorted(times)
    ends = [record["order_id"] for record in history if record["what"] == "end"]
    assert len(ends) == len(set(ends))
    assert len([record for record in history if record["what"] == "order"]) > 5


@pytest.mark.parametrize("seed", SEEDS)
def test_same_seed_gives_the_same_history_and_so_does_its_tape(seed: int) -> None:
    world = _traded(seed)
    told = json.dumps(world.exchange.history)
    assert json.dumps(_traded(seed).exchange.history) == told
    replayed = _traded(seed, world.chance.tape)
    assert json.dumps(replayed.exchange.history) == told
    assert replayed.chance.tape == world.chance.tape


def test_seeds_draw_mixes_of_their_own_and_the_empty_tape_is_calm() -> None:
    mixes = [swarm_terms(Chance(seed)) for seed in range(40)]
    for fault in FAULTS:
        assert len({getattr(terms, fault) for terms in mixes}) > 2, fault
    assert len({str(terms) for terms in mixes}) == len(mixes)
    assert swarm_terms(Chance(1, {})) == Terms()
    assert calmed(mixes[0]).wallet == mixes[0].wallet


def test_seeds_together_meet_every_kind_of_fault() -> None:
    met: set[str] = set()
    for seed in range(120, 140):
        for record in _traded(seed).exchange.history:
            if record["what"] == "fault":
                met.add(record["kind"])
            if record["what"] == "request" and record["fault"]:
                met.add(record["fault"])
    assert met == {*FAULTS, "ban"}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_of_orders_may_come_more_often_than_others_and_what_lasts_more_seldom(name: str) -> None:
    most = 0.15 if name in SPELLS else 0.6 if name in OF_ORDERS else 0.3
    drawn = [float(getattr(swarm_terms(Chance(seed)), name)) for seed in range(60)]
    assert max(drawn) == most
    assert 10 < drawn.count(0.0) < 50, "in some worlds it is not there at all"


def test_rates_of_their_own_are_of_faults_that_there_are() -> None:
    assert set(FAULTS) > SPELLS | OF_ORDERS
    assert not SPELLS & OF_ORDERS
