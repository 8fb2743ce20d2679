"""The command line: one file per verb, and how results are shown.

Owns arguments, help texts, exit codes and what is printed. Never decides, stores or trades; that is the engine's.
"""

import gc

gc.disable()  # loading makes no garbage; searching for it would be a tenth of a verb that only looks
import click  # noqa: E402, F401
import msgspec  # noqa: E402, F401

gc.freeze()
gc.enable()
