"""Duplicates word for word (ROUGE-L)."""
