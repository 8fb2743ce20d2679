"""The command line: one file per verb, and how results are shown.

Owns arguments, help texts, exit codes and what is printed. Never decides, stores or trades; that is the engine's.
"""

import gc
import sys

if not {"msgspec", "typing_extensions"} & set(sys.modules):
    # The two libraries that every verb needs take half the time of one that only looks. Loading makes no garbage to
    # search for, and typing_extensions, which msgspec takes where it is installed, is for Pythons older than ours.
    gc.disable()
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    import click  # noqa: F401
    import msgspec  # noqa: F401

    del sys.modules["typing_extensions"]
    gc.freeze()
    gc.enable()
