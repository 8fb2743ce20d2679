"""Events of a bot's life: creation, sessions, what it listened to, and what it was told."""

from typing import ClassVar

from engine.core.config import BotConfig
from engine.core.events.base import Event, Role


class BotCreated(Event, frozen=True, tag="bot_created"):
    """A bot came to be. `log_id` was drawn once and makes its client order ids unlike those of any other log."""

    role: ClassVar[Role] = Role.OBSERVATION
    log_id: str
    config: BotConfig
    digest: str


class ConfigChanged(Event, frozen=True, tag="config_changed"):
    """The bot was started with another configuration; `changed` names the keys."""

    role: ClassVar[Role] = Role.OBSERVATION
    config: BotConfig
    digest: str
    changed: tuple[str, ...]


class SessionStarted(Event, frozen=True, tag="session_started"):
    """A process took the bot up. `decision_version` tells replay whether a difference is a fault or a newer rule."""

    role: ClassVar[Role] = Role.OBSERVATION
    engine_version: str
    strategy: str
    decision_version: int


class SessionStopped(Event, frozen=True, tag="session_stopped"):
    """A process laid the bot down in order. `digest` names the state, `schema` the shape it was taken of.

    `feeds` maps each feed to the sequence and checksum it ended at, which ties the chains together.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    reason: str
    digest: str
    schema: str
    feeds: dict[str, tuple[int, str]] = {}


class FeedAttached(Event, frozen=True, tag="feed_attached"):
    """The bot listens to a feed from the event after `after`; the last price before it is of `seen_ms`."""

    role: ClassVar[Role] = Role.OBSERVATION
    feed: str
    after: int
    seen_ms: int | None = None


class PricesSkipped(Event, frozen=True, tag="prices_skipped"):
    """Prices of the feed, `first` to `last`, that the bot let pass, and why.

    `reason` is `paused`, `backoff` or `detached` (it was not running).
    """

    feed: str
    first: int
    last: int
    reason: str


class FeedDetached(Event, frozen=True, tag="feed_detached"):
    """The bot stopped listening after the feed's event `at`; the last price until then is of `seen_ms`."""

    role: ClassVar[Role] = Role.OBSERVATION
    feed: str
    at: int
    seen_ms: int | None = None


class TimerFired(Event, frozen=True, tag="timer_fired"):
    """A time that the bot had asked for came. `kind` is `order_timeout`."""

    role: ClassVar[Role] = Role.OBSERVATION
    kind: str
    due_ms: int


class RateLimited(Event, frozen=True, tag="rate_limited"):
    """The exchange asked for silence until `until_ms`."""

    role: ClassVar[Role] = Role.OBSERVATION
    until_ms: int


class RecoveryStarted(Event, frozen=True, tag="recovery_started"):
    """The log lost its end, or may have: nothing is sent before an operator has confirmed that the bot may go on.

    Rows up to `kept_position` of the log were kept, of this bot's events those up to `kept_sequence`, the last of
    `kept_ms`; the witness had seen row `witness_position`. Order numbers go on after `order_number`, far beyond any
    that the lost end can have used. Whatever wrote that end wrote nothing after `written_ms`, so no order left much
    later.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    reason: str
    kept_position: int
    kept_sequence: int
    kept_ms: int
    order_number: int
    written_ms: int
    witness_position: int | None = None


class RecoveryConfirmed(Event, frozen=True, tag="recovery_confirmed"):
    """An operator has seen what the recovery found, and lets the bot go on; `by` says who.

    `adopted` counts the orders taken over from the exchange, `trades` those booked; `unmatched` names what was found
    there and could not be booked, and `accepted` those of them by their exchange order id that are orders under this
    log's ids: the operator has seen them, and they halt the bot no more. Order numbers go on after `order_number`, if
    that is higher.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    by: str
    order_number: int = 0
    adopted: int = 0
    trades: int = 0
    unmatched: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()


class CommandReceived(Event, frozen=True, tag="command_received"):
    """An operator asked for something; `by` says who.

    `command` is `pause`, `resume`, `reset-trailing`, `kill`, `flatten`, `revive` or `stop`.
    `seen` and `seen_ms` are sequence and time of the last price the bot had seen.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    command: str
    by: str
    seen: int = 0
    seen_ms: int | None = None
