"""Whether a response's final answer is the reference: as options, as numbers, as formulas, or as a word."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from factory.data.record import Missing
from factory.data.text import shorten
from factory.steps.judging.verifying.answers import PASSED, Verdict
from factory.steps.judging.verifying.maths.choice import named_circled, named_options, reference_options
from factory.steps.judging.verifying.maths.clock import Clock, last_clock, read_clock
from factory.steps.judging.verifying.maths.dates import Date, named_date, read_date
from factory.steps.judging.verifying.maths.english import english_number, in_digits
from factory.steps.judging.verifying.maths.final_answer import Found, final_answer
from factory.steps.judging.verifying.maths.formula import as_formulas, bounds_in_signs, formula_of, is_formula
from factory.steps.judging.verifying.maths.quantity import (
    Quantity,
    plain,
    quantities_in,
    read_quantity,
)
from factory.steps.judging.verifying.maths.sets import named_set, reference_set
from factory.steps.judging.verifying.maths.solutions import Solutions, named_solutions, reference_solutions
from factory.steps.judging.verifying.maths.spelling import spelled
from factory.steps.judging.verifying.maths.words import same_words
from factory.steps.judging.verifying.worker.pool import JobFailed, do_job

FAILED, NO_FINAL_ANSWER = "failed", "no_final_answer"
_MOST_FORMULA = 1000
_SAID = 80
_EXACT = re.compile(r"=([^=≈]{1,60})(?:≈|\\approx(?![A-Za-z]))[^=≈]{1,40}$")
_EQUALS = re.compile(r"[=≈]|等于|约为")
# Of several numbers in a sentence the one right behind its verb: 6排一共有48人.
_VERB = re.compile(
    r"(?:有|共|是|为|要|需|剩|得|等于|\b(?:is|are|has|have|had|equals|be)\b)\s*(?=[-−$€£¥]?\s?[\d一二三四五六七八九十两百千])"
)
# What it is more or less than is no result: 甲今年25岁，比乙大3岁.
_COMPARED = re.compile(r"(?<=.)[，,]\s*(?:他|她|它)?比[^，,]{1,40}$")
# What is given, behind what is said of it: she has 10 left, after giving 5 of her 15 away.
_GIVEN = re.compile(
    r"(?<=\w),?\s+(?:after|because|since|given that|out of (?:the|her|his|their|its)|when|(?:even )?though)"
    r"\s.*$|(?<=\w),\s+(?:(?:and|while)\s+)?the other(?:s|\s+(?:two|three|four))\s.*$"
    r"|(?<=\w),\s+of (?:whom|which)\s.*$|[,，]\s*(?:其中|(?:另外|其余)[两二三四几]个).*$",
    re.DOTALL,
)
# A number with what is counted before it: 鸡6只, 第5; not 超过5.
_LABELLED = re.compile(
    r"(?:第|[\u4e00-\u9fff]{1,6}?(?<![大小多少超不约至低高于过上下前后]))(?=\d)(.{1,20})", re.DOTALL
)
# What is said beside an answer.
_ASIDE = re.compile(
    r"(?<=\w)\s*[(（](?=[^()（）]*\d)(?=[^()（）]*(?:[\u4e00-\u9fff]|\b(?!mod\b|sin\b|cos\b|tan\b|log\b|sqrt\b)[a-z]{3}))[^()（）\\]{1,80}[)）]"
    r"|[，,;；]?\s*(?:当且仅当|if and only if).*$",
    re.DOTALL,
)
_SENTENCES = re.compile(r"[。！？!?;；]")
_CHECKS = re.compile(r"\s*(?:经?(?:验证|检验|验算|核对|代入)|check\b|verif)", re.IGNORECASE)
_ABOUT = re.compile(r"^(?:约为|约等于|大约[是为]?|约|≈|\\approx)\s*(?=[-\d$])")


class Reference(NamedTuple):
    """What a response's final answer is held against, as it is read: the first of these that it is."""

    said: str
    options: frozenset[str] | None
    quantity: Quantity | None
    clock: Clock | None = None
    solutions: Solutions | None = None
    date: Date | None = None
    elements: frozenset[Fraction] | None = None


