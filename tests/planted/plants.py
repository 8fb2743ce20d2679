"""The sample of promises that are broken on purpose, each with the test that must notice."""

from typing import Final

from tests.planted import core_plants, exchange_plants, runtime_plants
from tests.planted.plant import Plant

PLANTS: Final[tuple[Plant, ...]] = (*core_plants.PLANTS, *exchange_plants.PLANTS, *runtime_plants.PLANTS)
