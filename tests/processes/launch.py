"""Becomes the real program, with some of its system calls asked about: `python -m tests.processes.launch FD NAMES ...`.

Owns the moment between fork and exec. Hands the questions to whoever holds the other end of the socket FD, and is gone.
"""

import os
import socket
import sys

from tests.processes.seccomp import watch_this_process


def main() -> None:
    """Install the filter, hand over the listener, and become the command."""
    descriptor, names, *command = sys.argv[1:]
    with socket.socket(fileno=int(descriptor)) as other_end:
        listener = watch_this_process(names.split(","))
        socket.send_fds(other_end, [b"watched"], [listener])
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