def read_reference(text: str) -> Reference | Missing:
    """A reference: a final answer by itself, or a solution that marks it (####, \\boxed, "The answer is")."""
    text = _ABOUT.sub("", spelled(text.strip()))
    found = final_answer(text)
    if found is None:
        return Missing("no_reference", "its reference says nothing")
    if found.how == "last_line" and "\n" in text:
        return Missing("bad_reference", f"its reference marks no final answer: {shorten(text, _SAID)}")
    said = found.phrase if found.how != "last_line" else text
    said = english_number(said) or said
    if len(said) > _MOST_FORMULA:
        return Missing("bad_reference", f"its reference has {len(said):,} characters, too many for an answer")
    labelled = _LABELLED.fullmatch(plain(said))
    quantity = read_quantity(said) or (read_quantity(labelled[1]) if labelled else None)
    return Reference(
        said,
        reference_options(said),
        quantity,
        read_clock(said),
        reference_solutions(said),
        read_date(plain(said)),
        reference_set(said),
    )


async def compare(response: str, reference: Reference, seconds: float) -> Verdict:
    """The verdict on a response."""
    response = spelled(response)
    found = final_answer(response)
    if found is None:
        return Verdict(NO_FINAL_ANSWER, "it says nothing")
    if reference.options is not None:
        circled = min(reference.options) > "Z"
        named = named_circled(found) if circled else named_options(found)
        if named is None:
            return Verdict(NO_FINAL_ANSWER, _differs(found.phrase, reference))
        return _verdict(named == reference.options, ", ".join(sorted(named)), reference)
    found = _without_asides(found)
    if reference.date is not None:
        date = named_date(plain(found.phrase))
        if date is None:
            return Verdict(NO_FINAL_ANSWER, _differs(found.phrase, reference))
        return _verdict(date.equals(reference.date), found.phrase, reference)
    if reference.clock is not None and (clock := last_clock(found.phrase)) is not None:
        same = clock.equals(reference.clock)
        if same or reference.clock.sure:  # 3:15 may be a ratio, 3:15 pm is none
            return _verdict(same, found.phrase, reference)
    if reference.solutions is not None:
        return await _as_solutions(found, reference, seconds)
    if reference.quantity is not None:
        if found.how != "boxed":
            found = found._replace(phrase=in_digits(found.phrase))
        quantity = answered_quantity(found, response)
        if quantity is not None:
            return _verdict(quantity.equals(reference.quantity), quantity.said, reference)
        if found.how == "last_line" or not is_formula(formula_of(found, response)):
            return Verdict(NO_FINAL_ANSWER, _differs(found.phrase, reference))
    if not is_formula(reference.said):
        return _as_words(found, reference)
    if reference.elements is not None and (listed := named_set(found.phrase)) is not None:
        return _verdict(listed == reference.elements, found.phrase, reference)
    found = bounds_in_signs(found, reference.said)
    formula = formula_of(found, response)
    if not is_formula(formula) and (spoken := answered_quantity(found, "")) is not None:
        formula = str(spoken.value)
    return await _as_formulas(formula, reference, seconds)


async def _as_solutions(found: Found, reference: Reference, seconds: float) -> Verdict:
    gold, said = reference.solutions, named_solutions(found.phrase)
    if gold is not None and said is None and len(gold.names) == 1:
        listed = named_set(found.phrase)
        if listed is not None:
            same = sorted(gold.values) == sorted(str(value) for value in listed)
            return _verdict(same, found.phrase, reference)
    if gold is None or said is None:
        return Verdict(NO_FINAL_ANSWER, _differs(found.phrase, reference))
    if gold.names != said.names or len(gold.values) != len(said.values):
        return Verdict(FAILED, _differs(found.phrase, reference))
    if sorted(gold.values) == sorted(said.values) and (len(gold.names) == 1 or gold.values == said.values):
        return Verdict(PASSED, shorten(found.phrase, _SAID))
    return await _as_formulas(said.as_formula(), reference._replace(said=gold.as_formula()), seconds)


