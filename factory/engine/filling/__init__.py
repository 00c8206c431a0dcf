"""Going back to the steps that make records, until a set is full."""
