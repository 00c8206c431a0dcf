"""Checklists written for one instruction each: writing them, grading answers by them, and the biases of who grades."""