def answered_quantity(found: Found, response: str) -> Quantity | None:
    """The number that a final answer says, or that the last lines of a response come to; None: it says none."""
    # Of 2 * 1/9 = 2/9 ≈ 0.222 what is exact.
    if (exact := _EXACT.search(found.phrase)) and (whole := read_quantity(exact[1])) is not None:
        return whole
    parts = [found.phrase]
    if len(split := _EQUALS.split(found.phrase)) > 1:
        parts.append(split[-1])
    for part in parts:
        if (whole := read_quantity(part)) is not None:
            return whole
    if found.how == "boxed":
        # What stands in a box is the answer, whole: a formula is no number in it.
        return None
    if (spoken := _spoken_result(found.phrase)) is not None:
        return spoken
    numbers = quantities_in(_main_clause(_COMPARED.sub("", found.phrase)))
    if len(parts) > 1 and (results := quantities_in(parts[-1])):
        return results[0]
    if len(numbers) > 1 and found.how != "last_line":
        said = plain(_COMPARED.sub("", found.phrase))
        *_, result = _VERB.split(said)
        if result != said and (results := quantities_in(result)):
            return results[0]
        if said.startswith(numbers[0].said):
            return _of_clause(said) or numbers[0]
        return numbers[-1]
    if numbers:
        return numbers[-1]
    for line in reversed(response[-4000:].splitlines()):
        *_, result = _EQUALS.split(line)
        if result != line and (numbers := quantities_in(result)):
            return numbers[0]
        if numbers := quantities_in(line):
            return numbers[-1]
    return None


def _main_clause(phrase: str) -> str:
    """A sentence in English without the clause that ends it with what was given, where a number is before that."""
    main = _GIVEN.sub("", phrase)
    return main if re.search(r"\d", main) else phrase


def _spoken_result(phrase: str) -> Quantity | None:
    """The number in words in which a sentence with others ends behind its verb: 摸5次，概率是五分之二."""
    said = plain(phrase)
    *_, result = _VERB.split(said)
    first = re.match(r"[-−$€£¥]?\d[^,;，；]*", said)  # a clause that begins with a number may be the answer
    if result == said or re.search(r"\d", result) or (first and not first[0].endswith(result)):
        return None
    return read_quantity(result)


def _of_clause(said: str) -> Quantity | None:
    """The last of several numbers in a first clause in Chinese, where what is given comes first: 6排一共坐了48人."""
    clause = re.split(r"[,;，；]", said)[0]
    numbers = quantities_in(clause)
    return numbers[-1] if len(numbers) > 1 and re.search(r"[\u4e00-\u9fff]", clause) else None


def _verdict(equal: bool, said: str, reference: Reference) -> Verdict:
    return Verdict(PASSED, said) if equal else Verdict(FAILED, _differs(said, reference))


def _differs(said: str, reference: Reference) -> str:
    return f"{shorten(said, _SAID)!r}, where the reference is {shorten(reference.said, _SAID)!r}"


def _as_words(found: Found, reference: Reference) -> Verdict:
    same = same_words(found.phrase, reference.said)
    if same is not None:
        return _verdict(same, found.phrase, reference)
    why = f"the reference is in words, which no rule compares: {shorten(reference.said, _SAID)}"
    return Verdict(Missing("in_words", why), shorten(found.phrase, _SAID))


def _without_asides(found: Found) -> Found:
    """A final answer without what is said beside it: 18（其中甲 10，乙 8）, 最小值为4，当且仅当x=2时取等号."""
    phrase = _ASIDE.sub("", found.phrase)
    if found.how == "last_line":
        sentences = [one for one in _SENTENCES.split(phrase) if re.search(r"\w", one)]
        said = [one for one in sentences if not _CHECKS.match(one)] or sentences
        # A sum before the last sentence that has a number is no result: 15÷3=5. 所以原来有15人.
        if len(sentences) > len(said) or any("=" in one or "＝" in one for one in said[:-1]):
            phrase = next((one for one in reversed(said) if quantities_in(one)), phrase)
    return found._replace(phrase=phrase) if re.search(r"\w", phrase) else found


async def _as_formulas(formula: str, reference: Reference, seconds: float) -> Verdict:
    if len(formula) > _MOST_FORMULA:
        return Verdict(FAILED, f"{len(formula):,} characters, too many for an answer")
    gold, formula = as_formulas(reference.said, formula)
    try:
        told = await do_job("formula", {"gold": gold, "answer": formula}, seconds)
    except JobFailed as error:
        return Verdict(Missing(error.kind, str(error)), shorten(formula, _SAID))
    if not told["gold"]:
        why = f"its reference cannot be read as mathematics: {shorten(reference.said, _SAID)}"
        return Verdict(Missing("bad_reference", why), shorten(formula, _SAID))
    if not told["answer"]:
        return Verdict(NO_FINAL_ANSWER, _differs(formula, reference))
    return _verdict(bool(told["equal"]), formula, reference)
