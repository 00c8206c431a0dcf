"""Checkers that a model writes: drafted, validated against each other in the sandbox, and asked of an answer."""
