"""Which records, and how many of each kind."""
