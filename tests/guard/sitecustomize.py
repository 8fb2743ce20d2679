"""The network guard of processes that tests start: Python imports this by its name, from the path that conftest sets.

An audit hook refuses every connection and every look-up of a name that would leave this machine, and notes it in a
file that the session looks at in the end. It imports nothing but what every Python has loaded, so that tests which
count modules see none more.
"""

import os
import sys

_REPORT = os.environ.get("NETWORK_GUARD_REPORT", "")
_LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0", "::ffff:127.")


def _leaves(host: object) -> bool:
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    return host is not None and text != "" and not text.startswith(_LOOPBACK)


def _refuse_outside(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if _leaves(host):
        with open(_REPORT, "a", encoding="utf-8") as report:  # noqa: PTH123 - pathlib would be one module more
            report.write(f"{sys.argv[:3]} tried to reach {host}\n")
        raise OSError(f"a test's process tried to reach {host!r}")


if _REPORT:
    sys.addaudithook(_refuse_outside)
