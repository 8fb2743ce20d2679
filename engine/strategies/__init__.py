"""Strategies: pure code that proposes entries. Owns nothing that must survive; the log does."""
