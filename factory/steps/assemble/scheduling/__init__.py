"""Orders of training: stages of rows, what is seen again in a later one, and what a router needs."""
