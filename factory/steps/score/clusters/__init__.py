"""Clusters of records, and choices within them."""
