"""Faults that a text itself shows, told without asking a model: one definition for all that ask."""
