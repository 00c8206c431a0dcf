"""What `clean` does with a record, and what it counts: looking, mending, repairs, the tally."""
