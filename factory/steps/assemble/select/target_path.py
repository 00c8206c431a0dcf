"""How much less a model is surprised by each row once it has learnt from the target."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from factory.statistics.arrays import Floats, Ints


class Losses(NamedTuple):
    """Mean negative log-likelihoods, in nats: of a model, and of the same after a short training on the target.

    before, after: of each row, shape (rows,)
    target_before, target_after: of each item of the target, shape (items,); the model was trained on these
    """

    before: Floats
    after: Floats
    target_before: Floats
    target_after: Floats

    def take(self, rows: Ints) -> Losses:
        """Those of some rows, in that order."""
        return self._replace(before=self.before[rows], after=self.after[rows])

    @property
    def learnt(self) -> bool:
        """Whether the training lowered the loss of the target: without it there is no path to be aligned with."""
        return float(self.target_after.mean()) < float(self.target_before.mean())


def loss_drop(before: Floats, after: Floats) -> Floats:
    """(before - after) / before: the share of a row's loss that training on the target took away.

    Divided by what the loss was, as the rows that a model finds hard have more to lose. Below 0 where the training made
    a row less likely; 0 where there was no loss to begin with; NaN where a loss is missing.

    Args:
        before, after: losses, not below 0, shape (rows,).

    Source: Let the Target Select for Itself (arXiv 2605.09404): the normalised drop of the loss between the ends of a
        short, capacity-limited training on the target. The text at hand was its summary, which does not spell the
        divisor; the loss at the beginning is taken for it.
    """
    gone = before - after
    lacking = np.isnan(gone)
    drop: Floats = np.divide(gone, before, out=np.zeros_like(gone), where=(before > 0) & ~lacking)
    drop[lacking] = np.nan
    return drop
