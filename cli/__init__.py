"""The command line: one file per verb, and how results are shown.

Owns arguments, help texts, exit codes and what is printed. Never decides, stores or trades; that is the engine's.
"""

import sys

if not {"msgspec", "typing_extensions"} & set(sys.modules):
    # msgspec takes typing_extensions where it is installed, for Pythons older than ours; loading that takes a twentieth
    # of the time in which a looking verb is done.
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    import msgspec  # noqa: F401

    del sys.modules["typing_extensions"]
