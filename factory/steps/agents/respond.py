"""Have a model answer each instruction, once or several times, or every turn of its conversation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator

from factory.data.answers import answers_of, said, with_chosen
from factory.data.prompt import Prompt
from factory.data.record import Candidate, Message, Record
from factory.data.text import is_blank
from factory.errors import RecipeError, RecordFailed
from factory.models.base import Answer, Sampling
from factory.step import ChatModelNames, Context, NamesModel, PerRecord
from factory.steps.agents.answering.choose import (
    AGREEMENT,
    FINAL,
    Choice,
    by_checklist,
    by_fit,
    graded,
    longest,
    verified,
    voted,
)
from factory.steps.agents.answering.conversation import answer_all_turns
from factory.steps.agents.answering.samples import draw_answers
from factory.steps.agents.flaws.doubts import note_doubts, tell_doubts
from factory.steps.agents.retry.until_verified import tries_until_verified, unusable, with_tries
from factory.steps.judging.checklists.biases import Biases
from factory.steps.judging.checklists.checklists import Checklists, tell_biases
from factory.steps.judging.constraints.registry import BadConstraint
from factory.steps.judging.constraints.stated import Stated, bad_constraint, stated_constraints
from factory.steps.judging.constraints.verdicts import Verified, one_model
from factory.steps.judging.grading.grader import Grader
from factory.steps.judging.grading.rubric import load_rubric
from factory.steps.judging.rubric import WritesRubric
from factory.steps.judging.verify import what_failed
from factory.steps.score.fit import Fits


class Respond(PerRecord):
    """Answer each instruction that has no answer yet, by a model.

    The model is sent the conversation up to the last user turn, or up to a tool's answer that ends it, with its
    pictures and sounds, and the tools that the record offers. Where that has no system turn, a short one is put
    before it (prompt `respond/answer`), unless `system` is off; it is never stored in the record. What the model
    thought is kept apart from what it said, and an answer that only calls tools is a whole one.

    A record whose answer is empty is dropped ("empty_answer"), and so is one whose answer only says the prompt again
    ("echo"), holds "[Your answer here]" in place of one ("placeholder"), or was cut by the token limit ("truncated"),
    unless `allow_truncated`. Set aside as failed is a record whose reply is no answer: the model or a filter refused
    ("refused"), the limit cut it before it had said a word ("truncated"), it only thought ("only_reasoning"), it calls
    a tool though none was offered ("called_a_tool") or in a way that cannot be carried out ("broken_call"), it repeats
    itself ("repetition"), it ended for an unknown reason ("unknown_end"), or it holds marks of a chat template, or
    broken characters, that cannot be taken out ("control_marks"). So is one that shows a file of this machine
    ("media_not_sent"): no file is opened because a row names it.

    Labels, a user's next turn and wrappers that nobody asked for are taken off an answer; how often, the run tells. It
    tells, too, which share of the answers refuses in words, goes round in a loop or is in another language than the
    instruction; these are kept.

    With `until: verified` an answer is held against the record's constraints (see `verify`), and where it does not meet
    one, the model is sent its answer and told which, with what was found, until an answer meets all or `tries` answers
    were asked for. A try that is cut, empty or no answer counts as one. All answers are kept as the record's answers,
    with their verdicts; the best ends the conversation. A record none of whose answers meets all is dropped
    ("constraint_failed") unless `unverified` keeps it. One that has no constraints is answered as ever.

    With `samples`, or several models, all whole answers are kept as the record's answers, each with its reasoning and
    its model, in the order of the models; they are asked for in one request where the server can. `choose` says which
    ends the conversation: the first; the longest, in words of reasoning and answer together; that of the majority, by
    the final answer (in a box, behind "answer is" or 答案是, else the last number), whose share is the score
    "respond.agreement" of each; the one that meets the most constraints (verified; what becomes of a record none of
    whose answers meets all, `unverified` says); the best by the grade that `judge` gives each by `rubric`
    ("judge.quality"); rubric: the one that meets most of a checklist that `judge` writes for the record (see the step
    of that name, whose defaults it has); or fit: the one that fits the `student` best (see `fit`; "grape" and "rsr"
    stand beside each). Of equals it is the first. A sample that is no whole answer is counted and left out; where none
    is one, the record is let go as it is with one sample. The answers that were not chosen stay: `pair` makes pairs of
    them. OpenThoughts sampled 16 answers to each question, kept them all, and found no clear gain in filtering them. A
    model that grades its own answers likes its own words best.

    With `re_answer: all` each user turn of the conversation is answered anew, in order, by the new model, which sees
    its own earlier answers; a conversation in which tools are called is set aside ("tools_called").

    Source: OpenThoughts (arXiv 2506.04178) for several samples, self-consistency (arXiv 2203.11171) for the vote.

    Example:
        - respond: {model: teacher, max_tokens: 2048}
        - respond: {model: teacher, until: verified, tries: 3}
        - respond: {model: [teacher, other], samples: 4, choose: majority}
        - respond: {model: [teacher, other], samples: 4, choose: fit, student: small}
        - respond: {model: teacher, re_answer: all}
    """

    name: ClassVar[str] = "respond"

    model: ChatModelNames = ""
    """The chat model that answers, or a list of them, each of which gives so many samples."""
    temperature: float = Field(0.7, ge=0)
    """Sampling temperature."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of an answer."""
    overwrite: bool = False
    """Answer records anew that have an answer; without it they pass untouched."""
    samples: int = Field(1, ge=1)
    """Answers that are asked of each model; above 1 they need a temperature."""
    choose: Choice = "first"
    """Which of several answers ends the conversation: the first, longest, the majority's, verified or best one, the
    best by a checklist (rubric), or the one that fits the student best."""
    student: Annotated[str | tuple[str, ...], NamesModel("chat", scores=True)] = ()
    """The model that is to be trained, which `choose: fit` has score each answer."""
    fit_by: Literal["grape", "rsr"] = "grape"
    """What fits best: the highest mean log-probability, or the lowest rank-surprisal ratio (see `fit`)."""
    keep_old: bool = False
    """Keep the answers that a record had beside the new ones, behind them; with `overwrite`."""
    re_answer: Literal["last", "all"] = "last"
    """Which turns are answered: the last one, or all, each anew, whether `overwrite` is on or not."""
    system: bool = True
    """Put a system turn before a conversation that has none."""
    allow_truncated: bool = False
    """Keep answers that were cut by the token limit; not those that are to be verified."""
    until: Literal["answered", "verified"] = "answered"
    """When to stop asking: at the first answer, or at one that meets the record's constraints."""
    tries: int = Field(3, ge=1)
    """Most answers that are asked for until one is verified."""
    judge: ChatModelNames = ()
    """The chat model that judges constraints which no code can check, grades, and writes checklists; by default the
    (first) one that answers."""
    rubric: str = "quality"
    """The rubric by which the best answer is chosen: a shipped one, or the path of a rubric file that ends in .md."""
    unverified: Literal["drop", "keep"] = "drop"
    """What becomes of a record none of whose answers meets all constraints."""

    _grader: Grader = PrivateAttr()
    _checklists: Checklists = PrivateAttr()
    _fits: Fits = PrivateAttr()
    _biases: dict[int, tuple[dict[str, Any], Biases]] = PrivateAttr(default_factory=dict)

    @field_validator("judge", "student")
    @classmethod
    def _one(cls, model: str | tuple[str, ...]) -> str | tuple[str, ...]:
        one_model(model)
        return model

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        models = self._models
        if not models:
            raise ValueError("`model` names no model: name one, or leave it out")
        if len(set(models)) < len(models):
            raise ValueError("`model` names a model twice: ask it for more `samples`")
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                "several `samples` at temperature 0 are one answer: set a `temperature`, such as 0.7"
            )
        if self.keep_old and not self.overwrite:
            raise ValueError("`keep_old` keeps what is overwritten: set `overwrite` too")
        if self.choose != "first" and not self._several:
            raise ValueError(
                f"`choose: {self.choose}` chooses among several answers: set `samples`, such as 4"
            )
        if (self.choose == "fit") != (one_model(self.student) is not None):
            raise ValueError("`choose: fit` and `student`, the model that is to be trained, go together")
        if self._several and self.until == "verified":
            raise ValueError(
                "`until: verified` asks for one answer after the other: with several `samples`, models or `keep_old` "
                "set `choose: verified`"
            )
        if self.re_answer == "all" and (self._several or self.until == "verified"):
            raise ValueError("`re_answer: all` gives each turn one answer, of one model, asked for once")
        return self

    def model_post_init(self, context: object) -> None:
        if self.choose == "fit":
            self._fits = Fits(model=one_model(self.student) or "", choose=self.fit_by)
        if self.choose == "rubric":
            self._checklists = WritesRubric().checklists((self._judging,), (self._judging,))
        if self.choose != "best":
            return
        rubrics = {language: load_rubric(self.rubric, language) for language in ("en", "zh")}
        if not rubrics["en"].judges_answer:
            raise RecipeError(f"the rubric {self.rubric!r} rates instructions: name one that rates answers")
        self._grader = Grader(rubrics, (self._judging,))

    @property
    def _models(self) -> tuple[str, ...]:
        return (self.model,) if isinstance(self.model, str) else self.model

    @property
    def _judging(self) -> str:
        """The model that judges."""
        judge = one_model(self.judge)
        return self._models[0] if judge is None else judge

    @property
    def _several(self) -> bool:
        """Whether a record may have several answers to choose from."""
        return self.samples > 1 or len(self._models) > 1 or self.keep_old

    def goes_on_unscored(self) -> bool:
        """See `preflight.GoingOnUnscored`: without a fit the first answer stands."""
        return True

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        made = await self._answered(record, context)
        if made is not record and made.dropped is None:
            note_doubts(made, context, turns=self.re_answer == "all")
        yield made

    def finish(self, context: Context) -> None:
        """See `PerRecord.finish`: the answers that are kept and may be none, and what checklists say of their judge."""
        tell_doubts(context)
        _, biases = self._biases.pop(id(context.facts), (None, None))
        if biases is not None:
            tell_biases(biases, context)

    async def rehearse(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.rehearse`: no answer is verified but the last."""
        yield await self._answered(record, context, rehearsing=True)

    async def _answered(self, record: Record, context: Context, *, rehearsing: bool = False) -> Record:
        if not is_blank(record.output) and not self.overwrite and self.re_answer == "last":
            return record
        if is_blank(record.prompt):
            raise RecordFailed("no_instruction", "there is no user turn to answer")
        sampling = Sampling(self.temperature, self.max_tokens)
        (model, *_) = self._models
        if self.re_answer == "all":
            _, prompt = answering_messages(record, context, system=self.system)
            return await answer_all_turns(
                record, model, sampling, context, prompt=prompt, allow_truncated=self.allow_truncated
            )
        if self._several:
            return await self._of_several(record, sampling, context, rehearsing)
        if self.until == "verified" and (stated := _stated(record, context)):
            return await self._until_verified(record, stated, sampling, context, rehearsing)
        made, answer = await answered(
            record, model, sampling, context, operation="respond", system=self.system
        )
        drop = unusable(answer, record, sampling, context)
        cut_is_kept = drop is not None and drop.kind == "truncated" and self.allow_truncated
        return made if drop is None or cut_is_kept else made.but(dropped=drop)

    async def _of_several(
        self, record: Record, sampling: Sampling, context: Context, rehearsing: bool
    ) -> Record:
        """The record with all its answers, of which the one chosen ends the conversation."""
        # Before any call: constraints that cannot be read fail the record.
        stated = _stated(record, context) if self.choose == "verified" else ()
        messages, prompt = answering_messages(record, context, system=self.system)
        drawn = await draw_answers(
            record,
            self._models,
            self.samples,
            sampling,
            context,
            messages=messages,
            prompt=prompt,
            allow_truncated=self.allow_truncated,
        )
        old, had = answers_of(record)
        # Beside a conversation that waits for an answer stand those that were found wanting.
        wanting = old if had < 0 else ()
        kept = old if self.keep_old and had >= 0 else ()
        context.count("old_answers_kept", len(kept) + len(wanting))
        context.count("old_answers_let_go", len(old) - len(kept) - len(wanting))
        answers = (*drawn.answers, *kept)
        asked, events = record.conversation, (*record.events, *drawn.events)
        if not answers:
            if not isinstance(drawn.first, tuple):
                raise drawn.first or RecordFailed("no_answer", "no sample came")
            turn, drop = drawn.first
            return record.but(messages=(*asked, turn), chosen=-1, events=events, dropped=drop)
        context.count("answers_kept", len(drawn.answers))
        context.count("answers_equal_to_another", len(answers) - len(set(map(said, answers))))
        waiting = record.but(messages=asked, answers=(), chosen=-1, events=events)
        made = await self._chosen(waiting, answers, stated, context, rehearsing)
        return made.but(answers=(*made.answers, *wanting))

    async def _chosen(
        self,
        record: Record,
        answers: tuple[Candidate, ...],
        stated: Sequence[Stated],
        context: Context,
        rehearsing: bool,
    ) -> Record:
        match self.choose:
            case "longest":
                return with_chosen(record, answers, longest(answers))
            case "majority":
                told, at = voted(answers)
                votes = {one.verdicts[FINAL]: one.scores[AGREEMENT] for one in told if FINAL in one.verdicts}
                tied = [*votes.values()].count(max(votes.values(), default=0.0)) > 1
                context.count("chosen_by_place_among_equal_votes" if tied else "chosen_by_vote", bool(votes))
                context.count("without_final_answer", not votes)
                return with_chosen(record, tuple(told), at)
            case "verified" if stated:
                made, found = await verified(record, answers, stated, context, self._judging)
                return self._if_verified(made, found, len(answers), context)
            case "best":
                made, without = await graded(record, answers, self._grader, context)
                context.count("answers_without_grade", without)
                return made
            case "rubric":
                _, biases = self._biases.setdefault(id(context.facts), (context.facts, Biases()))
                return await by_checklist(
                    record, answers, self._checklists, biases, context, rehearsing=rehearsing
                )
            case "fit":
                return await by_fit(record, answers, self._fits, context)
        if self.choose == "verified":
            context.count("records_without_constraints")
        return with_chosen(record, answers, 0)

    async def _until_verified(
        self, record: Record, stated: Sequence[Stated], sampling: Sampling, context: Context, rehearsing: bool
    ) -> Record:
        """The record with the best of its answers, dropped where none meets all constraints."""
        messages, prompt = answering_messages(record, context, system=self.system)
        done = await tries_until_verified(
            record,
            stated,
            context,
            messages=messages,
            prompt=prompt,
            model=self._models[0],
            judge=self._judging,
            sampling=sampling,
            tries=self.tries,
            rehearsing=rehearsing,
        )
        if not done.made:
            assert done.unusable is not None
            return done.unusable
        return self._if_verified(with_tries(record, done), done.best.verified, len(done.made), context)

    def _if_verified(self, made: Record, found: Verified, answers: int, context: Context) -> Record:
        """The record with the best of its answers, dropped where that does not meet a constraint."""
        level = len(found.stated)
        if not found.failed:
            context.count("verified" if found.satisfied == level else "without_all_verdicts")
            return made
        context.count("not_verified")
        if self.unverified == "keep":
            return made
        reason = f"{what_failed(found.failed, level, made.language)}; best of {answers} answers"
        numbers = {"share": found.satisfied / level, "answers": float(answers)}
        return made.drop(context.step, "constraint_failed", reason, numbers)


def _stated(record: Record, context: Context) -> tuple[Stated, ...]:
    """The record's constraints."""
    try:
        return stated_constraints(record)
    except BadConstraint as error:
        raise bad_constraint(error, record, context) from None


async def answered(
    record: Record,
    model: str,
    sampling: Sampling,
    context: Context,
    *,
    operation: str,
    sample: int = 0,
    round: int = 0,
    system: bool = True,
) -> tuple[Record, Answer[None]]:
    """`record` answered by the model of this name, with its reasoning and its calls of tools, and the answer.

    The model is sent the conversation, the record's tools and its arguments for the chat template.
    """
    messages, prompt = answering_messages(record, context, system=system)
    answer = await context.chat(model).ask(
        messages,
        sampling,
        sample=sample,
        tools=record.tools,
        template_arguments=record.template_arguments,
    )
    event = context.event(operation, answer, prompt=prompt, round=round)
    made = record.with_output(answer.text.strip(), event, reasoning=answer.reasoning, calls=answer.calls)
    return made, answer


def answering_messages(
    record: Record, context: Context, *, system: bool = True
) -> tuple[tuple[Message, ...], Prompt | None]:
    """What an answering model is sent for `record`, and the prompt that was put before it, if one was."""
    if record.system or not system:
        return record.conversation, None
    prompt = context.prompt("respond/answer", record)
    return (*prompt.render(), *record.conversation), prompt
