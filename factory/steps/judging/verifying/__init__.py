"""Answers held against what the row knows: a reference, tests, a schema; and the pass rate over several answers."""
