"""Asking again for an answer that was held against its constraints and failed."""
