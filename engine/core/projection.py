"""The state file: what the specification's JSON shows of a bot, as a pure function of its state.

A read model. Nothing is ever decided from it, so a damaged or missing one is simply written again (decision 12).
"""

from decimal import Decimal
from typing import Final

import msgspec

from engine.core.exact import exactly
from engine.core.instants import DAY_MS, iso_utc
from engine.core.state import BotState, Lot, Trail
from engine.core.units import plain_json

STATUS_OF_LOT: Final = {"open": "pending", "buying": "pending", "closed": "filled", "dust": "cancelled"}


class StatsFile(msgspec.Struct, frozen=True):
    """`stats` of the state file (decision 9)."""

    total_trades: int
    winning_trades: int
    losing_trades: int
    total_profit: Decimal
    current_position: Decimal
    last_price: Decimal | None


class SellFile(msgspec.Struct, frozen=True, kw_only=True):
    """One pending or filled sell; `buy_timestamp` and `sell_timestamp` in epoch seconds, profits in percent."""

    buy_order_id: str
    buy_price: Decimal
    buy_amount: Decimal
    buy_cost: Decimal
    buy_fee: Decimal
    buy_timestamp: int
    target_sell_price: Decimal | None
    profit_target: Decimal
    actual_profit: Decimal
    status: str
    amount_left: Decimal
    sell_order_id: str | None
    sell_price: Decimal | None
    proceeds: Decimal | None
    profit: Decimal | None
    sell_timestamp: int | None


class TrailFile(msgspec.Struct, frozen=True):
    """One trail; `last_update` in epoch seconds."""

    status: str
    direction: str
    activation_price: Decimal
    watermark: Decimal | None
    trailing_percent: Decimal
    last_update: int
    lot: int | None


class DustFile(msgspec.Struct, frozen=True):
    """Remainders too small to sell, with what they cost."""

    quantity: Decimal
    cost: Decimal


class StrategyStateFile(msgspec.Struct, frozen=True):
    """`strategy_state` of the state file; the singular keys hold the newest (decision 10)."""

    last_purchase_time: int | None
    last_purchase_price: Decimal | None
    total_purchased: Decimal
    total_spent: Decimal
    purchase_count: int
    pending_sell_order: SellFile | None
    trailing_state: TrailFile | None
    purchases: tuple[SellFile, ...]
    pending_sell_orders: tuple[SellFile, ...]
    trailing_states: tuple[TrailFile, ...]
    dust: DustFile


class ConnectivityFile(msgspec.Struct, frozen=True):
    """`connectivity` of the state file."""

    last_success: str | None
    failure_count: int


class RiskFile(msgspec.Struct, frozen=True):
    """`risk` of the state file: the kill switch, and what the sales of the last day with a sale brought."""

    kill_switch: str | None
    kill_reason: str | None
    killed_at: str | None
    entries_halted_until: str | None
    day: str | None
    day_profit: Decimal
    peak_equity: Decimal


class LogFile(msgspec.Struct, frozen=True):
    """Which event of the bot's stream the file reflects."""

    sequence: int
    checksum: str


class StateFile(msgspec.Struct, frozen=True):
    """The whole state file. Source: specification, "State File Location"; decisions.md, "Files and interfaces"."""

    bot_id: str
    name: str
    symbol: str
    exchange: str
    strategy: str
    last_update: str
    paused: bool
    stats: StatsFile
    strategy_state: StrategyStateFile
    connectivity: ConnectivityFile
    risk: RiskFile
    log: LogFile


def encode_state_file(file: StateFile) -> bytes:
    """Write the file as indented JSON; numbers are plain JSON numbers with every digit."""
    return msgspec.json.format(plain_json(file), indent=2) + b"\n"


