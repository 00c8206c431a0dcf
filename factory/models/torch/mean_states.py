"""What a causal model's last layer holds of a sequence, as one vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from factory.models.torch.causal_scoring import CausalScorer, padded

if TYPE_CHECKING:
    from factory.models.base import Vectors


def mean_states(scorer: CausalScorer, sequences: Sequence[Sequence[int]]) -> Vectors:
    """The mean of the last hidden states of each sequence, a token's place its weight, scaled to length 1.

    The first of n tokens has the weight 1 / (1 + ... + n), the last n times that: a causal model knows most of a
    text at its end. No sequence is empty.

    Source: SGPT (arXiv 2202.08904); RDS+ (arXiv 2503.01807) chooses rows by it.

    Returns:
        Shape (sequences, dimensions), float32.
    """
    with scorer.computing():
        # Padding is on the right, where a causal model never looks from the left: it needs no mask.
        ids = padded(sequences).to(scorer.device)
        hidden = scorer.network.base_model(input_ids=ids, use_cache=False).last_hidden_state.float()
        places = torch.arange(1, ids.shape[1] + 1, device=hidden.device, dtype=torch.float32)
        lengths = torch.as_tensor([len(sequence) for sequence in sequences], device=hidden.device)
        weights = places * (places <= lengths[:, None])
        means: Vectors = (
            torch.nn.functional.normalize((hidden * weights[:, :, None]).sum(1), dim=1).cpu().numpy()
        )
        return means
