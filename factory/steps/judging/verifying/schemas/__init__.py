"""JSON in an answer, and the schema that it is to fit."""
