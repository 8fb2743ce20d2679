"""Public helpers for authors of plug-ins: conformance suites, a clock set by hand and a simulated world.

Owns what a store, gateway or strategy has to pass. Never is imported by the engine itself;
of the command line `prove` alone imports it.
"""
