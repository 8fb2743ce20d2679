"""All planted bugs, the changes that are none, and the mistakes that the campaign does not see yet.

Owns the list. Which seed is known to kill which plant stands in `seeds.json`, which `--learn` writes.
"""

from typing import Final

from tests.prove import account_plants, control_plants, money_plants, order_plants, recovery_plants, store_plants
from tests.prove.equivalent import EQUIVALENT
from tests.prove.plant import Equivalent, Plant
from tests.prove.unseen import UNSEEN

AREAS: Final[dict[str, tuple[tuple[Plant, ...], int]]] = {
    "store": (store_plants.PLANTS, 12),
    "protocol": (order_plants.PLANTS, 14),
    "reconciliation": (account_plants.PLANTS, 12),
    "trailing": (money_plants.TRAILING_PLANTS, 6),
    "accounting": (money_plants.ACCOUNTING_PLANTS, 10),
    "commands and connectivity": (control_plants.COMMAND_PLANTS, 6),
    "state file": (control_plants.FILE_PLANTS, 2),
    "recovery": (recovery_plants.PLANTS, 10),
    "secrecy": (control_plants.SECRET_PLANTS, 4),
}
"""The plants of each area, and how many of them the campaign finds at least."""

WRITTEN: Final[tuple[Plant, ...]] = tuple(plant for plants, _ in AREAS.values() for plant in plants)
PLANTS: Final[tuple[Plant, ...]] = tuple(plant for plant in WRITTEN if plant.name not in UNSEEN)
ALL: Final[tuple[Plant | Equivalent, ...]] = (*WRITTEN, *EQUIVALENT)
