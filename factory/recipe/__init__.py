"""Recipes: what is read from YAML, overridden, checked; the built-in ones lie in `ready`."""
