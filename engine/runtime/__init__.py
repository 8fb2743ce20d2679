"""The running engine: one sequential process per bot around the pure core, and the adapters to the outside world.

Owns the composition of the parts, clocks, inboxes, the executor, the state file and the control socket. Never holds a
rule of trading.
"""
