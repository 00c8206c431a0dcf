"""The gradient of an answer's loss by a model's adapters, hashed to a few thousand numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from factory.models.learning import GRADIENT_SIZE
from factory.models.torch.adapters import Example, answer_gradient

if TYPE_CHECKING:
    from factory.models.base import Vectors
    from factory.models.torch.causal_scoring import CausalScorer


class GradientReader:
    """Reads gradients: one pass forward and one back for each answer.

    Each number of a gradient is added, with a sign drawn once, to one of `GRADIENT_SIZE` places drawn once (count
    sketch): products of two gradients keep their size on average, at the cost of reading them once. LESS projects on
    as many dense directions, which takes thousands of times as long and says the same.

    Source: LESS (arXiv 2402.04333); count sketch: Charikar, Chen and Farach-Colton (2002).
    """

    def __init__(self, scorer: CausalScorer, adapters: Sequence[torch.nn.Parameter], seed: int) -> None:
        self.scorer, self._adapters = scorer, adapters
        generator = torch.Generator().manual_seed(seed)
        total = sum(adapter.numel() for adapter in adapters)
        self._place = torch.randint(GRADIENT_SIZE, (total,), generator=generator).to(scorer.device)
        self._sign = (torch.randint(2, (total,), generator=generator) * 2 - 1).to(
            scorer.device, torch.float32
        )

    def read(self, example: Example) -> Vectors:
        """The gradient of the mean loss of the answer's tokens, hashed, scaled to length 1: shape (GRADIENT_SIZE,).

        All 0 where the gradient is.
        """
        whole = self.gradient(example)
        hashed = torch.zeros(GRADIENT_SIZE, device=whole.device).index_add_(
            0, self._place, self._sign * whole
        )
        scaled = torch.nn.functional.normalize(hashed, dim=0).cpu().numpy()
        found: Vectors = scaled.astype(np.float16).astype(np.float32)  # as the journal holds it
        return found

    def gradient(self, example: Example) -> torch.Tensor:
        """The gradient by all adapters one behind another, as it is."""
        parts = answer_gradient(self.scorer, self._adapters, example)
        return torch.cat([part.reshape(-1).float() for part in parts])
