"""Climbing a ladder of constraints: which is added next, and what is wrong with one that a model wrote."""
