"""Calls of models: what is asked, once, at which pace, and what it used."""
