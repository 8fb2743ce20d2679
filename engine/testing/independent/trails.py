"""The rules of trails: a watermark only improves, only what is active fires, and never under its floor.

Owns this second, independent reading of the trailing events. Source: docs/decisions.md, decisions 1, 7, 10 and 18.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from engine.testing.independent.rows import Row, number

HUNDRED: Final = Decimal(100)


class Trail:
    """One trail as it stands."""

    def __init__(self, row: Row) -> None:
        """Start waiting, with the frozen parameters."""
        says = row.says
        self.direction: Final[str] = says["direction"]
        self.activation: Final = number(says["activation"])
        self.percent: Final = number(says["percent"])
        self.floor: Final = None if says.get("floor") is None else number(says["floor"])
        self.status = "waiting"
        self.began = row.cause
        self.ended_by = ""
        self.watermark: Decimal | None = None

    def is_better(self, price: Decimal, than: Decimal) -> bool:
        """Tell whether a price is further in the trail's direction than another."""
        return price > than if self.direction == "up" else price < than

    def has_come_back(self, price: Decimal, watermark: Decimal) -> bool:
        """Tell whether a price is the trail's percent away from the watermark, by multiplication."""
        if self.direction == "up":
            return price * HUNDRED <= watermark * (HUNDRED - self.percent)
        return price * HUNDRED >= watermark * (HUNDRED + self.percent)


class Trails:
    """The trails of one bot; what is wrong about them is kept until it is asked for."""

    def __init__(self, bot: str, streams: Mapping[str, Sequence[Row]]) -> None:
        """Start with none; the streams tell the best bid at which one fired."""
        self.bot: Final = bot
        self.wrong: Final[list[str]] = []
        self.by_key: Final[dict[tuple[int, str], Trail]] = {}
        self._streams: Final = streams
        self.most_gap_ms = 0

    def end_all(self, why: str) -> None:
        """Have every trail end: the next that is told of each is its reset."""
        for trail in self.by_key.values():
            trail.ended_by = why if trail.status != "inactive" else ""

    def should_be_reset(self, row: Row) -> None:
        """Say which trails outlive what ends them, now that something else is told; a lost end may hold their reset."""
        for (lot, direction), trail in self.by_key.items():
            if trail.ended_by and row.tag != "recovery_started":
                text = f"the trail of lot {lot}, {direction}, goes on after {trail.ended_by}"
                self.wrong.append(f"trail: {self.bot} {row.sequence}: {row.tag}: {text}")
            trail.ended_by = ""

    def take(self, row: Row, target: Decimal | None, floor_rule: str) -> None:
        """Take in a trailing event; `target` is that of its lot, `floor_rule` what the configuration says."""
        if row.tag == "trailing_watermark_moved":
            texts = self._moved(row)
        else:
            key = (row.says["lot"], row.says["direction"])
            if row.tag == "trailing_started":
                former, trail = self.by_key.get(key), Trail(row)
                texts = _started(former, trail, target, floor_rule)
                self.by_key[key] = trail
            elif key not in self.by_key:
                texts = iter((f"no such trail was started: lot {key[0]}, {key[1]}",))
            else:
                texts = self._changed(row, self.by_key[key])
        self.wrong.extend(f"trail: {self.bot} {row.sequence}: {row.tag}: {text}" for text in texts)

    def _changed(self, row: Row, trail: Trail) -> Iterator[str]:
        match row.tag:
            case "trailing_activated":
                yield from _activated(row, trail)
                trail.began = row.cause
            case "trailing_triggered":
                yield from self._triggered(row, trail)
            case "trailing_reset":
                trail.status, trail.watermark, trail.ended_by = "inactive", None, ""
            case _:
                pass

    def _moved(self, row: Row) -> Iterator[str]:
        watermark, direction, improved = number(row.says["watermark"]), row.says["direction"], False
        for trail in self.by_key.values():
            if trail.direction != direction or trail.status != "active" or trail.watermark is None:
                continue
            if trail.is_better(watermark, trail.watermark):
                trail.watermark, improved = watermark, True
                yield from self._outlived(row, trail)
        if not improved:
            yield f"{watermark} improves no active trail of direction {direction}"

    def _triggered(self, row: Row, trail: Trail) -> Iterator[str]:
        price, watermark = number(row.says["price"]), number(row.says["watermark"])
        yield from self._outlived(row, trail)
        if trail.status != "active":
            yield f"the trail was {trail.status}"
        if watermark != trail.watermark:
            yield f"the watermark is {watermark}, it had come to {trail.watermark}"
        if not trail.has_come_back(price, watermark):
            yield f"{price} is not {trail.percent}% back from {watermark}"
        bid = self._bid(row, price)
        if trail.direction == "up" and trail.floor is not None and bid < trail.floor:
            yield f"the best bid, {bid}, is under the floor, {trail.floor}"
        trail.status = "triggered"

    def _outlived(self, row: Row, trail: Trail) -> Iterator[str]:
        """Say that a trail should not have outlived a time in which nobody saw the prices."""
        if row.cause is None or trail.began == row.cause:
            return
        gap_ms = self._seen(row).get("gap_ms") or 0
        if gap_ms > max(self.most_gap_ms, 2 * self._cadence_ms(row.cause[0])):
            yield f"the trail goes on although no price was seen for {gap_ms} ms"

    def _cadence_ms(self, stream: str) -> int:
        rules = (row.says["rules"] for row in self._streams.get(stream, ()) if row.tag == "market_rules_observed")
        return max((int(each.get("cadence_ms", 0)) for each in rules), default=0)

    def _bid(self, row: Row, price: Decimal) -> Decimal:
        """Give the best bid of the price that a trail fired at; the price itself where there is no bid."""
        seen = self._seen(row)
        return number(seen["bid"]) if seen.get("bid") is not None else price

    def _seen(self, row: Row) -> Mapping[str, Any]:
        """Give what the price said that an event follows from."""
        if row.cause is None:
            return {}
        stream, sequence = row.cause
        rows = self._streams.get(stream, ())
        return rows[sequence - 1].says if 0 < sequence <= len(rows) else {}


def _started(former: Trail | None, trail: Trail, target: Decimal | None, floor_rule: str) -> Iterator[str]:
    if former is not None and former.status != "inactive":
        yield f"the trail before it is {former.status}"
    if trail.direction == "down":
        return
    if trail.activation != target:
        yield f"the activation is {trail.activation}, the lot's target {target}"
    if floor_rule == "target" and trail.floor != target:
        yield f"the floor is {trail.floor}, the lot's target {target}"


def _activated(row: Row, trail: Trail) -> Iterator[str]:
    watermark = number(row.says["watermark"])
    if trail.status not in {"waiting", "triggered"}:
        yield f"the trail was {trail.status}"
    elif trail.status == "waiting" and trail.is_better(trail.activation, number(row.says["price"])):
        yield f"{row.says['price']} has not reached the activation, {trail.activation}"
    elif trail.status == "waiting" and watermark != number(row.says["price"]):
        yield f"the watermark is {watermark}, it begins with {row.says['price']}"
    elif trail.status == "triggered" and watermark != trail.watermark:
        yield f"the watermark is {watermark}, it had come to {trail.watermark}"
    trail.status, trail.watermark = "active", watermark
