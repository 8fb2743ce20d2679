"""The command line: one file per verb, and how results are shown.

Owns arguments, help texts, exit codes and what is printed. Never decides, stores or trades; that is the engine's.
"""
