"""A recipe as text for what was looked at: plain YAML with comments, for a person to edit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from factory.data.text import shorten
from factory.recipe.proposing.look import DocumentSample, RowSample

CHUNK_TOKENS = 400
FULL = 0.6
"""Chunks end at sentences and headings, and are about so full."""
YIELD = 0.5
"""The share of questions that a strong model gets kept, about: sizes are proposed by it, and a preview tells better."""
MOST_PER_CHUNK, FEW_SEEDS = 10, 300

_WANTS: Mapping[str, re.Pattern[str]] = {
    kind: re.compile(rf"\b(?:{english})\b|{chinese}", re.IGNORECASE)
    for kind, english, chinese in (
        ("conversation", r"chat|convers\w+|dialog\w*|support|assistant|helpdesk", "对话|聊天|客服|多轮"),
        (
            "how_to",
            r"how[- ]to|procedures?|steps?|troubleshoot\w*|operat\w+|repair\w*|maintain\w*|instructions?",
            "操作|步骤|维修|排障|怎么做",
        ),
        ("summary", r"summar\w+|overviews?|briefings?|digests?", "摘要|总结|概述"),
        ("single_fact", r"facts?|quiz\w*|exams?|look[- ]?ups?|faq", "知识|考试|问答|查询"),
        ("comparison", r"compar\w+|differences?|versus|choos\w+", "比较|对比|选型"),
        ("multi_hop", r"multi[- ]?hop|reason\w*|research|analys\w+", "推理|多跳|研究|分析"),
        (
            "unanswerable",
            r"hallucinat\w+|refus\w+|declin\w+|honest\w*|do(?:es)? not know",
            "幻觉|拒答|婉拒|不知道",
        ),
    )
}
"""Words of a brief that ask for a kind of question."""


class Proposed(NamedTuple):
    """A recipe's text, and what a person is told of it, a sentence each.

    preview: the settings that make a run of ten records of it
    """

    text: str
    told: list[str]
    preview: tuple[str, ...] = ()


def for_documents(
    place: str,
    sample: DocumentSample,
    brief: str,
    model: Mapping[str, Any],
    size: int | None,
    shares: Mapping[str, float],
) -> Proposed:
    """A recipe that asks about documents. shares: of the kinds of questions, where nothing speaks for others."""
    tokens, low, high = sample.tokens
    chunks = max(1, round(tokens / (FULL * CHUNK_TOKENS)))
    per_chunk = 4 if size is None else max(1, min(MOST_PER_CHUNK, math.ceil(size / (YIELD * chunks))))
    most = None if size is None else math.ceil(size / (YIELD * per_chunk))
    most = None if most is None or most >= chunks else most
    asked = (most or chunks) * per_chunk
    kinds = proposed_shares(sample, brief, shares, chunks)
    number = sum(sample.files.values())
    kinds_of = ", ".join(f"{count:,} {kind}" for kind, count in sample.files.most_common())
    files = f"{number:,} {_plural('document', number)} ({kinds_of})"
    about = f"about {tokens:,} tokens" + (f" ({low:,} to {high:,})" if high > low else "")
    language = {"zh": "Chinese", "en": "English", "ja": "Japanese", "ko": "Korean", "ru": "Russian"}
    mostly = language.get(sample.language, sample.language)
    told = [
        f"{files}; {sample.looked_at:,} looked at, mostly {mostly}: {about}, about {chunks:,} chunks",
        f"about {asked:,} questions are asked, of which a strong model may get half kept; a preview tells better",
    ]
    if sample.unread:
        told.append(f"{len(sample.unread):,} of those looked at cannot be read, such as: {sample.unread[0]}")
    lines = [
        *_head(place, f"Questions and answers out of the documents of {shorten(place, 60)}.", told[0]),
        *_models(model),
        "steps:",
        f"  - read: {{path: {_quoted(place)}}}",
        "  # Tokens of a chunk: larger ones for long procedures, smaller ones for lists of facts.",
        f"  - chunk: {{size: {CHUNK_TOKENS}}}",
        "  - dedup_minhash: {threshold: 0.8}  # what stands in several documents is asked about once",
        "  - from_documents:",
        "      model: teacher",
        "      # What the set is for and who asks; the model that writes is told.",
        f"      brief: {_quoted(brief)}",
        f"      per_chunk: {per_chunk}  # questions about each chunk",
        *([f"      most_chunks: {most}  # drawn by the seed; leave it out to ask about all"] if most else []),
        "      # How often each kind of question is asked for; leave out what you do not want.",
        "      kinds:",
        *(f"        {kind}: {share:g}" for kind, share in kinds.items()),
        "      context: none  # chunk: the row shows the chunk too, to teach answering from a text",
        "      until: once  # full: goes back to chunks that have no row",
        "      # Each costs a call for a row: can the question be understood alone, and is it general knowledge?",
        "      check_alone: true",
        "      check_general: true",
        "  - dedup_rouge: {threshold: 0.8}  # questions that are the same",
        *([f"  - assemble: {{size: {size}}}"] if size else []),
        "  - export: {formats: [messages, alpaca, sharegpt, parquet]}",
    ]
    preview = ("from_documents.most_chunks=10", "from_documents.per_chunk=1", "from_documents.until=once")
    return Proposed("\n".join(lines) + "\n", told, preview)


def proposed_shares(
    sample: DocumentSample, brief: str, shares: Mapping[str, float], chunks: int
) -> dict[str, float]:
    """Shares of the kinds by what the documents hold and what the brief speaks of; they sum to 1."""
    weights = dict(shares)
    weights["how_to"] *= 2 if sample.steps > 0.05 else 1 if sample.steps > 0 else 0.5
    weights["comparison"] *= 2 if sample.tables > 0.05 else 1
    if chunks < 4:
        weights["multi_hop"] = 0.0
    for kind, speaks in _WANTS.items():
        if speaks.search(brief):
            weights[kind] *= 2
    total = sum(weights.values())
    rounded = {kind: round(weight / total, 2) for kind, weight in weights.items()}
    first = max(rounded, key=lambda kind: rounded[kind])
    # What rounding leaves over goes to the largest.
    rounded[first] = round(1 - sum(share for kind, share in rounded.items() if kind != first), 2)
    return {kind: share for kind, share in rounded.items() if share > 0}


def for_rows(
    place: str, sample: RowSample, brief: str, model: Mapping[str, Any], size: int | None
) -> Proposed:
    """A recipe for rows: answered ones are cleaned, graded and picked; few seeds make more; others are answered."""
    answered = sample.answered >= 0.8 * sample.looked_at
    rows = sample.rows if sample.rows is not None else sample.looked_at
    seeds = rows < FEW_SEEDS and not sample.several_turns
    number = "an unknown number of rows" if sample.rows is None else f"{sample.rows:,} {_plural('row', rows)}"
    job = "cleaned, graded and picked from" if not seeds and answered else "answered and graded"
    job = "seeds of new tasks, which are answered and graded" if seeds else job
    told = [
        f"{number}; {sample.looked_at:,} looked at: {sample.answered:,} have an answer, "
        f"{sample.several_turns:,} are conversations",
        f"rows are are {job}",
    ]
    wanted = size or (1000 if seeds else max(1, rows // 2))
    making = [
        "  - invent: {model: teacher, "
        f"size: {2 * wanted}}}  # new tasks; about half are lost to the steps below",
    ]
    lines = [
        *_head(place, brief or f"Rows of {shorten(place, 60)}, {job}.", told[0]),
        *_models(model),
        "steps:",
        f"  - read: {{path: {_quoted(place)}}}",
        "  - dedup_exact: {field: prompt}",
        *(making if seeds else []),
        *(["  - respond: {model: teacher}  # what has no answer"] if seeds or not answered else []),
        "  - tag: {model: teacher}",
        '  - judge: {model: teacher, rubric: quality, keep: ">= 4"}  # a stricter set: ">= 5"',
        "  - dedup_rouge: {threshold: 0.7}",
        "  - dedup_semantic: {threshold: 0.95}",
        "  # The benchmarks that you will report, each by its file:",
        "  # - decontaminate: {against: {gsm8k: benchmarks/gsm8k_test.jsonl}}",
        f"  - assemble: {{size: {wanted}}}",
        "  - export: {formats: [messages, alpaca, sharegpt, parquet]}",
    ]
    preview = ("invent.size=10", "assemble.size=10") if seeds else ("assemble.size=10",)
    return Proposed("\n".join(lines) + "\n", told, preview)


def for_brief(brief: str, model: Mapping[str, Any], size: int | None) -> Proposed:
    """A recipe that begins with nothing but a brief: its domain is explored as a tree of tasks."""
    wanted = size or 500
    told = [f"nothing to read: the domain of the brief is explored from nothing, for {wanted:,} rows"]
    lines = [
        *_head("new-set", shorten(brief, 200), told[0]),
        *_models(model),
        "steps:",
        "  # The domain: a few words are better than a sentence. The plan lies in the run's folder, to be edited.",
        f"  - explore: {{model: teacher, domain: {_quoted(shorten(brief, 200))}, size: {2 * wanted}}}",
        "  - respond: {model: teacher}",
        '  - judge: {model: teacher, rubric: quality, keep: ">= 4"}',
        "  - dedup_rouge: {threshold: 0.7}",
        "  - dedup_semantic: {threshold: 0.95}",
        f"  - assemble: {{size: {wanted}}}",
        "  - export: {formats: [messages, alpaca, sharegpt, parquet]}",
    ]
    return Proposed("\n".join(lines) + "\n", told, ("explore.size=10", "assemble.size=10"))


def _head(place: str, description: str, told: str) -> list[str]:
    name = (
        re.sub(r"[^0-9A-Za-z\u3400-\u9fff]+", "-", place.rstrip("/*").rpartition("/")[2]).strip("-").lower()
    )
    return [
        f"name: {_quoted(name[:40].strip('-') or 'new-set')}",
        f"description: {_quoted(shorten(description, 200))}",
        f"# Proposed for: {shorten(told, 300)}.",
        "# Edit what you like; `factory steps STEP` explains a step's options.",
        "seed: 42",
    ]


def _models(model: Mapping[str, Any]) -> list[str]:
    embedded = [
        "  # The embedded model is for trying alone. For data worth training on, name one such as",
        "  #   {provider: openai, base_url: http://127.0.0.1:8000/v1, model: Qwen/Qwen3-8B}",
    ]
    return [
        "models:",
        *(embedded if model.get("provider") == "local" else []),
        f"  teacher: {yaml.safe_dump(dict(model), default_flow_style=True, allow_unicode=True, width=10_000).strip()}",
    ]


def _plural(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"


def _quoted(text: str) -> str:
    """A text as YAML reads it, whatever it holds."""
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=1_000_000).strip()
