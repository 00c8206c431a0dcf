"""Duplicates by shared passages (MinHash)."""