@exactly
def project(state: BotState, last_price: Decimal | None, log: LogFile, at_ms: int) -> StateFile:
    """Show a state as the specification's keys. `at_ms` is the recorded time of the event that `log` names."""
    stats, config = state.stats, state.config
    open_lots = [sell_file(lot) for lot in state.lots.values()]
    pending = tuple(sell_file(lot) for lot in state.lots.values() if lot.status == "open")
    return StateFile(
        bot_id=state.bot_id,
        name=config.name or state.bot_id,
        symbol=config.symbol,
        exchange=config.exchange,
        strategy=config.strategy,
        last_update=iso_utc(at_ms),
        paused=state.paused,
        stats=StatsFile(
            total_trades=stats.total_trades,
            winning_trades=stats.winning_trades,
            losing_trades=stats.losing_trades,
            total_profit=stats.total_profit,
            current_position=state.position,
            last_price=last_price,
        ),
        strategy_state=StrategyStateFile(
            last_purchase_time=_seconds(stats.last_purchase_ms),
            last_purchase_price=stats.last_purchase_price,
            total_purchased=stats.total_purchased,
            total_spent=stats.total_spent,
            purchase_count=stats.purchase_count,
            pending_sell_order=pending[-1] if pending else None,
            trailing_state=None if state.last_trail is None else trail_file(state.last_trail),
            purchases=(*map(sell_file, state.closed_lots), *open_lots),
            pending_sell_orders=pending,
            trailing_states=tuple(trail_file(trail) for _, trail in sorted(state.trails.items())),
            dust=DustFile(state.dust.quantity, state.dust.cost),
        ),
        connectivity=ConnectivityFile(
            last_success=None
            if state.connectivity.last_success_ms is None
            else iso_utc(state.connectivity.last_success_ms),
            failure_count=state.connectivity.failure_count,
        ),
        risk=risk_file(state),
        log=log,
    )


def risk_file(state: BotState) -> RiskFile:
    """Show what the risk limits have come to."""
    guard = state.guard
    kill = guard.kill
    return RiskFile(
        kill_switch=None if kill is None else kill.action,
        kill_reason=None if kill is None else kill.text,
        killed_at=None if kill is None else iso_utc(kill.since_ms),
        entries_halted_until=iso_utc(guard.halted_until_ms) if guard.halted_until_ms else None,
        day=iso_utc(guard.day * DAY_MS)[:10] if guard.day else None,
        day_profit=guard.day_profit,
        peak_equity=state.peak,
    )


def state_file_name(bot_id: str) -> str:
    """Name the state file of a bot in its state directory."""
    return f"bot_state_{bot_id}.json"


def has_state_file(state: BotState) -> bool:
    """Tell whether the bot has a file yet: there is none before the first purchase (decision 11)."""
    return state.stats.purchase_count > 0


def sell_file(lot: Lot) -> SellFile:
    """Show a lot as purchase and sell in one."""
    sold = lot.proceeds > 0
    return SellFile(
        buy_order_id=lot.buy_order_id,
        buy_price=lot.price,
        buy_amount=lot.bought,
        buy_cost=lot.paid,
        buy_fee=lot.fee,
        buy_timestamp=lot.opened_ms // 1000,
        target_sell_price=lot.target,
        profit_target=lot.profit_target,
        actual_profit=lot.realised_percent if lot.status == "closed" else lot.net_percent,
        status=STATUS_OF_LOT[lot.status],
        amount_left=lot.quantity,
        sell_order_id=lot.sell_order,
        sell_price=lot.sold_price if sold else None,
        proceeds=lot.proceeds if sold else None,
        profit=lot.realised if sold else None,
        sell_timestamp=_seconds(lot.closed_ms),
    )


def trail_file(trail: Trail) -> TrailFile:
    """Show a trail; the entry's has no lot."""
    return TrailFile(
        status=trail.status,
        direction=trail.direction,
        activation_price=trail.activation,
        watermark=trail.watermark,
        trailing_percent=trail.percent,
        last_update=trail.updated_ms // 1000,
        lot=trail.lot or None,
    )


def _seconds(at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms // 1000
