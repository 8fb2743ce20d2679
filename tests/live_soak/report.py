"""How a soak is shown: a line of progress, and the figures at the end.

Owns the wording. Never measures anything.
"""

from collections import Counter
from collections.abc import Iterator

from tests.live_soak.engine_process import Sample
from tests.live_soak.plan import HOUR_MS
from tests.live_soak.running import Found, growth


def progress(sample: Sample) -> str:
    """Say in a line how the engine fares."""
    hours = sample.at_ms / HOUR_MS
    return (
        f"{hours:6.2f} h  {sample.prices:7,} prices  {sample.orders:5,} orders  {sample.fills:5,} fills  "
        f"{sample.events:8,} events  {sample.rss / 2**20:6.1f} MiB  {sample.tasks:3} tasks  "
        f"{sample.descriptors:3} descriptors  CPU {sample.cpu_s:6.1f} s  {'' if sample.ready else 'not ready'}"
        f"{dict(sample.statuses)}"
    )


def lines(found: Found) -> Iterator[str]:
    """Give the figures of a soak."""
    last, ledger = found.samples[-1], found.ledger
    hours = last.at_ms / HOUR_MS
    yield progress(last)
    slope = growth(found.samples)
    yield f"{hours:.2f} market hours in {found.took_s:.0f} s; memory grew by {slope:+.2f} MiB per 10,000 prices"
    struck = Counter(request["fault"] for request in ledger["requests"] if request["fault"])
    yield f"faults struck: {sum(struck.values())}: " + ", ".join(f"{kind} {n}" for kind, n in sorted(struck.items()))
    yield f"orders at the exchange: {len(ledger['orders'])}, trades: {len(ledger['trades'])}"
    refused = Counter(
        f"{request['method']} {request['path']} {request['code']}" for request in ledger["requests"] if request["code"]
    )
    yield f"refusals: {dict(refused)}"
    yield "calls per market hour, by the engine's count:"
    for kind, count in sorted(last.calls.items(), key=lambda pair: -pair[1]):
        yield f"  {kind:<24} {count / hours:8.1f}"
    yield "requests per market hour, by the exchange's ledger:"
    for kind, count in sorted(ledger["calls"].items(), key=lambda pair: -pair[1]):
        yield f"  {kind:<40} {count / hours:8.1f}"
