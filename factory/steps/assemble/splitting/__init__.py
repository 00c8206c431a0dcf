"""How a set is split: families that stay together, and their assignment to parts."""
