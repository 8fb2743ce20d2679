"""Questions about a log: how did it stand then, which event set this value, why was nothing bought.

Owns the answers as values; the command line renders them. Reads only, decides nothing but for the one question
"and how does it stand now", which asks the strategy about the last price again.
"""

from collections.abc import Iterator
from decimal import Decimal
from operator import is_
from typing import Any, Final

import msgspec

from engine.core.errors import UsageError
from engine.core.events import EntrySkipped, IndicatorsSkipped, OrderRequested, SessionStopped
from engine.core.identity import bot_stream
from engine.core.instants import parse_utc
from engine.core.projection import StateFile
from engine.core.state import BotState
from engine.core.units import plain_json
from engine.runtime.replica import (
    BOT_PREFIX,
    FEED_PREFIX,
    Replica,
    Source,
    last_price_of,
    load_checkpoint,
    restore_bot,
    restore_view,
    state_file_of,
    walk,
)
from engine.runtime.schema import STATE_SCHEMA, state_digest
from engine.store.port import Recorded

ABSENT: Final = object()
KEYS_WITH_PRICES: Final = frozenset({"stats", "stats.last_price"})
"""The keys that a feed's event can change; all others change only with the bot's own."""
PARTS: Final = {
    "stats": ("stats", "lots", "feed"),
    "strategy_state": ("stats", "lots", "closed_lots", "trails", "last_trail", "dust"),
    "connectivity": ("connectivity",),
}
"""What of a bot's state a section of its file is made of; a section not named here may change with every event."""


class Moment(msgspec.Struct, frozen=True):
    """A point of a bot's life: after its event `sequence`, or at the end of time `at_ms`."""

    sequence: int | None = None
    at_ms: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Moment":
        """Read `--at`: a sequence such as 120, or an ISO 8601 time such as 2025-11-03T10:30:00Z.

        Raises:
            UsageError: it is neither.
        """
        if text.isascii() and text.isdigit():
            return cls(sequence=int(text))
        try:
            return cls(at_ms=parse_utc(text))
        except ValueError:
            raise UsageError(
                f"--at is {text!r}: give a sequence such as 120, or a UTC time such as 2025-11-03T10:30:00Z"
            ) from None

    def is_before(self, recorded: Recorded) -> bool:
        """Tell whether the event lies after this moment."""
        if self.at_ms is not None:
            return recorded.at_ms > self.at_ms
        return (
            self.sequence is not None and recorded.stream.startswith(BOT_PREFIX) and recorded.sequence > self.sequence
        )


class Setting(msgspec.Struct, frozen=True):
    """Why a value is what it is: the event that set it, and what caused that."""

    key: str
    value: Any
    event: Recorded
    chain: tuple[Recorded, ...]


class NoTrade(msgspec.Struct, frozen=True):
    """Why nothing was bought: the last recorded reason, and how it stands at the last price."""

    last: Recorded | None
    now: str
    numbers: dict[str, str]


def story(source: Source, bot_id: str, until: Moment | None, replica: Replica) -> Iterator[Recorded]:
    """Walk through a bot's life and its feeds', event by event; `replica` holds the state after each."""
    for recorded in walk(source, bot_id):
        if until is not None and until.is_before(recorded):
            return
        replica.fold(recorded)
        yield recorded


def state_at(source: Source, bot_id: str, until: Moment | None) -> StateFile:
    """Give the state file as it would have been at a moment, or now.

    Raises:
        UsageError: the bot did not exist yet.
    """
    return state_file(replica_at(source, bot_id, until))


def replica_at(source: Source, bot_id: str, until: Moment | None) -> Replica:
    """Give a bot and its feeds as they stood at a moment, or as they stand now.

    Raises:
        UsageError: the bot did not exist yet.
    """
    replica = Replica()
    if until is None:
        replica.state, replica.head = restore_bot(source, bot_id)
        if replica.state.feed is not None:
            replica.views[replica.state.feed] = restore_view(source, replica.state.feed)
        return replica
    for _ in story(source, bot_id, until, replica):
        pass
    if replica.state is None:
        raise UsageError(f"{bot_id} did not exist yet at that moment")
    return replica


def last_price(replica: Replica) -> Decimal | None:
    """Give the last price that the bot's feed saw, if any."""
    return last_price_of(replica.view)


def state_file(replica: Replica) -> StateFile:
    """Give the state file of a bot that exists."""
    assert replica.state is not None
    assert replica.head is not None
    return state_file_of(replica.state, replica.view, replica.head)


def why(source: Source, bot_id: str, key: str) -> Setting:
    """Find the event that gave a key of the state file its present value, and the chain of its causes.

    Raises:
        UsageError: there is no such key, or no such entry in a list.
    """
    value: Any = None
    setter: Recorded | None = None
    seen: dict[tuple[str, int], Recorded] = {}
    replica = Replica()
    made_of = PARTS.get(key.partition(".")[0])
    parts: list[Any] | None = None
    with_prices = key in KEYS_WITH_PRICES
    for recorded in story(source, bot_id, None, replica):
        seen[recorded.stream, recorded.sequence] = recorded
        if replica.state is None or (recorded.stream.startswith(FEED_PREFIX) and not with_prices):
            continue
        if made_of is not None and not with_prices:
            before, parts = parts, [getattr(replica.state, part) for part in made_of]
            if before is not None and all(map(is_, before, parts)):
                continue
        now = look_up(state_file(replica), key)
        if setter is None or now != value:
            value, setter = now, recorded
    assert setter is not None, "a bot in the log has a first event"
    if value is ABSENT:
        raise UsageError(f"there is no key {key!r}: the list has no such entry now (the first is 0)")
    return Setting(key, value, setter, tuple(_causes(setter, seen)))


