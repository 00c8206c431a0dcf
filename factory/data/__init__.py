"""What flows through factory: records, tables of them, their texts, and the files they lie in."""
