"""The event catalogue: every fact the log can hold.

Owns tags, versions and payload shapes; docs/events.md is made from here. Tag and version are stable for ever: a new
field with a default keeps the version, anything else is version + 1 and an upcaster in `engine.store.upcasts`.
"""

from engine.core.events.account import (
    AccountObserved,
    Balance,
    BalancesObserved,
    DiscrepancyFound,
    OrdersSurveyed,
)
from engine.core.events.base import Cause, Event, Role
from engine.core.events.bot import (
    BotCreated,
    CommandReceived,
    ConfigChanged,
    FeedAttached,
    FeedDetached,
    PricesSkipped,
    RateLimited,
    RecoveryConfirmed,
    RecoveryStarted,
    SessionStarted,
    SessionStopped,
    TimerFired,
)
from engine.core.events.connectivity import (
    BackoffStarted,
    ConnectivityChecked,
    ConnectivityRestored,
    OutageDeclared,
)
from engine.core.events.entries import (
    DustRecorded,
    EntrySkipped,
    IndicatorsAwaited,
    IndicatorsSkipped,
    PurchaseRecorded,
    SaleRecorded,
    SellTargetSet,
)
from engine.core.events.feed import CandlesClosed, IndicatorsObserved, MarketRulesObserved, PriceObserved
from engine.core.events.limits import KillSwitchEngaged, KillSwitchReleased, LimitReached, StopLossTriggered
from engine.core.events.orders import (
    OrderAccepted,
    OrderAdopted,
    OrderCanceled,
    OrderCancelRequested,
    OrderExpired,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderReconciled,
    OrderRejected,
    OrderRequested,
    OrderSent,
)
from engine.core.events.trailing import (
    TrailingActivated,
    TrailingReset,
    TrailingStarted,
    TrailingTriggered,
    TrailingWatermarkMoved,
)

FeedEvent = PriceObserved | CandlesClosed | MarketRulesObserved | IndicatorsObserved

BotEvent = (
    BotCreated
    | ConfigChanged
    | SessionStarted
    | SessionStopped
    | FeedAttached
    | PricesSkipped
    | FeedDetached
    | BalancesObserved
    | TimerFired
    | RateLimited
    | CommandReceived
    | AccountObserved
    | OrdersSurveyed
    | IndicatorsAwaited
    | IndicatorsSkipped
    | EntrySkipped
    | ConnectivityChecked
    | OutageDeclared
    | BackoffStarted
    | ConnectivityRestored
    | OrderRequested
    | OrderSent
    | OrderAccepted
    | OrderRejected
    | OrderOutcomeUnknown
    | OrderFilled
    | OrderCancelRequested
    | OrderCanceled
    | OrderExpired
    | OrderReconciled
    | OrderAdopted
    | RecoveryStarted
    | RecoveryConfirmed
    | DiscrepancyFound
    | PurchaseRecorded
    | SellTargetSet
    | SaleRecorded
    | DustRecorded
    | TrailingStarted
    | TrailingActivated
    | TrailingWatermarkMoved
    | TrailingTriggered
    | TrailingReset
    | LimitReached
    | StopLossTriggered
    | KillSwitchEngaged
    | KillSwitchReleased
)

AnyEvent = FeedEvent | BotEvent

__all__ = [
    "AccountObserved",
    "AnyEvent",
    "BackoffStarted",
    "Balance",
    "BalancesObserved",
    "BotCreated",
    "BotEvent",
    "CandlesClosed",
    "Cause",
    "CommandReceived",
    "ConfigChanged",
    "ConnectivityChecked",
    "ConnectivityRestored",
    "DiscrepancyFound",
    "DustRecorded",
    "EntrySkipped",
    "Event",
    "FeedAttached",
    "FeedDetached",
    "FeedEvent",
    "IndicatorsAwaited",
    "IndicatorsObserved",
    "IndicatorsSkipped",
    "KillSwitchEngaged",
    "KillSwitchReleased",
    "LimitReached",
    "MarketRulesObserved",
    "OrderAccepted",
    "OrderAdopted",
    "OrderCancelRequested",
    "OrderCanceled",
    "OrderExpired",
    "OrderFilled",
    "OrderOutcomeUnknown",
    "OrderReconciled",
    "OrderRejected",
    "OrderRequested",
    "OrderSent",
    "OrdersSurveyed",
    "OutageDeclared",
    "PriceObserved",
    "PricesSkipped",
    "PurchaseRecorded",
    "RateLimited",
    "RecoveryConfirmed",
    "RecoveryStarted",
    "Role",
    "SaleRecorded",
    "SellTargetSet",
    "SessionStarted",
    "SessionStopped",
    "StopLossTriggered",
    "TimerFired",
    "TrailingActivated",
    "TrailingReset",
    "TrailingStarted",
    "TrailingTriggered",
    "TrailingWatermarkMoved",
]
