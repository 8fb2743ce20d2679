"""Reducers of trailing. Source: specification, "Trailing State Management"."""

from typing import Final

from msgspec.structs import replace

from engine.core.events import (
    TrailingActivated,
    TrailingReset,
    TrailingStarted,
    TrailingTriggered,
    TrailingWatermarkMoved,
)
from engine.core.reducers.table import Table
from engine.core.state import BotState, Trail
from engine.core.watch import with_watch, with_watermarks


def _with_trail(state: BotState, trail: Trail) -> BotState:
    return with_watch(replace(state, trails={**state.trails, trail.lot: trail}, last_trail=trail))


def _started(state: BotState, event: TrailingStarted, at_ms: int) -> BotState:
    trail = Trail(
        lot=event.lot,
        direction=event.direction,
        status="waiting",
        activation=event.activation,
        percent=event.percent,
        floor=event.floor,
        watermark=None,
        updated_ms=at_ms,
        amount=event.amount,
        reason=event.reason,
    )
    return _with_trail(state, trail)


def _activated(state: BotState, event: TrailingActivated, at_ms: int) -> BotState:
    trail = state.trails[event.lot]
    return _with_trail(state, replace(trail, status="active", watermark=event.watermark, updated_ms=at_ms))


def _improves(trail: Trail, event: TrailingWatermarkMoved) -> bool:
    if trail.status != "active" or trail.direction != event.direction:
        return False
    assert trail.watermark is not None, trail
    return event.watermark > trail.watermark if trail.direction == "up" else event.watermark < trail.watermark


def _watermark_moved(state: BotState, event: TrailingWatermarkMoved, at_ms: int) -> BotState:
    """Move the watermark of every trail that the price took further; no other threshold changes with it."""
    trails, newest = dict(state.trails), None
    for key, trail in state.trails.items():
        if _improves(trail, event):
            trails[key] = replace(trail, watermark=event.watermark, updated_ms=at_ms)
            newest = key if newest is None else max(newest, key)
    if newest is None:
        return state
    watch = with_watermarks(state.watch, trails.values(), event.direction)
    return replace(state, trails=trails, last_trail=trails[newest], watch=watch)


def _triggered(state: BotState, event: TrailingTriggered, at_ms: int) -> BotState:
    return _with_trail(state, replace(state.trails[event.lot], status="triggered", updated_ms=at_ms))


def _reset(state: BotState, event: TrailingReset, at_ms: int) -> BotState:
    trails = dict(state.trails)
    gone = replace(trails.pop(event.lot), status="inactive", updated_ms=at_ms)
    return with_watch(replace(state, trails=trails, last_trail=gone))


REDUCERS: Final[Table] = {
    TrailingStarted: _started,
    TrailingActivated: _activated,
    TrailingWatermarkMoved: _watermark_moved,
    TrailingTriggered: _triggered,
    TrailingReset: _reset,
}