def _causes(recorded: Recorded, seen: dict[tuple[str, int], Recorded]) -> Iterator[Recorded]:
    """Go back from event to cause; what an exchange reports of an order goes back to the request of that order."""
    requests = {each.event.client_order_id: each for each in seen.values() if isinstance(each.event, OrderRequested)}
    while True:
        if recorded.cause is not None:
            cause = seen.get((recorded.cause.stream, recorded.cause.sequence))
        elif not isinstance(recorded.event, OrderRequested):
            cause = requests.get(getattr(recorded.event, "client_order_id", ""))
        else:
            return
        if cause is None or cause.position >= recorded.position:  # a damaged log may lead in a circle
            return
        yield cause
        recorded = cause


def look_up(file: StateFile, key: str) -> Any:
    """Follow a dotted key such as `stats.total_profit` or `strategy_state.purchases.0.status` into a state file.

    An entry that a list does not have is `ABSENT`: it may have come later, or be gone.

    Raises:
        UsageError: there is no such key; names those that are there.
    """
    node: Any = msgspec.to_builtins(file, builtin_types=(Decimal,))
    walked: list[str] = []
    for part in key.split("."):
        digits = part.removeprefix("-")
        if isinstance(node, list | tuple) and digits.isascii() and digits.isdigit():
            if not -len(node) <= int(part) < len(node):
                return ABSENT
            node = node[int(part)]
        elif isinstance(node, dict) and part in node:
            node = node[part]
        elif node is None:
            return None
        else:
            inside = ".".join(walked) or "the state file"
            there = ", ".join(node) if isinstance(node, dict) else "no keys"
            raise UsageError(f"there is no key {key!r}: {inside} has {there}")
        walked.append(part)
    return node


def why_no_trade(source: Source, bot_id: str) -> NoTrade:
    """Find the last recorded reason not to buy, and assess the last price anew."""
    last: Recorded | None = None
    replica = Replica()
    for recorded in story(source, bot_id, None, replica):
        if isinstance(recorded.event, EntrySkipped | IndicatorsSkipped):
            last = recorded
    state, view = replica.state, replica.view
    if state is None or view is None or view.price is None:
        return NoTrade(last, "no price was seen yet", {})
    from engine.core.decider.entries import assess_entry
    from engine.core.strategy import Buy
    from engine.strategies.catalogue import strategy_for

    now = assess_entry(strategy_for(state.config), state, view)
    if isinstance(now, Buy):
        return NoTrade(last, f"nothing speaks against it: {now.reason}", {})
    return NoTrade(last, now.text, now.numbers)


class DigestCheck(msgspec.Struct, frozen=True):
    """Whether what was noted of states is what the fold gives.

    `checked` counts the states that sessions ended with and the checkpoint; `differing` names the sequences of those
    that the fold contradicts.
    """

    checked: int
    differing: tuple[int, ...]


def check_digests(source: Source, bot_id: str) -> DigestCheck:
    """Fold a bot with every checksum recomputed, and compare what sessions and checkpoint say of its state."""
    saved = load_checkpoint(source, bot_stream(bot_id), STATE_SCHEMA, BotState)
    replica, checked, differing = Replica(), 0, []
    for recorded in walk(source, bot_id, verified=True):
        event = recorded.event
        claims = []
        if isinstance(event, SessionStopped) and event.schema == STATE_SCHEMA:
            assert replica.state is not None
            claims.append(event.digest == state_digest(replica.state))
        replica.fold(recorded)
        if saved is not None and recorded.stream == bot_stream(bot_id) and recorded.sequence == saved[1]:
            assert replica.state is not None
            claims.append(state_digest(saved[0]) == state_digest(replica.state))
        checked += len(claims)
        if not all(claims):
            differing.append(recorded.sequence)
    return DigestCheck(checked, tuple(differing))


def file_difference(source: Source, bot_id: str, written: bytes) -> str | None:
    """Say how a state file differs from what the log gives at the event the file names, or None if it does not."""
    try:
        content = msgspec.json.decode(written, type=dict[str, Any])
        sequence = int(content["log"]["sequence"])
        content["stats"].pop("last_price", None)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return f"it is unreadable ({error}): it is written again at the next start"
    head = source.head(f"{BOT_PREFIX}{bot_id}")
    if not 0 < sequence <= head.sequence:
        return f"it reflects event {sequence}, the log ends at {head.sequence}: it is written again at the next start"
    shown: dict[str, Any] = msgspec.json.decode(plain_json(state_at(source, bot_id, Moment(sequence=sequence))))
    shown["stats"].pop("last_price")
    if shown != content:
        keys = ", ".join(key for key in shown if shown[key] != content.get(key)) or "keys that do not exist"
        return f"it differs from the log in {keys}: it was edited by hand, and is written again at the next start"
    return None
