"""The built-in kinds of constraints, a file for each matter."""
