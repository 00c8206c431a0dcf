"""Semantic trees of instructions (Tree-Instruct): what they are, how models write them, and what is checked."""
