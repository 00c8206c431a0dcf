"""Benchmark items that leaked into the set."""
