"""Hold the final answer of each response against a reference."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from factory.data.record import Candidate, Missing, Record
from factory.data.text import turn_text
from factory.errors import MissingDependency
from factory.step import Context
from factory.steps.judging.grading.reference import reference_of
from factory.steps.judging.verifying.answers import REFERENCE, Verdict, VerifiesAnswers
from factory.steps.judging.verifying.maths.compare import compare, read_reference


class VerifyMath(VerifiesAnswers):
    """Hold the final answer of each response against a reference: numbers, multiple choice, formulas.

    The reference stands in a column of the row: the one that `reference` names, else the first of reference_answer,
    reference, gold, ground_truth, answer, solution, 参考答案, 标准答案 and the like. Without one it is the answer that
    the row came with (GSM8K's "#### 42") where models wrote the others: `respond` with `overwrite` and `keep_old` keeps
    it; its verdict is "reference", and it counts as no answer. A reference of several lines must mark its final answer
    (####, \\boxed{}, "The answer is", 答案是).

    A response's final answer is its last \\boxed{...}; else its last line "#### ..."; else what stands behind its last
    "the answer is", "Answer:", 答案是, 答： or 故选; else its last line, of which the number behind the last "="
    counts, or the last number. It is the reference where

    - both name the same options: A, (A), A. text, 选A, 故选：A、C, ②③;
    - both are the same number, compared as fractions: 1,234 and 1234, 3/4 and 0.75, 三分之一, 百分之二十, 一万二千,
      2.5万, \\frac{1}{3}, "two and a half". Of units of one kind the amounts must be the same (5 km is 5000 m,
      2小时30分 is 150 minutes, 8角 is 0.8元); where one has no unit, the numbers. Words that are no unit of measure
      do not count. 20 % is 20 as well as 0.2. A decimal may stand for a fraction without end where it is that rounded,
      to four digits or more (0.3333);
    - both are the same solutions (x=±2 and x_1=2, x_2=-2), time of the day (下午3:30 and 15:30), day of the week, or
      day of a year (March 5 and 3月5日; one without a year may be of any);
    - both are the same formula, set or interval, by math-verify, in a process apart that is ended after `seconds`; a
      sentence may list a set (the divisors are 1, 2 and 4) or say a bound (x is at least 7, x不小于7);
    - a reference in one word is the same word, or yes or no (是, 不能, 正确), which the answer begins with, or
      says of the same verb; or it says that there is no solution (空集, 无解, no solution).

    Verdicts are "passed", "failed" and "no_final_answer"; of several answers they stand beside each. The score
    "verify_math" is 1 where the answer that ends the conversation passes and else 0; "verify_math.pass_rate" is the
    share of the answers that pass, "verify_math.n" over how many. A row without a reference, a reference that cannot be
    read, or a formula that takes too long has no verdict: the score is missing, counted, and told at the end. The facts
    have the share of answers that pass with its 95 % interval.

    Use the pass rate as a difficulty (`keep_pass_rate`; "verify_math.fail_rate" is 1 less it), and the verdict as a
    floor. Keeping verified answers alone brought no gain over keeping all in the largest study of it (OpenThoughts,
    arXiv 2506.04178).

    With `keep` or `keep_pass_rate` a record is dropped as "not_verified", "too_hard" or "too_easy", and set aside as
    failed ("no_verdict") where the score that it goes by is missing.

    Source: math-verify; the pass rate of sampled answers as a difficulty: OpenThoughts (arXiv 2506.04178). Numerals,
    units and the rule of what is equal are ours.

    Example:
        - verify_math: {reference: gold}
        - verify_math: {keep_pass_rate: "0.1..0.9", choose: verified, keep: verified}
    """

    name: ClassVar[str] = "verify_math"
    what: ClassVar[str] = "math"
    needs: ClassVar[str] = "a reference answer in a column of the row, which `reference` names"

    reference: str = ""
    """The column that holds the reference answer; "" looks for the usual ones."""
    seconds: float = Field(5.0, gt=0, le=600)
    """Most time that comparing two formulas may take."""

    def check_ready(self) -> None:
        """See `Step.check_ready`."""
        import importlib.util

        if importlib.util.find_spec("math_verify") is None:
            raise MissingDependency(
                f"{self.name}: needs the package math-verify: pip install 'math-verify[antlr4_13_2]'"
            )

    async def verdicts(
        self, record: Record, answers: Sequence[Candidate], context: Context
    ) -> list[Verdict] | Missing:
        """See `VerifiesAnswers.verdicts`."""
        said = reference_of(record, self.reference or True) if self.reference or record.meta else ""
        own = -1
        if not said and not self.reference:
            said, own = _old_answer(record)
        if not said:
            where = "in any of the usual columns"
            if self.reference:
                # A column such as `answer` may have been read as the answer of the row.
                where = f"in {self.reference!r}; where that is the row's own answer, leave `reference` out, and have "
                where += "`respond` write others beside it: `overwrite: true, keep_old: true`"
            return Missing("no_reference", f"there is no reference answer {where}")
        reference = read_reference(said)
        if isinstance(reference, Missing):
            return reference

        async def verdict(at: int, answer: Candidate) -> Verdict:
            if at == own:
                return Verdict(REFERENCE)
            text = turn_text(answer.turns[-1]) if answer.turns else ""
            return await compare(text, reference, self.seconds)

        return list(await asyncio.gather(*(verdict(*one) for one in enumerate(answers))))


def _old_answer(record: Record) -> tuple[str, int]:
    """The answer that a row came with, where others stand beside it, and its place among the answers, or -1."""
    if record.answers and record.chosen < 0:
        return record.output, -1
    old = [at for at, answer in enumerate(record.answers) if not answer.model]
    if len(old) != 1 or len(record.answers) < 2:
        return "", -1
    return record.answers[old[0]].text, old[0]
