"""The rules of `clean`, by group: one file for each, and how a rule is made and found."""
