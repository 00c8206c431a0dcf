"""Steps that put a number on a record, and the conditions by which such a number keeps it."""
