"""Keys in simulated worlds: a hostile exchange repeats them, the engine's scrubber takes them out, and lines are heard.

That worlds notice a scrubber that does not, and a line that holds them, is shown by tests/prove.
"""

import base64
from urllib.parse import quote

import pytest

from engine.core.errors import UnreachableError
from engine.exchanges.port import NotSent, Rejected, Unknown
from engine.testing.simulation.exchange.terms import Terms
from engine.testing.simulation.secrecy import CANARIES, KEYS, canaries_in, echoed
from engine.testing.simulation.watch import Watch
from tests.simulation.worlds import BTC, ExchangeWorld, order, run

ECHOES = range(2, 6)
FAULTS = ("not_sent", "request_lost", "answer_lost", "server_error", "garbage", "rate_limit")


def test_exchange_repeats_nothing_unless_chance_has_it_so() -> None:
    world = ExchangeWorld(played={})
    assert echoed("HTTP 502", KEYS, world.chance, "create") == "HTTP 502"


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("fault", FAULTS)
def test_keys_that_an_exchange_repeats_are_in_its_words_and_not_in_the_fault(fault: str, echo: int) -> None:
    played = {f"exchange/ticker/{fault}#0": 1, "exchange/ticker/echo#0": echo}
    world = ExchangeWorld(Terms(**{fault: 0.5}), played=played)  # type: ignore[arg-type]

    async def work() -> None:
        with pytest.raises(UnreachableError) as told:
            await world.client().ticker(BTC)
        assert len({found.split()[1] for found in canaries_in(told.value.__cause__)}) == 2
        assert canaries_in(told.value) == []
        assert "<hidden>" in str(told.value)

    run(work)


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize(
    ("fault", "kind"), [("not_sent", NotSent), ("server_error", Unknown), ("answer_lost", Unknown)]
)
def test_outcome_of_an_order_holds_no_key_that_an_exchange_repeated(fault: str, kind: type, echo: int) -> None:
    played = {f"exchange/create/{fault}#0": 1, "exchange/create/echo#0": echo}
    world = ExchangeWorld(Terms(**{fault: 0.5}), played=played)  # type: ignore[arg-type]

    async def work() -> None:
        outcome = await world.client().create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms()))
        assert isinstance(outcome, kind)
        assert canaries_in(outcome) == []
        assert "<hidden>" in str(outcome)

    run(work)


@pytest.mark.parametrize("echo", ECHOES)
def test_refusal_holds_no_key_and_a_duplicate_is_still_seen_as_one(echo: int) -> None:
    played = {f"exchange/create/echo#{number}": echo for number in range(2)}
    world = ExchangeWorld(Terms(ids_unique="ever"), played=played)

    async def work() -> None:
        client = world.client()
        sent = order(1, "buy", "0.01", sent_ms=world.now_ms())
        refused = await client.create(BTC, order(2, "buy", "0.0000001", sent_ms=world.now_ms()))
        await client.create(BTC, sent)
        again = await client.create(BTC, sent)
        assert isinstance(refused, Rejected)
        assert isinstance(again, Unknown)
        assert canaries_in([refused, again]) == []
        assert "<hidden>" in refused.reason
        assert "<hidden>" in again.error

    run(work)


@pytest.mark.parametrize("canary", CANARIES)
def test_line_that_holds_a_key_in_any_form_is_a_violation(canary: str) -> None:
    raw = canary.encode()
    forms = (
        canary,
        quote(canary, safe=""),
        raw.hex(),
        raw.hex().upper(),
        *(base64.b64encode(b"x" * offset + raw + b"tail").decode() for offset in range(3)),
    )
    for form in forms:
        watch = Watch(ExchangeWorld().exchange, {})
        watch.hear(f"Failed: {form}.")
        assert [line.partition(":")[0] for line in watch.monitor.violations] == ["secret"], form
        assert canaries_in(watch.monitor.violations) == []


def test_line_without_a_key_is_none() -> None:
    watch = Watch(ExchangeWorld().exchange, {})
    watch.hear("The exchange gave no sensible answer: ExchangeError: HTTP 502 <hidden> <hidden>.")
    watch.hear(None)
    assert watch.monitor.violations == []
