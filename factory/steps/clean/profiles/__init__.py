"""Profiles: which rule does what, as YAML, and how one is read."""
