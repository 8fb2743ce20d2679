"""The state file as a pure function of the state: every key of the specification's example, with its type."""

from typing import Any, Final

import msgspec
import pytest

from engine.core.projection import encode_state_file, has_state_file
from tests.kernel import START_MS, Kernel, bought

SPEC = pytest.mark.spec
NUMBER: Final = (int, float)

EXAMPLE: Final[dict[str, Any]] = {
    "bot_id": str,
    "name": str,
    "symbol": str,
    "exchange": str,
    "strategy": str,
    "last_update": str,
    "stats": {
        "total_trades": int,
        "winning_trades": int,
        "losing_trades": int,
        "total_profit": NUMBER,
        "current_position": NUMBER,
        "last_price": NUMBER,
    },
    "strategy_state": {
        "last_purchase_time": int,
        "last_purchase_price": NUMBER,
        "total_purchased": NUMBER,
        "total_spent": NUMBER,
        "purchase_count": int,
        "pending_sell_order": {
            "buy_order_id": str,
            "buy_price": NUMBER,
            "buy_amount": NUMBER,
            "buy_cost": NUMBER,
            "buy_timestamp": int,
            "target_sell_price": NUMBER,
            "profit_target": NUMBER,
            "actual_profit": NUMBER,
            "status": str,
        },
        "trailing_state": {
            "status": str,
            "direction": str,
            "activation_price": NUMBER,
            "watermark": NUMBER,
            "trailing_percent": NUMBER,
            "last_update": int,
        },
    },
    "connectivity": {"last_success": str, "failure_count": int},
}


def paths(shape: dict[str, Any], *above: str) -> list[tuple[str, ...]]:
    """List the keys of the example, each with those above it."""
    found: list[tuple[str, ...]] = []
    for key, kind in shape.items():
        found += [(*above, key)] + (paths(kind, *above, key) if isinstance(kind, dict) else [])
    return found


def at(tree: Any, path: tuple[str, ...]) -> Any:
    """Give what stands at a path."""
    for key in path:
        tree = tree[key]
    return tree


def trading() -> Kernel:
    """Give a bot with a lot pending, a trail active and a good check behind it."""
    kernel = bought(50_000, sell_order_type="trailing_market", name="BTC-DCA-Bot")
    kernel.check(reachable=True)
    kernel.price(50_700)
    return kernel


@SPEC("every key of the example stands in the state file, with its type", section="decision 8")
@pytest.mark.parametrize("path", [pytest.param(path, id=".".join(path)) for path in paths(EXAMPLE)])
def test_state_file_has_the_key_of_the_example_with_its_type(path: tuple[str, ...]) -> None:
    value, kind = at(trading().file_json(), path), at(EXAMPLE, path)
    assert isinstance(value, dict if isinstance(kind, dict) else kind)
    assert not isinstance(value, bool)


@SPEC("the keys that are added to the example hold every lot and every trail", section="decision 10")
def test_state_file_adds_all_lots_and_trails_to_the_newest() -> None:
    kernel = Kernel(sell_order_type="trailing_market", smart_indicator_checks=False)
    kernel.prices(50_000, 49_000)
    kernel.votes(yes=False)
    kernel.price(49_700)
    state = kernel.file_json()["strategy_state"]
    assert [sell["buy_price"] for sell in state["pending_sell_orders"]] == [50_000, 49_000]
    assert state["pending_sell_order"] == state["pending_sell_orders"][-1]
    assert [trail["status"] for trail in state["trailing_states"]] == ["waiting", "active"]
    assert state["trailing_state"] == state["trailing_states"][-1], "the trail that changed last"
    assert [purchase["status"] for purchase in state["purchases"]] == ["pending", "pending"]


@SPEC("the purchases of the file are the open lots and the last 100 closed", section="decision 10")
def test_state_file_keeps_a_hundred_closed_lots_and_every_open_one() -> None:
    kernel = Kernel(sell_order_type="market")
    for _ in range(103):
        kernel.votes(yes=True)
        kernel.price(50_000)
        kernel.votes(yes=False)
        kernel.price(51_000)
    kernel.votes(yes=True)
    kernel.price(50_000)
    purchases = kernel.file_json()["strategy_state"]["purchases"]
    assert [purchase["status"] for purchase in purchases] == ["filled"] * 100 + ["pending"]
    assert kernel.file().strategy_state.purchase_count == 104


@SPEC("actual_profit is what the rounded target yields while pending, what was realised afterwards", "decision 10")
def test_state_file_shows_the_expected_profit_and_later_the_realised_one() -> None:
    kernel = bought(50_000, sell_order_type="market")
    pending = kernel.file_json()["strategy_state"]["pending_sell_order"]
    assert (pending["target_sell_price"], pending["profit_target"]) == (50_601.11, 1.0)
    assert pending["actual_profit"] == 1.000017
    kernel.price(51_000)
    state = kernel.file_json()["strategy_state"]
    assert state["pending_sell_order"] is None
    assert state["purchases"][0]["actual_profit"] == 1.796203
    assert (state["purchases"][0]["sell_price"], state["purchases"][0]["status"]) == (51_000, "filled")


def test_state_file_of_a_bot_without_lots_or_trails_has_null_in_the_singular_keys() -> None:
    kernel = Kernel()
    state = kernel.file_json()["strategy_state"]
    assert (state["pending_sell_order"], state["trailing_state"], state["purchases"]) == (None, None, [])
    assert kernel.file_json()["connectivity"] == {"last_success": None, "failure_count": 0}


@SPEC("there is no file before the first purchase", section="decision 11")
def test_state_file_exists_from_the_first_purchase_on() -> None:
    kernel = Kernel(buy_order_type="limit")
    assert not has_state_file(kernel.state)
    kernel.price(50_000)
    assert not has_state_file(kernel.state), "an open order is no purchase"
    kernel.price(49_990)
    assert has_state_file(kernel.state)
    kernel.prices(52_000, 52_000)
    assert has_state_file(kernel.state)


@SPEC(
    "times of strategy_state are epoch seconds, the others ISO 8601 in UTC",
    "Files and interfaces that others may rely on",
)
def test_state_file_writes_times_as_the_example_does() -> None:
    kernel = trading()
    file = kernel.file_json()
    assert file["last_update"] == "2024-11-03T12:12:00Z"
    assert file["connectivity"]["last_success"] == "2024-11-03T12:11:00Z"
    assert file["strategy_state"]["last_purchase_time"] == START_MS // 1000 + 60
    assert file["strategy_state"]["trailing_state"]["last_update"] == START_MS // 1000 + 120


@SPEC("the file says which event of the log it reflects", section="Files and interfaces that others may rely on")
def test_state_file_names_its_place_in_the_log() -> None:
    kernel = trading()
    assert kernel.file_json()["log"] == {"sequence": len(kernel.told()), "checksum": "00" * 16}


def test_state_file_of_one_state_is_the_same_bytes_each_time() -> None:
    kernel = trading()
    assert encode_state_file(kernel.file()) == encode_state_file(kernel.file())
    assert msgspec.json.decode(encode_state_file(kernel.file()))["name"] == "BTC-DCA-Bot"
