"""How much of what a model learns of an example it learns early: a small model's choice for a large one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
from pydantic import Field

from factory.step import Context, PerRecord
from factory.steps.keep import Condition, keep_where, lacks_score

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from numpy.typing import NDArray

    from factory.data.record import Record

    Numbers: TypeAlias = "NDArray[np.float64]"


def learning_percentage(before: Numbers, after: Numbers, end: Numbers | None = None) -> Numbers:
    """LP(1) = (P0 - P1) / (P0 - Pn) of each example, from its perplexities; the low ones are the hard examples.

    Without `end`, the approximation (P0 - P1) / P0, which needs one epoch of training only. 0 where the
    denominator is 0, as in the authors' code; NaN where a perplexity is.

    Args:
        before: perplexities under the model before training (P0), shape (rows,).
        after: under the checkpoint after the first epoch (P1).
        end: under the last checkpoint (Pn; the paper trains three epochs).

    Source: Mekala et al. (arXiv 2402.10430), section 3.
    """
    gained = before - after
    total = before - end if end is not None else before
    lacking = np.isnan(gained) | np.isnan(total)
    result = np.divide(gained, total, out=np.zeros_like(gained), where=(total != 0) & ~lacking)
    result[lacking] = np.nan
    return result


def hardest_in_clusters(
    percentage: Numbers, clusters: NDArray[np.int64], percent: float
) -> NDArray[np.int64]:
    """Indices of the `percent` of each cluster with the lowest learning percentage, in ascending order.

    As the authors do: each cluster is cut into round(100 / percent) chunks of nearly equal size, the first of
    which is taken, so that every cluster gives at least one row and "10 percent" is a little more than that.
    """
    chunks = max(1, round(100 / percent))
    chosen = []
    for cluster in np.unique(clusters):
        members = np.flatnonzero(clusters == cluster)
        order = members[np.argsort(percentage[members], kind="stable")]
        chosen.append(order[: -(-len(order) // chunks)])
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)


class LearningPercentage(PerRecord):
    """Score how early a model learned each record, from its perplexities before and after training.

    LP = (P0 - P1) / (P0 - Pn): the share of the drop in perplexity over the whole training that came in the
    first epoch; with no `end`, (P0 - P1) / P0. Easy records are learned early; low scores mark hard ones,
    which the paper keeps. The perplexities are scores that the records have already: those of the `perplexity`
    step under the model and its checkpoints, each with a name of its own. Stored as "learning_percentage".

    Where a perplexity is missing so is the score, and `missing` says which. With `keep`, as in `judge`.

    Source: Mekala et al., Smaller Language Models are capable of selecting Instruction-Tuning Training Data for
    Larger Language Models (arXiv 2402.10430). In its published perplexities of Alpaca a 350M model ranks the
    rows as a 13B one does with a Spearman correlation of 0.71.

    Example:
        - perplexity: {model: untrained, score: ppl.0}
        - perplexity: {model: epoch1, score: ppl.1}
        - perplexity: {model: epoch3, score: ppl.3}
        - learning_percentage: {before: ppl.0, after: ppl.1, end: ppl.3}
    """

    name: ClassVar[str] = "learning_percentage"

    before: str = Field(min_length=1)
    """The score that holds the perplexity before training."""
    after: str = Field(min_length=1)
    """The score that holds the perplexity after one epoch."""
    end: str = ""
    """The score that holds the perplexity after the last epoch; empty: the approximation that needs none."""
    keep: Condition | None = None
    """Condition that a score must meet for its record to be kept, such as "< 0.9"; without it all are kept."""

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        names = [name for name in (self.before, self.after, self.end) if name]
        lacking = [name for name in names if name not in record.scores]
        event = context.event(self.name)
        if lacking:
            scored = record.with_score(self.name, lacks_score(lacking[0]), event)
        else:
            columns = [np.array([record.scores[name]]) for name in names]
            scored = record.with_score(self.name, float(learning_percentage(*columns)[0]), event)
        yield keep_where(scored, self.name, self.keep, context.step)
