"""An event-sourced trading engine: the log is the bot.

What a bot holds, what it owes the exchange and what it shows are functions of its event log (docs/architecture.md).
"""

__version__ = "0.1.0"
