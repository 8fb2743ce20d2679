"""Gateways: the port through which orders reach an exchange, and what comes back.

Owns the closed union of outcomes, the paper exchange and the client order ids. Never repeats a create call by itself
and never takes a lost answer for a refusal.
"""
