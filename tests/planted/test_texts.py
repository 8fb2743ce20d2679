"""Every planted bug still has its place in the code: whoever moves that learns it here, and not minutes later."""

from pathlib import Path

import pytest

from tests.planted.plant import Plant
from tests.planted.plants import PLANTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_text_that_a_plant_changes_stands_once(plant: Plant) -> None:
    assert (ROOT / plant.file).read_text().count(plant.old) == 1
