"""Benchmark items that were rephrased or translated: the nearest by embedding, then a judge's word.

Source: LLM decontaminator (Yang et al., LMSYS, arXiv 2311.04850): the items nearest to a training text are found
by embedding search, and a language model says whether one of them is the same problem.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from factory.data.benchmark import Item
from factory.data.prompt import Prompt, load_prompt
from factory.data.text import detect_language
from factory.errors import RecordFailed
from factory.models.base import Answer, ChatModel, Sampling

if TYPE_CHECKING:
    from factory.models.base import Vectors

BLOCK = 8192  # texts searched at a time
REASON_CHARACTERS = 300
JUDGED_CHARACTERS = 8000  # of a text that a judge reads


class Neighbour(NamedTuple):
    """A benchmark item near a text.

    text: the text
    item: the number of the item
    cosine: of their embeddings
    field: which of the record's texts it is ("prompt", "output")
    """

    text: str
    item: int
    cosine: float
    field: str = "prompt"


class SameProblem(BaseModel):
    """What the judge replies."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(json_schema_extra={"maxLength": REASON_CHARACTERS})
    same: bool


class Verdict(NamedTuple):
    """What the judge says of a text and its neighbours.

    neighbour: the nearest item that is the same problem; None where none is
    reason: why, as the judge gave it
    answers: the judge's replies, for the record's history
    failed: why a neighbour could not be judged, where no other one is the same problem
    """

    neighbour: Neighbour | None
    reason: str
    answers: tuple[Answer[SameProblem], ...]
    prompt: Prompt | None
    failed: RecordFailed | None = None


def nearest_items(texts: Vectors, items: Vectors, k: int, similarity: float) -> list[tuple[int, int, float]]:
    """The up to `k` items nearest to each text, of a cosine of at least `similarity`, the nearest first.

    Gives the number of the text, that of the item, and their cosine. Exact, by FAISS's inner product.

    Args:
        texts, items: shapes (texts, dimensions) and (items, dimensions), float32, rows of length 1. A row of
            zeros is near to nothing.
    """
    import faiss

    found: list[tuple[int, int, float]] = []
    if not len(texts) or not len(items):
        return found
    index = faiss.IndexFlatIP(items.shape[1])
    index.add(np.ascontiguousarray(items, np.float32))
    for start in range(0, len(texts), BLOCK):
        cosines, at = index.search(
            np.ascontiguousarray(texts[start : start + BLOCK], np.float32), min(k, len(items))
        )
        for row, column in zip(*np.nonzero(cosines >= similarity), strict=True):
            cosine = min(float(cosines[row, column]), 1.0)  # what lies above is rounding
            found.append((start + int(row), int(at[row, column]), cosine))
    return found


async def judge_neighbours(
    judge: ChatModel, neighbours: Sequence[Neighbour], items: Sequence[Item]
) -> Verdict:
    """Ask of each neighbour of one record's texts whether it is the same problem; the first that is, if any, counts.

    A text is asked about in its own language.
    """
    prompts = [
        load_prompt("decontaminate/same_problem", detect_language(neighbour.text)) for neighbour in neighbours
    ]
    replies = await asyncio.gather(
        *(
            _ask(judge, prompt, neighbour.text, items[neighbour.item])
            for prompt, neighbour in zip(prompts, neighbours, strict=True)
        )
    )
    answers = tuple(reply for reply in replies if isinstance(reply, Answer))
    for prompt, neighbour, reply in zip(prompts, neighbours, replies, strict=True):
        if isinstance(reply, Answer) and reply.data.same:
            return Verdict(neighbour, reply.data.reason.strip(), answers, prompt)
    failed = next((reply for reply in replies if isinstance(reply, RecordFailed)), None)
    return Verdict(None, "", answers, prompts[0] if prompts else None, failed)


async def _ask(judge: ChatModel, prompt: Prompt, text: str, item: Item) -> Answer[SameProblem] | RecordFailed:
    messages = prompt.render(
        benchmark_item=item.text[:JUDGED_CHARACTERS], training_text=text[:JUDGED_CHARACTERS]
    )
    try:
        return await judge.ask(messages, Sampling(0.0, 256), schema=SameProblem)
    except RecordFailed as error:
        return error
