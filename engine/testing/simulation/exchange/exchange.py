"""The simulated exchange: its clock, its book, its history; outside the crash domain, without any task of its own.

Owns what happens when: everything that will happen stands on one agenda and is done, in order and at its own time, as
soon as somebody looks. Who may see what, and when, is decided in `shows`; what befalls a request on its way, in
`line`. Source: docs/evidence.md.
"""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any, Final, Literal, TypeVar

from msgspec.structs import replace

from engine.core.exact import exactly
from engine.core.market import MarketRules
from engine.testing.simulation.chance import Chance
from engine.testing.simulation.exchange.markets import Market
from engine.testing.simulation.exchange.matching import Matching
from engine.testing.simulation.exchange.orders import CLOCK, Placed, Refusal, Wish, order_record
from engine.testing.simulation.exchange.others import Others
from engine.testing.simulation.exchange.terms import Terms, calmed
from engine.testing.simulation.exchange.wallet import Wallet
from engine.testing.simulation.exchange.weather import Spells

S = TypeVar("S")
Deed = Callable[[], None]
Cut = Literal["request_lost", "not_sent", "answer_lost"]
CUTS: Final[tuple[Cut, ...]] = ("request_lost", "not_sent", "answer_lost")
"""What becomes of every request while the way is cut."""


AHEAD_MS: Final = 1_000
"""A request may be signed so far in the exchange's future."""

_PARTITION_MINUTES: Final = (1, 2, 1, 3, 5, 2, 8, 15, 1, 3, 30, 120)
_MAINTENANCE_MINUTES: Final = (2, 1, 5, 15, 45)
_HALT_MINUTES: Final = (1, 4, 12)
_SKEW_MINUTES: Final = (2, 7, 31)
_OBLIVION_MINUTES: Final = (1, 8, 8.9, 8.9)
"""Nine looks a minute apart may miss an order, and never ten."""

_RULES_MINUTES: Final = (10, 3, 30, 90)
UNSEEN_AGAIN_MS: Final = 900_000
COARSER: Final = 10
"""So much coarser is the step of quantities while the rules are others."""

_SKEW_STEPS: Final = (2_500, -2_500, 700, 6_000, -6_000)


