"""What libraries log on their own account, such as the event loop of a task that broke: told without keys.

Owns the filter. The program configures no logging, so that warnings end at Python's handler of last resort, which
prints them on stderr; there the filter stands. Never drops a record: a fault that nobody told is worse.
"""

import logging
from collections.abc import Callable

Scrub = Callable[[str], str]


class _Redaction(logging.Filter):
    """Put one clean line in the place of a record and its traceback."""

    def __init__(self, scrub: Scrub) -> None:
        super().__init__()
        self._scrub = scrub

    def filter(self, record: logging.LogRecord) -> bool:
        """Take secrets, addresses and signatures out; the traceback becomes the name and text of its error."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        record.msg, record.args = self._scrub(text), ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def redact(scrub: Scrub) -> None:
    """Have all that is logged go through `scrub` from now on, also when its connection is closed: tasks end later."""
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_Redaction(scrub))
