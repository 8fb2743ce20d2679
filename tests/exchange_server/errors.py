"""What the exchange says when it refuses: HTTP status, error code and the sentence that belongs to it.

Owns the sentences. Never decides when one of them is due.
Source: the public error list of Binance spot, "Error codes" and "Failures during order placement".
"""

from collections.abc import Mapping


class ApiError(Exception):
    """A refusal as the exchange puts it on the wire."""

    def __init__(self, code: int, message: str, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        """Take the error code, the sentence, the HTTP status and the headers that go with them."""
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.status = status
        self.headers = dict(headers or {})

    def body(self) -> dict[str, object]:
        """Give the JSON body of the answer."""
        return {"code": self.code, "msg": self.message}


def filter_failure(name: str) -> ApiError:
    """Say that a filter of the market does not let the order pass."""
    return ApiError(-1013, f"Filter failure: {name}")


def missing(parameter: str) -> ApiError:
    """Say that a parameter which must be there is not."""
    return ApiError(-1102, f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed.")


def illegal(parameter: str, legal: str) -> ApiError:
    """Say that a parameter has characters that it must not have."""
    return ApiError(-1100, f"Illegal characters found in parameter '{parameter}'; legal range is '{legal}'.")


def not_required(parameter: str) -> ApiError:
    """Say that a parameter has no place in this order."""
    return ApiError(-1106, f"Parameter '{parameter}' sent when not required.")


def rejected(message: str) -> ApiError:
    """Say that the matching engine refused a new order, and why."""
    return ApiError(-2010, message)


def unknown_symbol() -> ApiError:
    """Say that there is no such market."""
    return ApiError(-1121, "Invalid symbol.")


def no_such_order() -> ApiError:
    """Say that an order asked for is not there."""
    return ApiError(-2013, "Order does not exist.")


def cancel_rejected() -> ApiError:
    """Say that an order to be cancelled is not open."""
    return ApiError(-2011, "Unknown order sent.")


def bad_key_format() -> ApiError:
    """Say that no key was sent, or one that cannot be a key."""
    return ApiError(-2014, "API-key format invalid.", status=401)


def bad_key() -> ApiError:
    """Say that the key is unknown, revoked, or may not do this."""
    return ApiError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


def bad_signature() -> ApiError:
    """Say that the signature is not that of these parameters."""
    return ApiError(-1022, "Signature for this request is not valid.")


def outside_window() -> ApiError:
    """Say that the request is older than its validity window."""
    return ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def from_the_future() -> ApiError:
    """Say that the request bears a time that the server has not reached."""
    return ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
