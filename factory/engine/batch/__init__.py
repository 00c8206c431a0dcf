"""Calls that wait for a provider's batch."""
