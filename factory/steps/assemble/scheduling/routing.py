"""The routing table of experts' sets, and how well a router over embeddings does, told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from factory.data.formats.set_parts import slug
from factory.data.text import shorten
from factory.errors import RunStopped
from factory.statistics.arrays import Ints, Rows
from factory.statistics.interval import percent
from factory.step import Context
from factory.steps.assemble.scheduling.plan import as_json
from factory.steps.assemble.scheduling.router import Router, evaluate

SHOWN = 12


def tell_router(
    vectors: Rows,
    labels: Sequence[str],
    lineages: Ints,
    rows: Mapping[str, int],
    embedder: str,
    context: Context,
) -> None:
    """Evaluate a router, hand it out as `router.json` and `routing.jsonl`, and say how it does.

    vectors, labels, lineages: of the prompts it is made from
    rows: of each expert's set
    embedder: the model whose embeddings they are

    Raises:
        RunStopped: an expert has no prompt with an embedding, or all prompts are of one lineage.
    """
    lacking = [name for name in rows if name not in set(labels)]
    if lacking:
        raise RunStopped(
            f"{context.step}: no prompt of {', '.join(shorten(one, 30) for one in lacking[:8])} has an embedding to "
            "route by: let its records go before, or name another `model`"
        )
    try:
        routed = evaluate(vectors, labels, lineages, context.seed)
    except ValueError as error:
        raise RunStopped(f"{context.step}: {error}") from error
    router = Router.of(vectors, labels)
    context.facts["router"] = routed._asdict()
    context.tables["routing"] = [
        {
            "expert": name,
            "rows": number,
            "file": f"expert_{slug(name)}",
            "centre": [round(value, 6) for value in router.centres[router.names.index(name)].tolist()],
        }
        for name, number in rows.items()
    ]
    context.files["router.json"] = as_json(
        {
            "rule": "embed the prompt, subtract `mean`: the expert whose `centre` in routing.jsonl has the highest dot "
            "product",
            "embedder": embedder,
            "mean": [round(value, 6) for value in router.mean.tolist()],
        }
    )
    confused = ", ".join(
        f"{shorten(chosen, 20)} for {shorten(mine, 20)} {count:,}" for mine, chosen, count in routed.confused
    )
    say = context.warn if routed.interval[0] <= routed.majority else context.tell
    say(
        f"{context.step}: the router sends {percent(routed.accuracy, routed.interval)} of {routed.prompts:,} prompts "
        f"of lineages it has not seen to their own expert; sending all to the largest does {routed.majority:.1%}"
        + (f"; it takes {confused}" if confused else "")
    )
    shown = ", ".join(f"{shorten(name, 30)} {number:,}" for name, number in list(rows.items())[:SHOWN])
    more = f", and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
    context.tell(f"{context.step}: {len(rows):,} experts: {shown}{more}")
