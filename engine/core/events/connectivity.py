"""Events of connectivity: checks, outages and waiting."""

from typing import ClassVar

from engine.core.events.base import Event, Role


class ConnectivityChecked(Event, frozen=True, tag="connectivity_checked"):
    """A probe of `target` ended; a failed one is followed by a probe of the internet.

    `diagnosis` says what that found: `no internet` or `exchange down`. `failure` counts the failures in a row with
    this one.

    Source: specification, "Connectivity Monitoring"; decision 3.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    urgent: ClassVar[bool] = False
    target: str
    reachable: bool
    latency_ms: int | None = None
    clock_skew_ms: int | None = None
    error: str | None = None
    diagnosis: str | None = None
    failure: int = 0


class OutageDeclared(Event, frozen=True, tag="outage_declared"):
    """Checks failed `max_connectivity_failures` times in a row: trails can no longer be trusted. Once per outage."""

    failure_count: int


class BackoffStarted(Event, frozen=True, tag="backoff_started"):
    """No trading cycle runs before `until_ms`; then the probe is tried again.

    `seen` and `seen_ms` are sequence and time of the last price the bot had seen.
    """

    wait_s: int
    until_ms: int
    failure_count: int
    seen: int = 0
    seen_ms: int | None = None


class ConnectivityRestored(Event, frozen=True, tag="connectivity_restored"):
    """The first good check after `failures` bad ones, `length_ms` after the first of them.

    `seen_ms` is the time of the last price that passed meanwhile.
    """

    length_ms: int
    failures: int
    seen_ms: int | None = None
