"""Times as people write them. Converts only: what time it is, nobody asks here."""

from datetime import UTC, datetime, timedelta
from typing import Final

DAY_MS: Final = 86_400_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def iso_utc(at_ms: int) -> str:
    """Write epoch milliseconds as `2025-11-03T10:30:00Z`, with milliseconds only where there are any."""
    moment = EPOCH + timedelta(milliseconds=at_ms)
    timespec = "milliseconds" if at_ms % 1000 else "seconds"
    return moment.isoformat(timespec=timespec).removesuffix("+00:00") + "Z"


def parse_utc(text: str) -> int:
    """Read an ISO 8601 time (without zone: UTC) as epoch milliseconds.

    Raises:
        ValueError: it is no such time.
    """
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (moment - EPOCH) // timedelta(milliseconds=1)
