"""The tags of a whole set: how they are counted, merged, renamed and closed."""
