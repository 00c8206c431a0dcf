"""Shares of a set, the groups they are of, and which rows fill them."""
