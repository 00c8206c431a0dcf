"""Secrets and persons: detectors of what no row should teach, each a function of a text."""
