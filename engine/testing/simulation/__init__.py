"""A deterministic simulated world: the whole engine on virtual time, with a disk, an exchange and operators that fail.

Owns everything outside the engine that a seed decides. The engine runs in it unmodified, through the seams it has:
clock, store medium, exchange, probe, ids. Source: docs/evidence.md.
"""
