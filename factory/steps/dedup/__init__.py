"""Duplicates: exact, word for word (ROUGE-L), by meaning, and against benchmarks."""
