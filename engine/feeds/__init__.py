"""Where prices and candles come from: markets that wait for the bot, and the window of closed candles.

Owns the shapes and the arithmetic of market data. Never decides, never trades, never asks a clock.
"""