class SimulatedExchange:
    """One exchange with one account.

    `history` is all that ever happened, as records for JSON. `left` are told of every order that leaves an engine, by
    its client order id, `accepted` of every order that was taken, `moved` of every change of an order after that,
    `stirred` whenever something is put first on the agenda, `noted` of every record. While it `is_still` no resting
    order is met; while it `is_cut` nothing gets through. `looked` holds which life has seen the open orders of which
    market, `signed` with which time of the engine an order was signed, `known` what a log holds by the exchange's ids.
    """

    def __init__(self, chance: Chance, now_ms: Callable[[], int], terms: Terms) -> None:
        """Take the seed's chance, the true time, and the terms."""
        self.chance: Final = chance
        self.terms = terms
        self.start_ms: Final = now_ms()
        self.history: Final[list[dict[str, Any]]] = []
        self.accepted: Final[list[Callable[[Placed], None]]] = []
        self.left: Final[list[Callable[[str], None]]] = []
        self.moved: Final[list[Callable[[Placed], None]]] = []
        self.stirred: Final[list[Deed]] = []
        self.noted: Final[list[Callable[[dict[str, Any]], None]]] = []
        self.is_still = False
        self.is_cut = False
        self.looked: Final[set[tuple[int, str]]] = set()
        self.signed: Final[dict[str, int]] = {}
        self.known: Final[set[str]] = set()
        self.markets: Final = {symbol: Market(symbol, terms, chance) for symbol in terms.symbols}
        self.wallet: Final = Wallet(terms.wallet)
        self.banned_until_ms = 0
        self._true_ms: Final = now_ms
        self._moment_ms: int | None = None
        self._agenda: Final[list[tuple[int, int, Deed]]] = []
        self._entries = 0
        self.matching: Final = Matching(self)
        self._partitions: Final = self._spells("partition", terms.partition, 5, _PARTITION_MINUTES, CUTS)
        self._maintenance: Final = self._spells("maintenance", terms.maintenance, 10, _MAINTENANCE_MINUTES, ("",))
        self._halts: Final = self._spells("halt", terms.halt, 5, _HALT_MINUTES, ("",))
        self._skews: Final = self._spells("skew_step", terms.skew_step, 5, _SKEW_MINUTES, _SKEW_STEPS)
        self._rules_steps: Final = self._spells("rules_step", terms.rules_step, 15, _RULES_MINUTES, ("",))
        self._oblivions: Final = self._spells("oblivion", terms.oblivion, 5, _OBLIVION_MINUTES, ("",))
        self.others: Final = Others(self)

    # --- time --------------------------------------------------------------------------------------------------------

    @property
    def at_ms(self) -> int:
        """Give the true time of what is happening."""
        return self._true_ms() if self._moment_ms is None else self._moment_ms

    @property
    def skew_ms(self) -> int:
        """Give how far the exchange's clock is ahead of the true time."""
        spell = self._skews.at(self.at_ms)
        return self.terms.skew_ms + (0 if spell is None else spell.sort)

    @property
    def clock_ms(self) -> int:
        """Give the time on the exchange's clock."""
        return self.at_ms + self.skew_ms

    @property
    def next_ms(self) -> int | None:
        """Say when something is on the agenda next."""
        return self._agenda[0][0] if self._agenda else None

    def later(self, at_ms: int, deed: Deed) -> None:
        """Put something on the agenda; what is put there for the same time is done in the order in which it was."""
        self._entries += 1
        heappush(self._agenda, (max(at_ms, self.at_ms), self._entries, deed))
        if self._agenda[0][1] == self._entries:
            for stir in tuple(self.stirred):
                stir()

    def advance(self) -> None:
        """Do all that was due until now, each at its time."""
        if self._moment_ms is not None:
            return
        now_ms = self._true_ms()
        try:
            while self._agenda and self._agenda[0][0] <= now_ms:
                self._moment_ms, _, deed = heappop(self._agenda)
                deed()
        finally:
            self._moment_ms = None

    def heal(self) -> None:
        """Have no fault from now on; what is on its way still comes."""
        self.advance()
        self.terms = calmed(self.terms)
        for spells in (
            self._partitions,
            self._maintenance,
            self._halts,
            self._skews,
            self._rules_steps,
            self._oblivions,
        ):
            spells.heal()
        self.note("heal")

    # --- the history -------------------------------------------------------------------------------------------------

    def note(self, what: str, **fields: Any) -> None:
        """Write a record of now; what was due before is done and written first."""
        self.advance()
        self.record({"what": what, "at_ms": self.at_ms, **fields})

    def record(self, record: dict[str, Any]) -> None:
        """Write a record as it is."""
        self.history.append(record)
        for told in tuple(self.noted):
            told(record)

    def fault(self, kind: str, **fields: Any) -> None:
        """Write that a fault befell somebody."""
        self.record({"what": "fault", "at_ms": self.at_ms, "kind": kind, **fields})

    def happens(self, kind: str, site: str | None = None, share: float = 1.0) -> bool:
        """Tell whether a fault of a kind happens now, at a share of its rate; `site` is where its chance is drawn."""
        rate: float = getattr(self.terms, kind) * share
        return rate > 0.0 and self.chance.happens(f"exchange/{site or kind}", rate)

    def befalls(self, kind: str, site: str | None = None, **fields: Any) -> bool:
        """Tell whether a fault happens now, and if so write it down."""
        if not self.happens(kind, site):
            return False
        self.fault(kind, **fields)
        return True

    # --- the weather -------------------------------------------------------------------------------------------------

    def cut_off(self) -> Cut | None:
        """Tell whether the way to the exchange is cut now, and how."""
        spell = self._partitions.at(self.at_ms)
        return None if spell is None and not self.is_cut else "not_sent" if spell is None else spell.sort

    @exactly
    def rules(self, symbol: str) -> MarketRules:
        """Give what a market accepts now."""
        rules = self.markets[symbol].rules
        if self._rules_steps.at(self.at_ms) is None:
            return rules
        step = rules.quantity_step * COARSER
        return replace(rules, quantity_step=step, min_quantity=step, min_notional=rules.min_notional * 2)

    def is_unseen(self, order: Placed) -> bool:
        """Tell whether an order is not to be found.

        Only one that a log is known to hold: it may vanish for some minutes, and then not again for some time.
        Once it has ended it may do so for ever.
        """
        if order.exchange_order_id not in self.known:
            return False
        if order.purged_ms is not None and self.at_ms >= order.purged_ms:
            return True
        spell = self._oblivions.at(self.at_ms)
        if spell is None or 0 < spell.begin_ms - order.unseen_ms < UNSEEN_AGAIN_MS:
            return False
        order.unseen_ms = spell.begin_ms
        return True

    def is_down(self) -> bool:
        """Tell whether the exchange is closed for maintenance now."""
        return self._maintenance.at(self.at_ms) is not None

    def halted_until_ms(self) -> int | None:
        """Say until when nothing trades, for a halt or for maintenance; None if it does."""
        spells = (self._halts.at(self.at_ms), self._maintenance.at(self.at_ms))
        return max((spell.end_ms for spell in spells if spell is not None), default=None)

    def _spells(
        self, kind: str, rate: float, slot_minutes: int, minutes: Sequence[float], sorts: Sequence[S]
    ) -> Spells[S]:
        return Spells(
            self.chance,
            kind,
            rate,
            start_ms=self.start_ms,
            slot_minutes=slot_minutes,
            minutes=minutes,
            sorts=sorts,
            begun=lambda kind, spell: self.fault(kind, begin_ms=spell.begin_ms, end_ms=spell.end_ms, sort=spell.sort),
        )

    # --- orders ------------------------------------------------------------------------------------------------------

    def place(self, wish: Wish) -> Placed | Refusal:
        """Take an order, now, or refuse it; what can trade at once has traded when this returns."""
        self.advance()
        refusal = self.untimely(wish.signed_ms) or self.matching.refusal(wish)
        if refusal is not None:
            self.record({
                "what": "refused", "at_ms": self.at_ms, "client_order_id": wish.client_order_id, "life": wish.life,
                "code": refusal.code, "reason": refusal.reason,
            })  # fmt: skip
            return refusal
        order = self.matching.take(wish)
        self.record(order_record(order))
        for told in tuple(self.accepted):
            told(order)
        self.matching.begin(order)
        return order

    def cancel(self, client_order_id: str, signed_ms: int) -> Refusal | None:
        """Take an order off the book, now, or refuse to."""
        self.advance()
        refusal = self.untimely(signed_ms)
        if refusal is not None:
            return refusal
        order = self.matching.by_client_id.get(client_order_id)
        if order is None or not order.is_open:
            return Refusal("-2011", "Unknown order sent.")
        return None if self.matching.cancel(order) else Refusal("-2011", "Unknown order sent.")

    def untimely(self, signed_ms: int) -> Refusal | None:
        """Say what is wrong with the time that a request was signed with, now that it has come."""
        if signed_ms > self.clock_ms + AHEAD_MS:
            return Refusal(CLOCK, "Timestamp for this request was 1000ms ahead of the server's time.")
        if self.clock_ms - signed_ms > self.terms.valid_ms:
            return Refusal(CLOCK, "Timestamp for this request is outside of the recvWindow.")
        return None
