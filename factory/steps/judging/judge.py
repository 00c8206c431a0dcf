"""Have models grade each record by a rubric."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import Field, PrivateAttr, model_validator

from factory.data.record import Message, Missing, Record
from factory.data.text import turn_text
from factory.step import ChatModelNames, Context, PerRecord
from factory.steps.judging.grading.asked import Only, note_outcome, parse_only, tell_asked, why_asked
from factory.steps.judging.grading.grader import Grade, Grader
from factory.steps.judging.grading.reference import note_reference, reference_of
from factory.steps.judging.grading.rubric import Rubric, load_rubric
from factory.steps.keep import Condition, keep_where


class Judge(PerRecord):
    """Grade each record by a rubric, by one model or several, on the rubric's scale.

    The judge reads the rubric, the conversation up to an answer, and the answer. It gives its reason first,
    then the score, a whole number, so that the score follows from the reason. A conversation of several
    turns is judged turn by turn, each answer with what came before it, and the mean over the turns is the
    score: a sum would favour long conversations. The score is stored as "judge.<rubric>" on the scale in the
    rubric's header (minimum to maximum; the shipped ones: 1 to 5), the reason as the note of that name.

    The score is for ranking, `keep` is for deciding. Where the server tells log-probabilities, the score is the
    expectation over the levels by those of the tokens at the score's place, seldom a whole number, and the level that
    was stated is kept beside it as "judge_level.<rubric>". With `expected: false`, and of a model that tells none,
    which is said once, the stated level is the score. `keep` always goes by the stated level, so that ">= 4" keeps what
    the judge graded 4, whatever the server tells. With several models, or `samples` of one, both are means over them,
    each model counting alike. "judge_spread.<rubric>" is the standard deviation over levels, samples and judges: how
    sure they are. "judge_selectit.<rubric>" is SelectIT's score of the same replies: the likeliest level, counted from
    1 whatever the scale, weighed by how far its probability lies above that of the others. Where the levels have less
    than half of the probability together, the score is missing ("no_expectation"), and the level stands.

    A score outside the scale is not a score: the judge is asked again, and where that does not help, the
    score is missing, and `missing` says why. It is never clamped and never replaced by a default. A record one
    of whose turns has no score has none; of several judges those count that gave one, as the note says. With
    `keep`, a record whose stated level does not meet the condition is dropped ("low_score"), and one that has
    none is set aside as failed ("no_score").

    Source: AlpaGasus (arXiv 2307.08701) for filtering by an absolute grade (of 0 to 5, fractions too, from 4.5 up;
    levels here are whole numbers), Prometheus (arXiv 2310.08491) for rubrics with a description of each level,
    G-Eval (arXiv 2303.16634) for the expectation (which it estimates by 20 samples where no log-probabilities are
    told), SelectIT (arXiv 2402.16705).

    Example:
        - judge: {model: teacher, rubric: quality, keep: ">= 4"}
        - judge: {model: teacher, rubric: complexity}
        - judge: {model: [teacher, other], samples: 4, temperature: 1}
        - judge: {model: teacher, rubric: accuracy, reference: reference_answer}
        - judge: {model: teacher, rubric: harmlessness, only: harm_screen, sample: 0.02, keep: ">= 3"}
    """

    name: ClassVar[str] = "judge"

    model: ChatModelNames = ""
    """The chat model that grades, or a list of them."""
    rubric: str = "quality"
    """A shipped rubric (accuracy, bias, complexity, harmlessness, helpfulness, quality), or the path of a
    rubric file that ends in .md; one that rates the instruction, as complexity does, needs no answer. A
    higher level is better: 5 for bias is an even-handed answer."""
    keep: Condition | None = None
    """Condition that the stated level (the mean, where there are several) must meet for a record to be kept, such
    as ">= 4"; without it all are kept."""
    only: str = ""
    """Judge these records alone: those that a rule of `clean` marked, by its name, or with a score that meets a
    condition, several joined by "or", such as "harm_screen or judge.quality < 3". The others are kept as they are,
    their score missing ("not_asked")."""
    sample: float = Field(0.0, ge=0, le=1)
    """Share of the records that `only` leaves out that are judged too, drawn by lot: what it misses is told."""
    turns: Literal["all", "last"] = "all"
    """Which turns of a conversation are judged."""
    reference: bool | str = False
    """Show the judge a reference answer: the name of the source's column that holds it, or true for the first of
    reference_answer, reference, ground_truth, answer and the like, else the record's only other answer. A record
    without one is judged without, which is counted; of several turns the last has the reference."""
    samples: int = Field(1, ge=1)
    """Replies drawn from each model; above 1 they need a temperature."""
    expected: bool = True
    """Take as score the expectation over the levels by log-probabilities, where the server tells them."""
    reply: Literal["json", "line"] = "json"
    """How the score is asked for: as JSON, or, for judges trained to write free text, on a last line
    ("Score: 4"), which is read strictly and not asked for again."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature; 0 gives the same grade each time."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of the reason and the score together."""

    _grader: Grader = PrivateAttr()
    _only: Only | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _drawn(self) -> Self:
        if self.model == ():
            raise ValueError("`model` names no model: name one, or leave it out")
        if self.reference and not load_rubric(self.rubric, "en").judges_answer:
            raise ValueError(
                f"the rubric {self.rubric!r} rates instructions, which have no `reference` answer"
            )
        if self.sample and not self.only.strip():
            raise ValueError("`sample` is of the records that `only` leaves out: give `only` too")
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                "several `samples` at temperature 0 are one reply: set a `temperature`, such as 1"
            )
        return self

    def model_post_init(self, context: object) -> None:
        # Read once, with the recipe: a rubric that is wrong is found before any record, and stays the same.
        rubrics = {language: load_rubric(self.rubric, language) for language in ("en", "zh")}
        models = (self.model,) if isinstance(self.model, str) else self.model
        self._only = parse_only(self.only)
        self._grader = Grader(
            rubrics, models, self.samples, self.temperature, self.max_tokens, self.reply, self.expected
        )

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        grader, only = self._grader, self._only
        score = f"judge.{grader.rubric('en').name}"
        why = why_asked(only, self.sample, record, context)
        if not why:
            had = score in record.scores
            yield record if had else record.with_score(score, NOT_ASKED, context.event(score))
            return
        judged = await judge_record(
            grader, record, context, score=score, last=self.turns == "last", reference=self.reference
        )
        done = keep_where(judged, decides(judged, score), self.keep, context.step)
        if only is not None:
            note_outcome(why, done, score, context)
        yield done

    def finish(self, context: Context) -> None:
        """See `PerRecord.finish`."""
        if self._only is not None:
            tell_asked(self._only, context, self.keep is not None)


NOT_ASKED = Missing("not_asked", "`only` does not ask about it")


def decides(record: Record, score: str) -> str:
    """The name of the score that a condition goes by: the level stated, where the score is an expectation."""
    level = score.replace(".", "_level.", 1)
    return level if level in record.scores else score


async def judge_record(
    grader: Grader,
    record: Record,
    context: Context,
    *,
    score: str,
    last: bool = False,
    reference: bool | str = False,
) -> Record:
    """`record` with the score of this name by the grader's rubric, level and spread where there are, and the note.

    last: judge the last turn alone
    reference: which reference answer the last turn is held against, as `reference_of` takes it
    """
    language = record.language
    rubric = grader.rubric(language)
    beside = [score.replace(".", f"_{name}.", 1) for name in ("level", "spread", "selectit")]
    if not record.scores.keys().isdisjoint(beside):
        kept = {name: old for name, old in record.scores.items() if name not in beside}
        record = record.but(scores=kept)
    judged_turns = exchanges(record, rubric)
    if not judged_turns:
        what = "answer" if rubric.judges_answer else "instruction"
        why = Missing(f"no_{what}", f"there is no {what} to judge")
        return record.with_score(score, why, context.event(score))
    known = reference_of(record, reference)
    note_reference(context, reference, known)
    # The reference answers the last turn; those before it have none.
    *earlier, latest = judged_turns[-1:] if last else judged_turns
    grades = [await grader.grade(*exchange, language, context) for exchange in earlier]
    grades.append(await grader.grade(*latest, language, context, known))
    answers = [answer for grade in grades for answer in grade.answers]
    event = context.event(score, *answers, prompt=grader.prompt(language, known))
    mean = _mean([grade.score for grade in grades])
    if mean is None:
        judged = record.with_score(score, _why_missing(grades), event)
    else:
        judged = record.with_score(score, mean, event, _note(grades))
    # Where no judge told log-probabilities the score is the level.
    level = _mean([grade.level for grade in grades]) if any(grade.expected for grade in grades) else None
    sure = _mean([grade.spread for grade in grades])
    weighed = _mean([grade.selectit for grade in grades])
    more = {
        name: value for name, value in zip(beside, (level, sure, weighed), strict=True) if value is not None
    }
    return judged.but(scores={**judged.scores, **more}) if more else judged


class Exchange(NamedTuple):
    """A conversation and the answer to its last turn; "" where the turn itself is judged."""

    conversation: Sequence[Message]
    answer: str


def exchanges(record: Record, rubric: Rubric) -> list[Exchange]:
    """What is judged of a record, one for each turn; none where its last turn still waits for an answer."""
    turns = record.messages
    if rubric.judges_answer:
        if not record.output.strip():
            return []
        asked = next((at for at, turn in enumerate(turns) if turn.role == "user"), len(turns))
        return [
            Exchange(turns[:at], turn_text(turn))
            for at, turn in enumerate(turns)
            if turn.role == "assistant" and not turn.is_empty and at > asked
        ]
    return [
        Exchange(turns[: at + 1], "")
        for at, turn in enumerate(turns)
        if turn.role == "user" and not turn.is_empty
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean; None where one of the values is missing, which no other can stand for."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _why_missing(grades: Sequence[Grade]) -> Missing:
    """Why the first turn without a score has none, which leaves the record without one."""
    at, grade = next((at, grade) for at, grade in enumerate(grades, start=1) if grade.score is None)
    where = f"turn {at} of {len(grades)}: " if len(grades) > 1 else ""
    return Missing(grade.kind, f"{where}{grade.reason}")


def _note(grades: Sequence[Grade]) -> str:
    if len(grades) == 1:
        return grades[0].reason
    return "\n".join(
        f"turn {at} ({grade.score:g}): {grade.reason}" for at, grade in enumerate(grades, start=1)
    )
