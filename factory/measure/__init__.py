"""Measures of a whole set that need no tags: words, verbs and their objects, spread of meaning. Plain functions."""
