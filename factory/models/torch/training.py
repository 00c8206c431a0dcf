"""How adapters are trained, as numbers; without torch, as they are part of a trained model's identity."""

from __future__ import annotations

RANK, SCALE = 8, 2.0
"""Columns of an adapter, and what its output is multiplied by (alpha over rank, with an alpha of 16)."""
EPOCHS, BATCH, RATE = 4, 8, 5e-4
"""Passes over the examples, examples of a step, and the learning rate, which falls to 0 in a line."""
LONGEST = 1024
"""Tokens of an example that are read; the rest of a longer one is cut off."""
RECIPE = (1, RANK, SCALE, EPOCHS, BATCH, RATE, LONGEST)
"""All of them, behind a number that another way of training would raise."""
