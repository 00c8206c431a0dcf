"""Duplicates by meaning (cosines of embeddings)."""
