"""The loss of an answer, with its gradient, without a table of logits."""

from __future__ import annotations

from typing import Any

import torch


class _MeanLoss(torch.autograd.Function):  # type: ignore[misc]  # torch is no part of the base install
    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        tokens: torch.Tensor,
        most: int,
    ) -> torch.Tensor:
        total = torch.zeros((), device=states.device)
        gradient = torch.empty_like(states)
        for start in range(0, len(tokens), most):
            part = slice(start, start + most)
            own = tokens[part, None]
            logprobs = torch.nn.functional.linear(states[part], weight, bias).float().log_softmax(1)
            total -= logprobs.gather(1, own).sum()
            # Of the loss by the logits: the probabilities, less 1 at the token's own.
            slope = logprobs.exp_().scatter_add_(1, own, -torch.ones_like(own, dtype=logprobs.dtype))
            gradient[part] = slope.to(weight.dtype) @ weight / len(tokens)
        ctx.save_for_backward(gradient)
        return total / len(tokens)

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * slopes[0], None, None, None, None


def mean_loss(states: torch.Tensor, head: torch.nn.Linear, tokens: torch.Tensor, most: int) -> torch.Tensor:
    """The mean negative log-likelihood of tokens, in nats, and its gradient by the states that foretell them.

    The logits of `most` tokens are there at a time: those of 1,000 tokens of a vocabulary of 49,152 would take 200 MB,
    and what backpropagation keeps beside them several times that.

    Args:
        states: shape (tokens, width).
        head: the output layer, which learns nothing.
    """
    found: torch.Tensor = _MeanLoss.apply(states, head.weight, head.bias, tokens, most)
    return found
