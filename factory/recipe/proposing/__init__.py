"""Proposes a recipe for what a person has: documents, rows, or a brief alone."""
