"""The pure kernel: events, state, reducers, decisions, effects and projection.

Owns every rule of trading. Never reads a clock, does I/O, logs or draws a random number.
"""
