"""A pool to choose from, out of a table: its scores, tags and embeddings, and what cannot be chosen set aside."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from factory.data.record import Drop, Missing
from factory.data.table import Table
from factory.data.text import detect_language, estimate_tokens
from factory.data.user_columns import known_scores, score_values
from factory.errors import RunStopped, nearest
from factory.models.embed_texts import embed_texts
from factory.statistics.arrays import Floats, Ints, Rows
from factory.step import Context
from factory.steps.assemble.select.expression import Expression
from factory.steps.assemble.select.pool import Need, Pool, TagLists

MANY = 0.1
"""A share of the records without a score that asks for a look."""


@dataclass(slots=True)
class Gathered:
    """What can be chosen of a table.

    pool: in the order of the ids
    at: the row of the table that each row of the pool is, shape (rows,)
    tokens: of each row of the pool, prompt and answer together
    aside: the table's rows that cannot be chosen, and why
    seconds: how long embedding took, 0 where nothing was embedded
    """

    pool: Pool
    at: Ints
    tokens: Ints
    aside: dict[int, Drop]
    seconds: float = 0.0

    def keep(self, kept: Ints) -> None:
        """Let the pool be these of its rows."""
        self.pool, self.at, self.tokens = self.pool.take(kept), self.at[kept], self.tokens[kept]


def gather(table: Table, needed: frozenset[Need], score: Expression | None, context: Context) -> Gathered:
    """The pool without embeddings; records that have no value of `score` are set aside and told.

    Raises:
        RunStopped: no record has a score of `score`, or none has a tag where tags are needed.
    """
    order = np.array(
        [at for _, at in sorted(zip(table.ids(), range(len(table)), strict=True))], dtype=np.int64
    )
    table = table.take(order)
    prompts, answers = table.texts("prompt"), table.texts("output")
    lengths = np.array([estimate_tokens(text) for text in answers], np.int64)
    tokens = lengths + np.array([estimate_tokens(text) for text in prompts], np.int64)
    languages = [
        lang or detect_language(text) for lang, text in zip(table.values("lang"), prompts, strict=True)
    ]
    tags = TagLists.read([[tag["name"] for tag in found or ()] for found in table.values("tags")])
    if "tags" in needed and not len(tags.tags):
        raise RunStopped(
            f"{context.step}: no record has a tag, and the method chooses by tags: put the step `tag` before it"
        )
    pool = Pool(lengths, languages, [task or "" for task in table.values("task")], tags=tags)
    gathered = Gathered(pool, order, tokens, {})
    if score is not None:
        values = _values(table, score, context)
        _set_unscored_aside(table, values, score, gathered, context)
        known = np.flatnonzero(~np.isnan(values))
        gathered.keep(known)
        gathered.pool = replace(gathered.pool, score=values[known])
    return gathered


def check_score(pool: Pool, score: Expression | None, context: Context) -> None:
    """Refuse a score that tells no two rows apart.

    Raises:
        RunStopped: all rows have the same.
    """
    if pool.score is None or score is None or not len(pool):
        return
    if pool.score.min() == pool.score.max():
        raise RunStopped(
            f"{context.step}: {score.text} is {pool.score[0]:g} for all {len(pool):,} records: choosing by it is "
            "chance; name another `score`, or take `method: random`"
        )


async def embed(table: Table, gathered: Gathered, field: str, embedder: str, context: Context) -> None:
    """Give the pool its embeddings; records that have none are set aside and counted."""
    began = time.perf_counter()
    texts = table.take(gathered.at).texts(field, compared=True)
    written = [at for at, text in enumerate(texts) if text.strip()]
    why = {
        at: Missing("no_text", f"its {field} is blank") for at in range(len(texts)) if not texts[at].strip()
    }
    if not written:
        raise RunStopped(f"{context.step}: no record has a {field} to embed; set `field` to what they have")
    embedded = await embed_texts(context.embedder(embedder), [texts[at] for at in written])
    for number, error in embedded.failed.items():
        why[written[number]] = Missing(error.kind, str(error))
    vectors = np.full((len(texts), embedded.vectors.shape[1]), np.nan, np.float32)
    vectors[written] = embedded.vectors
    usable, unit = unit_rows(vectors)
    for at in np.flatnonzero(~usable).tolist():
        reason = why.get(at, Missing("no_vector", "its embedding is no direction: it holds NaN or is all 0"))
        gathered.aside[int(gathered.at[at])] = context.drop(reason.kind, reason.reason, failed=True)
    context.count("set_aside_without_embedding", int((~usable).sum()))
    if not usable.all():
        context.warn(
            f"{context.step}: {int((~usable).sum()):,} of {len(texts):,} records have no embedding, and are set aside"
        )
    gathered.keep(np.flatnonzero(usable))
    gathered.pool = replace(gathered.pool, vectors=unit)
    gathered.seconds = time.perf_counter() - began


async def embed_tags(gathered: Gathered, embedder: str, context: Context) -> None:
    """Give the pool the embeddings of its tags' names."""
    names = [name if name.strip() else "?" for name in gathered.pool.known_tags.names]
    embedded = await embed_texts(context.embedder(embedder), names)
    usable, unit = unit_rows(embedded.vectors)
    vectors = np.zeros_like(embedded.vectors)  # a name without an embedding is like no other
    vectors[usable] = unit
    context.count("tags_without_embedding", int((~usable).sum()))
    gathered.pool = replace(gathered.pool, tag_vectors=vectors)


