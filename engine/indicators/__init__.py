"""Indicator values over closed candles: their names (pure) and their computation (TA-Lib, one module).

Owns what an indicator is and when it must not be believed. Never votes, never fetches.
"""
