"""Low-rank adapters (LoRA) beside a causal model's attention, trained for a moment on a few answers.

They are what choosing towards a target learns with: the model itself stays as it is, and a handful of steps cannot
teach the adapters more than the direction that the examples pull in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from factory.models.failures import LetGo
from factory.models.torch.training import BATCH, EPOCHS, LONGEST, RANK, RATE, SCALE

if TYPE_CHECKING:
    from factory.models.torch.causal_scoring import CausalScorer

_ATTENTION = frozenset(
    {"q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "qkv_proj", "query_key_value", "c_attn", "c_proj"}
)
"""What models call the linear layers of their attention."""


class Example(NamedTuple):
    """Tokens of a prompt and its answer, and the first of the answer's own."""

    ids: list[int]
    start: int


class LowRank(torch.nn.Module):  # type: ignore[misc]  # torch is no part of the base install
    """A linear layer with an adapter beside it: W x + scale * B A x, where B is 0 at first (LoRA, arXiv 2106.09685)."""

    def __init__(self, base: torch.nn.Module, inputs: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.base = base
        bound = 1 / math.sqrt(inputs)
        first = (torch.rand((RANK, inputs), generator=generator) * 2 - 1) * bound
        self.a = torch.nn.Parameter(first)
        self.b = torch.nn.Parameter(torch.zeros((outputs, RANK)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.base(x)
        added = (x.to(self.a.dtype) @ self.a.t()) @ self.b.t()
        return found + (SCALE * added).to(found.dtype)


def attach_adapters(network: torch.nn.Module, seed: int) -> list[torch.nn.Parameter]:
    """Put an adapter beside each linear layer of the attention, and give their parameters, in one order.

    Raises:
        ValueError: the model has no such layer.
    """
    generator = torch.Generator().manual_seed(seed)
    found: list[torch.nn.Parameter] = []
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            weight: Any = getattr(layer, "weight", None)
            if name not in _ATTENTION or weight is None or weight.dim() != 2:
                continue
            outputs, inputs = reversed(weight.shape) if type(layer).__name__ == "Conv1D" else weight.shape
            adapted = LowRank(layer, int(inputs), int(outputs), generator).to(weight.device)
            setattr(parent, name, adapted)
            found += [adapted.a, adapted.b]
    if not found:
        raise ValueError(
            "none of its layers is called as those of an attention are, so nothing can be adapted"
        )
    return found


def answer_gradient(
    scorer: CausalScorer, adapters: Sequence[torch.nn.Parameter], example: Example
) -> tuple[torch.Tensor, ...]:
    """The gradient of the mean loss of an answer's tokens by each adapter."""
    scorer.set_threads()
    with torch.enable_grad():
        found: tuple[torch.Tensor, ...] = torch.autograd.grad(scorer.answer_loss(*example), list(adapters))
    return found


def train_adapters(
    scorer: CausalScorer,
    adapters: Sequence[torch.nn.Parameter],
    examples: Sequence[Example],
    seed: int,
    *,
    at_once: int = 1,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Train the adapters on the examples, everything else as it is; the same for the same seed on one machine.

    AdamW, `EPOCHS` passes in steps of `BATCH`, gradients no longer than 1. Few and short, as what they learn is a
    direction and no skill. Each example is read alone, since padding costs what it is, `at_once` of them beside each
    other; how many does not change the sum.

    Raises:
        LetGo: `stopped` came true; it is asked before each example.
    """
    steps = EPOCHS * math.ceil(len(examples) / BATCH)
    optimizer = torch.optim.AdamW(adapters, lr=RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    generator = torch.Generator().manual_seed(seed)

    def gradient(number: int) -> tuple[torch.Tensor, ...]:
        if stopped():
            raise LetGo
        return answer_gradient(scorer, adapters, examples[number])

    with ThreadPoolExecutor(at_once, thread_name_prefix="learn") as threads:
        for _ in range(EPOCHS):
            order = torch.randperm(len(examples), generator=generator).tolist()
            for at in range(0, len(order), BATCH):
                batch = order[at : at + BATCH]
                for adapter, *parts in zip(adapters, *threads.map(gradient, batch), strict=True):
                    adapter.grad = sum(parts[1:], parts[0]) / len(batch)
                torch.nn.utils.clip_grad_norm_(adapters, 1.0)
                optimizer.step()
                schedule.step()


def examples_of(scorer: CausalScorer, pairs: Sequence[tuple[str, str]]) -> list[Example]:
    """The tokens of prompts and answers; those without a token of the answer, or with none before it, are left out."""
    found = []
    for context, answer in pairs:
        ids, start, end, _ = scorer.tokenize_answer(context, answer)
        start, end = max(1, start), min(end, LONGEST, scorer.context)
        if start < end:
            found.append(Example(ids[:end], start))
    return found


class Adapted:
    """What is done to a model before it is used: adapters are attached, and trained where there are examples.

    pairs: prompts and answers
    keep: adapters stay trainable, for gradients, and the model float32 on a processor
    at_once, stopped: see `train_adapters`
    """

    def __init__(
        self,
        pairs: Sequence[tuple[str, str]],
        seed: int,
        *,
        keep: bool,
        at_once: int = 1,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._pairs, self._seed, self._keep = pairs, seed, keep
        self._at_once, self._stopped = at_once, stopped
        self.adapters: list[torch.nn.Parameter] = []

    def __call__(self, scorer: CausalScorer) -> None:
        """Attach and train."""
        network = scorer.network
        stored = network.dtype
        if scorer.on_processor:  # where half precision is slow, and its gradients are rough
            network.float()
        self.adapters = attach_adapters(network, self._seed)
        examples = examples_of(scorer, self._pairs)
        if examples:
            at_once = self._at_once if scorer.on_processor else 1
            train_adapters(
                scorer, self.adapters, examples, self._seed, at_once=at_once, stopped=self._stopped
            )
        if self._keep:
            return
        network.requires_grad_(False)
        if scorer.on_processor:
            trained = [adapter.data for adapter in self.adapters]
            network.to(stored)
            # They are small, and what tells the two passes apart: not rounded.
            for adapter, value in zip(self.adapters, trained, strict=True):
                adapter.data = value
