"""Steps that ask a model how good a record is, and what agents ask of a judge."""
