"""Fits of what a set's mixture and size come to: laws of losses over shares, sizes and repeats, and growth by task."""
