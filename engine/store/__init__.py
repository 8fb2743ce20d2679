"""The log: one append-only SQLite file per state directory, its reader, its witness and its in-memory twin.

Owns how events become bytes and how bytes become durable. Never decides what is written, and never repairs anything.
"""
