"""Putting the set together: which records, and how many of each kind."""
