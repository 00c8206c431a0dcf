"""Counterfactual pairs: one text about a man and about a woman, or with names of two groups."""
