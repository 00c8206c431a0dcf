"""Scores by torch and transformers."""
