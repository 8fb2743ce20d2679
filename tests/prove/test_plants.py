"""The campaign finds planted bugs: a rotating sample of the table, and the table itself.

Method: ten plants, chosen by a digest of the source, so that every change of the tree tries others; `make prove` tries
all. Each is planted in a copy, and the campaign runs there on the seed that is known to kill it.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest

from engine.testing.digest import source_digest
from tests.prove.equivalent import EQUIVALENT
from tests.prove.plant import MOST_SCHEDULES, MOST_SEEDS
from tests.prove.plants import ALL, AREAS, PLANTS, WRITTEN
from tests.prove.runner import ROOT, among, controls, kill, known_seeds, pristine, times
from tests.prove.unseen import UNSEEN

LEAST = 60
MOST_EQUIVALENT = 5
MOST_LATE = 3
SAMPLE = 10


def sample() -> list[str]:
    """Choose ten plants by the digest of the source: another tree, another ten."""
    digest = source_digest(ROOT / "engine")
    return sorted((plant.name for plant in PLANTS), key=lambda name: sha256(f"{digest}{name}".encode()).digest())[
        :SAMPLE
    ]


@pytest.mark.parametrize("name", [each.name for each in ALL])
def test_plant_stands_for_one_place_in_the_code(name: str) -> None:
    (plant,) = (each for each in ALL if each.name == name)
    assert times(plant.file, plant.old) == 1
    assert plant.new != plant.old


def test_plants_are_many_and_spread_over_all_areas() -> None:
    assert len(PLANTS) >= LEAST
    assert max(Counter(each.name for each in ALL).values()) == 1
    assert {plant.name for plant in PLANTS} == known_seeds().keys()
    assert {plant.name for plant in WRITTEN} >= UNSEEN.keys()
    for area, (plants, least) in AREAS.items():
        assert sum(plant.name not in UNSEEN for plant in plants) >= least, area


def test_seed_that_is_known_to_kill_is_within_the_bound_of_its_plant_and_few_are_late() -> None:
    known = known_seeds()
    beyond = [each.name for each in PLANTS if known[each.name] not in among(each.by, each.within)]
    assert beyond == []
    late = [each for each in PLANTS if each.within > (MOST_SEEDS if each.by == "worlds" else MOST_SCHEDULES)]
    assert len(late) <= MOST_LATE


def test_changes_that_break_no_promise_are_few_and_argued_for() -> None:
    assert len(EQUIVALENT) <= MOST_EQUIVALENT
    assert all(len(each.argument.split()) > SAMPLE for each in EQUIVALENT)


def test_sampled_plants_are_killed_by_the_campaign_and_the_engine_as_it_is_passes() -> None:
    chosen = [plant for plant in PLANTS if plant.name in sample()]
    known = known_seeds()
    with pristine() as base, ThreadPoolExecutor(2) as pool:
        kills = list(pool.map(lambda plant: kill(plant, base, [known[plant.name]]), chosen))
        found = list(pool.map(lambda control: control(), controls(kills, base)))
    assert [each for each in kills if each.trouble] == []
    assert [each for each in found if each is not None] == []
