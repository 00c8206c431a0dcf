"""Everything about running: stream, journal, resume, limits, progress."""
