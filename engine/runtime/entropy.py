"""The one place that draws a random number: the id of a new log, once in a bot's life."""

import secrets

from engine.core.identity import LOG_ID_LENGTH, encode_base32


def draw_log_id() -> str:
    """Draw the id that makes a log's client order ids unlike those of any other (50 bits)."""
    return encode_base32(secrets.randbits(5 * LOG_ID_LENGTH), LOG_ID_LENGTH)
