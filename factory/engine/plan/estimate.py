"""What a run will take, and what it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from factory.engine.calls.chat import SCHEMA_TRIES
from factory.engine.plan.rehearsal import DryRun
from factory.engine.progress import RunProgress
from factory.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run of `records` records asks, all replies counted, also those that the journal holds.

    records: None where it is unknown how many there are: then all else is for those that were `counted` or `probed`
    calls, prompt_tokens, reply_tokens, cost: at most, where `probed` is 0; else as the probed records took
    seconds: about, None where nothing was measured
    counted: of how many records the calls were counted one by one, where it is not `probed`
    again: at most what comes on top where replies do not fit their schema; where `probed`, of `calls` those for that
    """

    records: int | None
    probed: int
    calls: int
    prompt_tokens: int
    reply_tokens: int
    cost: float | None
    seconds: float | None = None
    counted: int = 0
    again: Again | None = None

    def lines(self) -> list[str]:
        """The estimate for a person."""
        about = "about" if self.probed else "at most"
        who = (
            f"how many records there are is unknown; for the first {self.probed or self.counted:,}"
            if self.records is None
            else f"{self.records:,} records"
        )
        again = self.again if self.again is not None and self.again.calls else None
        part = f" ({again.calls:,} of them asked again, as replies did not fit their schema)" if again else ""
        told = [
            f"{who}: {about} {self.calls:,} calls{part if self.probed else ''}, {self.prompt_tokens:,} prompt tokens "
            f"and {self.reply_tokens:,} reply tokens"
        ]
        if self.cost is not None:
            told.append(f"{about} {self.cost:,.4f} at the recipe's prices")
        if self.seconds is not None:
            told.append(f"about {self.seconds:,.0f} s")
        if self.probed:
            told.append(
                f"Measured on {self.probed} records; their replies are in the journal and not asked again."
            )
            return told
        if self.records is not None and self.counted < self.records:
            told.append(f"Counted on the first {self.counted:,} records and carried to all.")
        told.append(
            "No record is dropped and every reply is as long as allowed; --probe N measures on N records."
        )
        if again:
            price = "" if again.cost is None else f", {again.cost:,.4f} at the recipe's prices"
            told.append(
                f"On top comes a reply that does not fit its schema, which is asked for again up to {SCHEMA_TRIES - 1} "
                f"times: at most {again.calls:,} calls, {again.prompt_tokens:,} prompt tokens and "
                f"{again.reply_tokens:,} reply tokens more{price}."
            )
        return told


class Again(NamedTuple):
    """Calls for replies that did not fit their schema."""

    calls: int
    prompt_tokens: int = 0
    reply_tokens: int = 0
    cost: float | None = None


def bounds(recipe: Recipe, plan: DryRun) -> Estimate:
    """What a dry run tells: no record dropped, every reply as long as its limit allows."""
    calls, prompt_tokens, reply_tokens = plan.totals()
    again = Again(*plan.totals(again=True), plan.most_cost(recipe, again=True))
    return Estimate(
        None if plan.records is None else plan.records + plan.made,
        0,
        calls,
        prompt_tokens,
        reply_tokens,
        plan.most_cost(recipe),
        counted=plan.sampled or plan.made,
        again=again,
    )


def spent(progress: RunProgress) -> Estimate:
    """What a run came to, replies from the journal counted as if they had been asked for.

    Embeddings are left out as they are of an estimate: how many go into one call depends on what is known already.
    """
    models = progress.models.values()
    prompts = [usage.prompt_tokens + usage.replayed_prompt_tokens for usage in models]
    replies = [usage.completion_tokens + usage.replayed_completion_tokens for usage in models]
    costs = [usage.cost_of(*tokens) for usage, *tokens in zip(models, prompts, replies, strict=True)]
    known = [cost for cost in costs if cost is not None]
    return Estimate(
        progress.steps[0].passed if progress.steps else 0,
        0,
        sum(usage.calls + usage.replayed for usage in models if not usage.embeds),
        sum(prompts),
        sum(replies),
        sum(known) if known else None,
        again=Again(sum(usage.asked_again for usage in models)),
    )
