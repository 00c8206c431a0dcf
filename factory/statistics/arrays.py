"""The arrays that the joins work on, by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Ids = NDArray[np.int32]
Words = NDArray[np.uint64]
"""Words of 64 bits."""
Floats = NDArray[np.float64]
Rows = NDArray[np.float32]
"""Vectors, a row each."""
