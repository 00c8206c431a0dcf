"""What a run will take, and what it took."""

from __future__ import annotations

from dataclasses import dataclass

from factory.engine.calls.chat import SCHEMA_TRIES
from factory.engine.plan.rehearsal import DryRun
from factory.engine.progress import RunProgress
from factory.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run of `records` records asks, all replies counted, also those that the journal holds.

    calls, prompt_tokens, reply_tokens, cost: at most, where `probed` is 0; else as the probed records took
    seconds: about, None where nothing was measured
    counted: of how many records the calls were counted one by one, where it is not `probed`
    """

    records: int
    probed: int
    calls: int
    prompt_tokens: int
    reply_tokens: int
    cost: float | None
    seconds: float | None = None
    counted: int = 0

    def lines(self) -> list[str]:
        """The estimate for a person."""
        about = "about" if self.probed else "at most"
        told = [
            f"{self.records:,} records: {about} {self.calls:,} calls, {self.prompt_tokens:,} prompt tokens and "
            f"{self.reply_tokens:,} reply tokens"
        ]
        if self.cost is not None:
            told.append(f"{about} {self.cost:,.4f} at the recipe's prices")
        if self.seconds is not None:
            told.append(f"about {self.seconds:,.0f} s")
        if self.probed:
            told.append(
                f"Measured on {self.probed} records; their replies are in the journal and not asked again."
            )
        else:
            if self.counted < self.records:
                told.append(f"Counted on the first {self.counted:,} records and carried to all.")
            told.append(
                "No record is dropped and every reply is as long as allowed; --probe N measures on N records. On top "
                f"comes a reply that does not fit its schema: it is asked for again, up to {SCHEMA_TRIES - 1} times."
            )
        return told


def bounds(recipe: Recipe, plan: DryRun) -> Estimate:
    """What a dry run tells: no record dropped, every reply as long as its limit allows."""
    calls, prompt_tokens, reply_tokens = plan.totals()
    records = plan.records or plan.sampled
    return Estimate(
        records, 0, calls, prompt_tokens, reply_tokens, plan.most_cost(recipe), counted=plan.sampled
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
    )
