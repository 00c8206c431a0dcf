"""Steps that work on documents."""