def unit_rows(vectors: Rows) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], Rows]:
    """Which rows are finite and not all zeros, and these, of length 1, float32."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    usable = np.isfinite(lengths) & (lengths > 0)
    return usable, np.ascontiguousarray(vectors[usable] / lengths[usable, None], np.float32)


def _values(table: Table, score: Expression, context: Context) -> Floats:
    known = known_scores(table, score.names)
    for name in score.names:
        if name not in known:
            raise RunStopped(
                f"{context.step}: no record has the score {name!r} of `score: {score.text}`{nearest(name, known)}"
            )
    return score.values(lambda name: score_values(table, name))


def _set_unscored_aside(
    table: Table, values: Floats, score: Expression, gathered: Gathered, context: Context
) -> None:
    lacking = np.flatnonzero(np.isnan(values))
    kinds: Counter[str] = Counter()
    for at, record in zip(lacking.tolist(), table.take(lacking).records(), strict=True):
        name = next((name for name in score.names if name not in record.scores), "")
        why = record.lacking.get(name)
        reason = f"{name} is missing{f': {why.reason}' if why else ''}" if name else "it divides by 0"
        kinds[name or "a division by 0"] += 1
        gathered.aside[int(gathered.at[at])] = context.drop("no_score", reason, failed=True)
    context.count("set_aside_without_score", len(lacking))
    if not len(lacking):
        return
    say = context.warn if len(lacking) > MANY * len(values) else context.tell
    say(
        f"{context.step}: {len(lacking):,} of {len(values):,} records have no {score.text} "
        f"({', '.join(f'{name}: {number:,}' for name, number in kinds.most_common(5))}): they are set aside, "
        f"neither low nor high, and it is chosen among the other {len(values) - len(lacking):,}"
    )


def pick_score(table: Table, score: str, needed: Sequence[str], context: Context) -> Expression | None:
    """The expression to choose by: the one given, else the only judge's where a method needs one.

    needed: the methods that cannot do without
    Raises:
        RunStopped: one is needed and cannot be told.
    """
    if score:
        return Expression.parse(score)
    if not needed:
        return None
    names = table.score_names()
    if needed == ["learning_percentage"] and "learning_percentage" in names:
        return Expression.parse("learning_percentage")
    judged = [name for name in names if name.startswith("judge.")]
    if len(judged) != 1:
        raise RunStopped(
            f"{context.step}: {needed[0]} chooses by a score: give `score`; "
            f"the records have {', '.join(names) or 'none'}"
        )
    context.tell(f"{context.step}: chooses by {judged[0]}, the only score of a judge")
    return Expression.parse(f"`{judged[0]}`")
