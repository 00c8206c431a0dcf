"""Answers to one prompt scored by a causal model that reads the prompt once.

The keys and values of the tokens that a prompt's answers have in common are computed once; the answers are read behind
them in one batch. Prompts of several groups are padded on the left, so that all end at the same place, and answers on
the right, where a causal model never looks.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from factory.models.torch.causal_scoring import CausalScorer, Read, Wanted, padded

_MEMORY = 8
"""How many times the tokens of a batch may be kept as keys and values behind which a batch is read."""
_SHORTEST = 0.6
"""How short an answer may be beside the longest of its batch, on a processor."""
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.2, torch.bfloat16: 1.0}
"""Largest difference of a log-probability, in nats, by which reading a prompt once may differ on the probe."""


def read_groups(scorer: CausalScorer, groups: Sequence[Sequence[Wanted]], most: int) -> list[list[Read]]:
    """The log-probabilities and ranks wanted of the sequences of each group, which have their beginning in common.

    groups: none empty
    most: how many tokens, with padding, are computed at a time
    """
    lengths = [_common(group) for group in groups]
    if not all(lengths):
        return [scorer.read_whole(group, ranks=True) for group in groups]
    prefixes = [group[0].ids[:length] for group, length in zip(groups, lengths, strict=True)]
    width = max(lengths)
    gaps = torch.tensor([width - length for length in lengths])
    positions = torch.arange(width)[None] - gaps[:, None]
    seen = positions >= 0
    inputs: dict[str, Any] = {"input_ids": padded(prefixes, left=True).to(scorer.device)}
    if gaps.any():
        inputs["attention_mask"] = seen.long().to(scorer.device)
        inputs["position_ids"] = positions.clamp(min=0).to(scorer.device)
    cache = scorer.network.base_model(**inputs, use_cache=True).past_key_values
    rows = [(number, at) for number, group in enumerate(groups) for at in range(len(group))]
    ends = {(number, at): len(groups[number][at].ids) - lengths[number] for number, at in rows}
    rows.sort(key=ends.__getitem__)
    found: dict[tuple[int, int], Read] = {}
    while rows:
        longest = ends[rows[-1]]
        count = max(1, min(most // longest, _MEMORY * most // (longest + width)))
        if scorer.on_processor:  # padding costs there what it is, and a small batch little
            count = min(count, sum(ends[row] >= longest * _SHORTEST for row in rows))
        batch, rows = rows[-count:], rows[:-count]
        known = copy.deepcopy(cache) if rows else cache
        known.batch_select_indices(torch.tensor([number for number, _ in batch], device=scorer.device))
        wanted = [groups[number][at] for number, at in batch]
        befores = [lengths[number] for number, _ in batch]
        read = _read_behind(scorer, wanted, befores, known, seen[[number for number, _ in batch]])
        found.update(zip(batch, read, strict=True))
    return [[found[number, at] for at in range(len(group))] for number, group in enumerate(groups)]


def _read_behind(
    scorer: CausalScorer, wanted: Sequence[Wanted], befores: Sequence[int], known: Any, seen: torch.Tensor
) -> list[Read]:
    """What is wanted of sequences of whose tokens the first `befores` are in the cache, where they are `seen`."""
    ends = [Wanted(one.ids[at:], one.start - at) for one, at in zip(wanted, befores, strict=True)]
    ids = padded([end.ids[:-1] for end in ends])
    # Positions of padding may lie beyond those that the model has, and nobody looks at them.
    places = torch.as_tensor(befores)[:, None] + torch.arange(ids.shape[1])[None]
    inputs: dict[str, Any] = {"position_ids": places.clamp(max=scorer.context - 1).to(scorer.device)}
    if not seen.all():
        mask = torch.cat([seen, torch.ones_like(ids, dtype=torch.bool)], 1)
        inputs["attention_mask"] = mask.long().to(scorer.device)
    states = scorer.states(input_ids=ids.to(scorer.device), past_key_values=known, use_cache=True, **inputs)
    return scorer.read_states(states, ends, ranks=True)


def _common(group: Sequence[Wanted]) -> int:
    """How many tokens all begin with that stand before the one from which the first scored one is foretold."""
    first, last = min(one.ids for one in group), max(one.ids for one in group)
    most = min(one.start for one in group) - 1
    length = 0
    while length < most and first[length] == last[length]:
        length += 1
    return length


def can_share(scorer: CausalScorer) -> bool:
    """Whether this model, asked both ways, gives the same when a prompt is read once.

    A model that keeps no keys and values of what it read, or not so that they can be given to several answers, does
    not.
    """
    tokens = int(scorer.network.config.get_text_config().vocab_size)
    texts = [[token % tokens for token in range(first, first + 12)] for first in (5, 40)]
    groups = [
        [Wanted([*texts[0], *((7 + at) % tokens for at in range(length))], 11) for length in (3, 5)],
        [Wanted([*texts[1][:9], *((9 + at) % tokens for at in range(length))], 9) for length in (2, 4)],
    ]
    try:
        with torch.inference_mode():
            shared = read_groups(scorer, groups, 16)
            whole = [scorer.read_whole(group, ranks=False) for group in groups]
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, IndexError, NotImplementedError):
        return False
    pairs = [
        (one, other)
        for these, those in zip(shared, whole, strict=True)
        for (first, _), (second, _) in zip(these, those, strict=True)
        for one, other in zip(first, second, strict=True)
    ]
    most = _TOLERANCE.get(scorer.network.dtype, 0.0)
    return all(abs(one - other) <= most for one, other in pairs)
