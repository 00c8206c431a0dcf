"""Task2Vec: a batch of texts as what a model's parameters mean to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

EPOCHS, RATE = 10, 1e-3
"""Passes of Adam over the batch in which its own output layer is learnt."""


def task2vec(network: Any, sequences: Sequence[Sequence[int]], seed: int = 0) -> NDArray[np.float64]:
    """The diagonal of the Fisher information of a causal model on a batch, a number for each row of each matrix.

    An output layer of the batch's own is learnt upon the model as it is. Then words are drawn from what the two
    foretell at each place, and the gradient of their mean loss by the model's other parameters is squared, averaged
    over the texts and over each row of a matrix. The model stays as it is. Distances of two batches are
    `task2vec_distance`, the mean over many pairs is the diversity coefficient.

    Args:
        network: a causal language model of transformers, in float32.
        sequences: tokens of each text, two or more.

    Raises:
        ValueError: no text has two tokens.

    Source: Task2Vec (arXiv 1902.03545) as the diversity coefficient has it (arXiv 2306.13840), which takes GPT-2.
    """
    device = next(network.parameters()).device
    texts = [torch.as_tensor([ids], device=device) for ids in sequences if len(ids) > 1]
    if not texts:
        raise ValueError("Task2Vec needs a text of two tokens or more")
    head = _own_head(network, texts)
    output = network.get_output_embeddings()
    shared = {id(parameter) for parameter in output.parameters()}
    matrices = [one for one in network.base_model.parameters() if one.dim() > 1 and id(one) not in shared]
    before = [one.requires_grad for one in matrices]
    squares = [torch.zeros_like(one, dtype=torch.float64) for one in matrices]
    draw = torch.Generator(device=device).manual_seed(seed)
    try:
        for one in matrices:
            one.requires_grad_(True)
        with torch.enable_grad():
            for ids in texts:
                logits = _states(network, ids) @ head.t()
                drawn = torch.multinomial(logits.detach().softmax(-1), 1, generator=draw)[:, 0]
                loss = torch.nn.functional.cross_entropy(logits, drawn)
                parts = torch.autograd.grad(loss, matrices, allow_unused=True)
                for total, part in zip(squares, parts, strict=True):
                    if part is not None:
                        total += part.double() ** 2
    finally:
        for one, kept in zip(matrices, before, strict=True):
            one.requires_grad_(kept)
    rows = [(total / len(texts)).flatten(1).mean(1) for total in squares]
    found: NDArray[np.float64] = torch.cat(rows).cpu().numpy()
    return found


def _states(network: Any, ids: torch.Tensor) -> torch.Tensor:
    """The last hidden states, of all places but the last, which foretells nothing that is known."""
    found: torch.Tensor = network.base_model(input_ids=ids, use_cache=False).last_hidden_state[0, :-1].float()
    return found


def _own_head(network: Any, texts: Sequence[torch.Tensor]) -> torch.Tensor:
    """The output layer that the batch learns, from the model's own."""
    with torch.no_grad():
        states = [_states(network, ids) for ids in texts]
    head = network.get_output_embeddings().weight.detach().float().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([head], lr=RATE)
    with torch.enable_grad():
        for _ in range(EPOCHS):
            for ids, seen in zip(texts, states, strict=True):
                optimizer.zero_grad(set_to_none=True)
                torch.nn.functional.cross_entropy(seen @ head.t(), ids[0, 1:]).backward()
                optimizer.step()
    return head.detach()
