"""Exploring a domain: a tree of tasks, its growth, the instructions for each task, and what a pool lacks."""
