"""The methods that choose rows, by name. A new one is a function in a file beside this, a line here, and a test."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from factory.steps.assemble.select.aimed import (
    choose_by_example,
    choose_dsir,
    choose_gradient,
    choose_nearest,
    choose_s1,
    choose_s2l,
    choose_target_path,
)
from factory.steps.assemble.select.by_tags import choose_complexity_first, choose_mig
from factory.steps.assemble.select.coverage import (
    choose_cluster_quality,
    choose_coverage,
    choose_learning_percentage,
)
from factory.steps.assemble.select.d2 import choose_d2
from factory.steps.assemble.select.facility import choose_facility_location, choose_qdit
from factory.steps.assemble.select.k_center import choose_k_center
from factory.steps.assemble.select.plain import choose_longest, choose_random, choose_top
from factory.steps.assemble.select.pool import Method, Need
from factory.steps.assemble.select.repr_filter import choose_repr_filter

MethodName = Literal[
    "coverage",
    "random",
    "longest",
    "top",
    "k_center",
    "facility_location",
    "repr_filter",
    "d2",
    "qdit",
    "complexity_first_diverse",
    "mig",
    "cluster_quality",
    "learning_percentage",
    "nearest",
    "rds",
    "target_path",
    "gradient",
    "dsir",
    "classifier",
    "s1",
    "s2l",
]
"""The keys of `METHODS`, for types and help."""

_VECTORS: frozenset[Need] = frozenset({"vectors"})
_SCORE: frozenset[Need] = frozenset({"score"})
_TAGS: frozenset[Need] = frozenset({"tags"})
_BY_VECTORS = frozenset({"nearest", "reach", "novelsum", "vendi"})
_BY_TAGS = frozenset({"tags", "tags_each"})

METHODS: Mapping[MethodName, Method] = MappingProxyType(
    {
        "coverage": Method(
            choose_coverage,
            "of each cluster by meaning its share, nearest to the centre first, above floors of length and quality",
            _VECTORS,
            _SCORE,
            _BY_VECTORS | {"length", "score"},
            blocks=True,
        ),
        "random": Method(choose_random, "any rows, each as likely as the others"),
        "longest": Method(choose_longest, "the longest answers", by=frozenset({"length"})),
        "top": Method(choose_top, "the highest score", _SCORE, by=frozenset({"score"}), blocks=True),
        "k_center": Method(
            choose_k_center, "each row the farthest from those before", _VECTORS, by=_BY_VECTORS
        ),
        "facility_location": Method(
            choose_facility_location, "rows that are near to all others", _VECTORS, by=_BY_VECTORS
        ),
        "repr_filter": Method(
            choose_repr_filter,
            "the highest score first, but rows close to a chosen one",
            _VECTORS | _SCORE,
            by=_BY_VECTORS | {"score"},
        ),
        "d2": Method(
            choose_d2,
            "the highest score after messages between neighbours",
            _VECTORS | _SCORE,
            by=_BY_VECTORS | {"score"},
        ),
        "qdit": Method(
            choose_qdit,
            "facility location and score, weighed by alpha",
            _VECTORS | _SCORE,
            by=_BY_VECTORS | {"score"},
        ),
        "complexity_first_diverse": Method(
            choose_complexity_first, "most tags first, each row with a new one", _TAGS, by=_BY_TAGS
        ),
        "mig": Method(
            choose_mig,
            "information gain on the graph of tags",
            _TAGS | {"tag_vectors"},
            _SCORE,
            _BY_TAGS | {"score"},
        ),
        "cluster_quality": Method(
            choose_cluster_quality,
            "the best of each cluster, then the best of all",
            _VECTORS | _SCORE,
            by=_BY_VECTORS | {"score"},
        ),
        "learning_percentage": Method(
            choose_learning_percentage,
            "of each cluster its share, the lowest score first: what a model learnt last (arXiv 2402.10430)",
            _VECTORS | _SCORE,
            by=_BY_VECTORS | {"score"},
        ),
        "nearest": Method(
            choose_nearest,
            "the rows nearest to a `target`, each of its items taking one in turn",
            _VECTORS | {"target_vectors"},
            by=_BY_VECTORS,
            blocks=True,
        ),
        "rds": Method(
            choose_nearest,
            "nearest by the states of a causal model, an `embedder` of provider hidden_states (RDS+, arXiv 2503.01807)",
            _VECTORS | {"target_vectors", "states"},
            by=_BY_VECTORS,
            blocks=True,
        ),
        "target_path": Method(
            choose_target_path,
            "the rows whose loss drops most when `model` learns from the `target` (arXiv 2605.09404)",
            frozenset({"path"}),
        ),
        "gradient": Method(
            choose_gradient,
            "the rows that pull `model` as the target's items do, each taking one in turn (LESS, arXiv 2402.04333, "
            "in the subspace of GIST, arXiv 2602.18584)",
            frozenset({"gradients"}),
        ),
        "dsir": Method(
            choose_dsir,
            "rows drawn so that their words are spread as the target's (DSIR, arXiv 2302.03169)",
            frozenset({"target"}),
            blocks=True,
        ),
        "classifier": Method(
            choose_by_example,
            "the rows most like `good` examples and unlike `bad` ones (phi-1, arXiv 2306.11644)",
            _VECTORS | {"examples"},
            by=_BY_VECTORS,
        ),
        "s1": Method(
            choose_s1,
            "tasks drawn alike, and in each the longest answers most likely (s1, arXiv 2501.19393)",
            by=frozenset({"length", "tasks"}),
        ),
        "s2l": Method(
            choose_s2l,
            "of each source and each cluster of a small model's `losses` an equal share (S2L, arXiv 2403.07384)",
            frozenset({"losses"}),
        ),
    }
)
