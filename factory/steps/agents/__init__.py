"""Steps that have a model write: evolve, respond, and their kin."""
