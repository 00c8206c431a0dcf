"""The methods that choose towards a target, by example or by difficulty, as the registry takes them."""

from __future__ import annotations

import numpy as np

from factory.errors import RunStopped
from factory.statistics.arrays import Ints, Rows
from factory.statistics.by_example import judge_by_example
from factory.statistics.interval import percent
from factory.steps.assemble.select.blocks import HERE, Engine
from factory.steps.assemble.select.dsir import RANDOM_DRAWS, Drawn, dsir, hashed_grams, joined
from factory.steps.assemble.select.nearest import nearest_in_turn
from factory.steps.assemble.select.plain import highest_first
from factory.steps.assemble.select.pool import Choice, Pool, Settings
from factory.steps.assemble.select.s1 import sample_by_domain
from factory.steps.assemble.select.s2l import CLUSTERS, s2l
from factory.steps.assemble.select.target_path import loss_drop

_SAMPLE = 1000
"""Random rows whose nearness to the target is told beside that of the chosen ones."""


def choose_nearest(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """The rows nearest to the target, each of its items taking one in turn.

    Where there are more items than rows to choose, chance decides which have a turn, not the order of their file.
    """
    target = pool.known_aim.target_vectors
    assert target is not None
    return _in_turn(pool.known_vectors, target, size, random, settings.engine)


def _in_turn(
    vectors: Rows, target: Rows, size: int, random: np.random.Generator, engine: Engine = HERE
) -> Choice:
    having = np.sort(random.permutation(len(target))[:size])
    taken = nearest_in_turn(vectors, target[having], size, engine)
    sample = np.sort(random.permutation(len(vectors))[:_SAMPLE])
    facts = {
        "items_of_the_target": len(target),
        "items_without_a_turn": len(target) - len(having),
        "cosine_with_its_item": _four(taken.cosines),
        "cosine_of_random_rows_with_their_nearest_item": _four(_nearest_cosine(vectors[sample], target)),
        "times_an_item_found_its_next_row_taken": taken.refused,
    }
    return Choice(taken.rows, facts)


def choose_dsir(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """Rows drawn by how much likelier their words are under the target than in the pool."""
    aim = pool.known_aim
    try:
        spans = settings.engine.spans(len(aim.texts))
        parts = settings.engine.over(hashed_grams, [aim.texts[start:end] for start, end in spans])
        drawn = dsir(joined(parts), hashed_grams(aim.target), size, random)
    except ValueError as error:
        raise RunStopped(f"dsir compares words: {error}") from None
    facts: dict[str, float] = {"items_of_the_target": len(aim.target), "rows_without_a_word": drawn.wordless}
    if drawn.divergence is not None and drawn.at_random is not None:
        facts |= {
            "kl_divergence_of_the_target_from_the_choice": round(drawn.divergence, 4),
            "kl_divergence_from_random_rows": round(drawn.at_random, 4),
        }
    fewer = f"{drawn.wordless:,} rows have no word" if len(drawn.rows) < size else ""
    return Choice(drawn.rows, facts, fewer, _no_nearer(drawn))


def _no_nearer(drawn: Drawn) -> str:
    """What is to be said of rows that are no nearer to the target than random ones are; "" where they are."""
    if drawn.divergence is None or drawn.at_random is None or drawn.divergence < drawn.nearest_at_random:
        return ""
    return (
        f"the rows drawn are no nearer to `target` than random ones: its words are {drawn.divergence:.2f} nats from "
        f"theirs, and {drawn.at_random:.2f} from those of {RANDOM_DRAWS} random draws (the nearest: "
        f"{drawn.nearest_at_random:.2f}): give more of the target, or a pool that holds more like it"
    )


def choose_target_path(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """The rows whose loss drops most, as a share of it, when a model learns from the target."""
    path = pool.known_aim.path
    assert path is not None
    before, after = float(path.target_before.mean()), float(path.target_after.mean())
    if not path.learnt:
        raise RunStopped(
            f"the model learns nothing from the {len(path.target_before):,} items of the target (their loss goes from "
            f"{before:.3f} to {after:.3f}), so target_path has no path to follow: give more items, or take another "
            "method"
        )
    drop = loss_drop(path.before, path.after)
    rows = highest_first(drop)[:size]
    facts = {
        "items_of_the_target": len(path.target_before),
        "loss_of_the_target_before_and_after": [round(before, 4), round(after, 4)],
        "drop_of_the_chosen": _four(drop[rows]),
        "drop_of_all": _four(drop),
        "least_drop_of_a_chosen_one": round(float(drop[rows[-1]]), 4),
    }
    fewer = int((drop[rows] <= 0).sum())
    if fewer:
        facts["chosen_although_their_loss_does_not_drop"] = fewer
    return Choice(rows, facts)


def choose_gradient(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """The rows that pull a model the way the target's items do, each of these taking one in turn."""
    aim = pool.known_aim
    assert aim.gradients is not None
    assert aim.target_gradients is not None
    return _in_turn(aim.gradients, aim.target_gradients, size, random)


def choose_by_example(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """The rows that a classifier finds most like the good examples, if it can tell these from the bad ones."""
    aim = pool.known_aim
    assert aim.good is not None
    assert aim.bad is not None
    try:
        judged = judge_by_example(pool.known_vectors, aim.good, aim.bad, int(random.integers(1 << 31)))
    except ValueError as error:
        raise RunStopped(str(error)) from None
    found = judged.validated
    said = percent(found.accuracy, (found.low, found.high))
    if not judged.proven:
        raise RunStopped(
            f"the classifier cannot tell `good` from `bad`: it is right for {said} of examples that it has not seen, "
            f"and always saying the commoner kind is for {found.majority:.1%}: give more examples, or others"
        )
    facts: dict[str, str | float] = {
        "accuracy_on_unseen_examples": said,
        "always_the_commoner_kind": round(found.majority, 4),
    }
    rows = highest_first(judged.good)[:size]
    facts["least_probability_of_good"] = round(float(judged.good[rows[-1]]), 4)
    return Choice(rows, facts)


def choose_s1(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """Rows of tasks drawn alike, in each the longest answers most likely (s1)."""
    if not any(pool.tasks):
        raise RunStopped(
            "s1 draws a domain and then a row of it, and no record has a task: put `task` before it"
        )
    return Choice(sample_by_domain(pool.tasks, pool.lengths, size, random), {"domains": len(set(pool.tasks))})


def choose_s2l(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """Of each source, and in it of each cluster of loss trajectories, an equal share (S2L)."""
    aim = pool.known_aim
    assert aim.losses is not None
    found = s2l(aim.losses, aim.sources, size, random, settings.clusters or CLUSTERS)
    told = {
        source or "(none)": f"{chosen:,} of {rows:,} in {clusters:,} clusters"
        for source, (rows, chosen, clusters) in found.sources.items()
    }
    return Choice(found.rows, {"checkpoints": aim.losses.shape[1], "sources": told})


def _nearest_cosine(rows: Rows, target: Rows) -> Rows:
    best: Rows = np.full(len(rows), -1.0, np.float32)
    for start in range(0, len(target), _SAMPLE):
        best = np.maximum(best, (rows @ target[start : start + _SAMPLE].T).max(axis=1))
    return best


def _four(values: Rows | Ints | np.ndarray) -> float:
    return round(float(np.mean(values)), 4) if len(values) else 0.0
