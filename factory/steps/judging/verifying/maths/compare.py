"""Whether a response's final answer is the reference: as options, as numbers, as formulas, or as a word."""

from __future__ import annotations

import re
from typing import NamedTuple

from factory.data.record import Missing
from factory.data.text import shorten
from factory.steps.judging.verifying.answers import PASSED, Verdict
from factory.steps.judging.verifying.maths.choice import named_circled, named_options, reference_options
from factory.steps.judging.verifying.maths.clock import Clock, last_clock, read_clock
from factory.steps.judging.verifying.maths.final_answer import Found, final_answer
from factory.steps.judging.verifying.maths.quantity import (
    Quantity,
    plain,
    powers,
    quantities_in,
    read_quantity,
)
from factory.steps.judging.verifying.maths.solutions import Solutions, named_solutions, reference_solutions
from factory.steps.judging.verifying.maths.spelling import spelled
from factory.steps.judging.verifying.maths.words import same_words
from factory.steps.judging.verifying.worker.pool import JobFailed, do_job

FAILED, NO_FINAL_ANSWER = "failed", "no_final_answer"
_MOST_FORMULA = 1000
_SAID = 80
_EQUALS = re.compile(r"[=≈]|等于|约为")
# Of several numbers in a sentence the one right behind its verb: 6排一共有48人.
_VERB = re.compile(
    r"(?:有|共|是|为|要|需|剩|得|等于|\b(?:is|are|has|have|had|equals|be)\b)\s*(?=[-−$€£¥]?\s?[\d一二三四五六七八九十两百千])"
)
# What it is more or less than is no result: 甲今年25岁，比乙大3岁.
_COMPARED = re.compile(r"(?<=.)[，,]\s*(?:他|她|它)?比[^，,]{1,40}$")
# A number with what is counted before it: 鸡6只, 第5; not 超过5.
_LABELLED = re.compile(
    r"(?:第|[\u4e00-\u9fff]{1,6}?(?<![大小多少超不约至低高于过上下前后]))(?=\d)(.{1,20})", re.DOTALL
)
_WORD = re.compile(r"(?<!\\)(?<![A-Za-z\\])[A-Za-z]{3,}|[\u4e00-\u9fff]")
_MATHS = re.compile(r"\\[a-zA-Z]+")
_FUNCTIONS = re.compile(r"\b(?:sin|cos|tan|cot|sec|csc|log|exp|sqrt|arcsin|arccos|arctan|max|min|mod)\b")
_HAN = re.compile(r"[\u4e00-\u9fff，。；：、？！（）]+")
# Full-width marks that are mathematics: 3：4, （3，-2）.
_WIDE = re.compile(
    r"(?<=\d)\s*：\s*(?=\d)|[{｛][^{}｛｝\u4e00-\u9fff]{1,60}[，][^{}｛｝\u4e00-\u9fff]{1,60}[}｝]|[（(][^（）()\u4e00-\u9fff]{1,60}，[^（）()\u4e00-\u9fff]{1,60}[）)]"
)
# What is said beside an answer.
_ASIDE = re.compile(
    r"(?<=\w)\s*[(（](?=[^()（）]*\d)(?=[^()（）]*[\u4e00-\u9fff])[^()（）]{1,80}[)）]"
    r"|[，,;；]?\s*(?:当且仅当|if and only if).*$",
    re.DOTALL,
)
_SENTENCES = re.compile(r"[。！？!?;；]")
_CHECKS = re.compile(r"\s*(?:经?(?:验证|检验|验算|核对|代入)|check\b|verif)", re.IGNORECASE)
_ABOUT = re.compile(r"^(?:约为|约等于|大约[是为]?|约|≈|\\approx)\s*(?=[-\d$])")
_ROUGHLY = re.compile(r"\s*(?:≈|\\approx(?![A-Za-z]))\s*(?=.)", re.DOTALL)
_NAME_OF_SET = re.compile(r"^[^{}=<>]*=\s*(?=\\?\{)|^[A-Za-z]\s*\\in\s*(?=[\[(\\])")
_BUILDER = re.compile(r"\\?\{\s*[A-Za-z]\s*(?:\\mid|\\vert|[|｜:])\s*(.+?)\\?\}", re.DOTALL)
_BETWEEN = re.compile(
    r"([^<>=\\]+|\\frac.+?)\s*(<|\\leq?)\s*[A-Za-z]\s*(<|\\leq?)(?![A-Za-z])\s*([^<>=]+)", re.DOTALL
)
_SIDE = re.compile(r"[A-Za-z]\s*(<|>|\\leq?|\\geq?)(?![A-Za-z])\s*([^<>=,]+)")
_FULL_WIDTH = {at: at - 0xFEE0 for at in range(0xFF01, 0xFF5F)}
_INLINE = re.compile(r"\$\$?([^$]{1,1000})\$\$?|\\\((.{1,1000}?)\\\)|\\\[(.{1,1000}?)\\\]", re.DOTALL)


class Reference(NamedTuple):
    """What a response's final answer is held against, as it is read: the first of these that it is."""

    said: str
    options: frozenset[str] | None
    quantity: Quantity | None
    clock: Clock | None = None
    solutions: Solutions | None = None


def read_reference(text: str) -> Reference | Missing:
    """A reference: a final answer by itself, or a solution that marks it (####, \\boxed, "The answer is")."""
    text = _ABOUT.sub("", spelled(text.strip()))
    found = final_answer(text)
    if found is None:
        return Missing("no_reference", "its reference says nothing")
    if found.how == "last_line" and "\n" in text:
        return Missing("bad_reference", f"its reference marks no final answer: {shorten(text, _SAID)}")
    said = found.phrase if found.how != "last_line" else text
    if len(said) > _MOST_FORMULA:
        return Missing("bad_reference", f"its reference has {len(said):,} characters, too many for an answer")
    labelled = _LABELLED.fullmatch(plain(said))
    quantity = read_quantity(said) or (read_quantity(labelled[1]) if labelled else None)
    return Reference(said, reference_options(said), quantity, read_clock(said), reference_solutions(said))


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
    if reference.clock is not None and (clock := last_clock(found.phrase)) and clock.equals(reference.clock):
        return Verdict(PASSED, shorten(found.phrase, _SAID))
    if reference.solutions is not None:
        return await _as_solutions(found, reference, seconds)
    if reference.quantity is not None:
        quantity = answered_quantity(found, response)
        if quantity is not None:
            return _verdict(quantity.equals(reference.quantity), quantity.said, reference)
        if found.how == "last_line" or not _is_formula(_formula(found, response)):
            return Verdict(NO_FINAL_ANSWER, _differs(found.phrase, reference))
    if not _is_formula(reference.said):
        return _as_words(found, reference)
    formula = _formula(found, response)
    if not _is_formula(formula) and (spoken := answered_quantity(found, "")) is not None:
        formula = str(spoken.value)
    return await _as_formulas(formula, reference, seconds)


async def _as_solutions(found: Found, reference: Reference, seconds: float) -> Verdict:
    gold, said = reference.solutions, named_solutions(found.phrase)
    if gold is None or said is None:
        return Verdict(NO_FINAL_ANSWER, _differs(found.phrase, reference))
    if gold.names != said.names or len(gold.values) != len(said.values):
        return Verdict(FAILED, _differs(found.phrase, reference))
    if sorted(gold.values) == sorted(said.values) and (len(gold.names) == 1 or gold.values == said.values):
        return Verdict(PASSED, shorten(found.phrase, _SAID))
    return await _as_formulas(said.as_formula(), reference._replace(said=gold.as_formula()), seconds)


def answered_quantity(found: Found, response: str) -> Quantity | None:
    """The number that a final answer says, or that the last lines of a response come to; None: it says none."""
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
    numbers = quantities_in(_COMPARED.sub("", found.phrase))
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
    return numbers[-1] if len(numbers) > 1 and _HAN.search(clause) else None


def _verdict(equal: bool, said: str, reference: Reference) -> Verdict:
    return Verdict(PASSED, said) if equal else Verdict(FAILED, _differs(said, reference))


def _differs(said: str, reference: Reference) -> str:
    return f"{shorten(said, _SAID)!r}, where the reference is {shorten(reference.said, _SAID)!r}"


def _is_formula(said: str) -> bool:
    """Whether a text is mathematics rather than words."""
    return not _WORD.search(_FUNCTIONS.sub("", _MATHS.sub(" ", said)))


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


def _formula(found: Found, response: str) -> str:
    """The formula of a final answer: the last one set as such, or all of it."""
    if found.how == "boxed":
        return found.phrase
    inline = _INLINE.findall(found.phrase)
    if not inline and found.how == "last_line":
        inline = _INLINE.findall(response[-4000:])
    if inline:
        return "".join(map(str, inline[-1]))
    # Of 比是3:4 the last piece without Chinese.
    said = _WIDE.sub(lambda wide: wide[0].translate(_FULL_WIDTH), found.phrase)
    pieces = [piece for piece in _HAN.split(said) if re.search(r"\w", piece)]
    return pieces[-1].strip(" .=") if pieces else found.phrase.strip(" .。")


def _tidy(formula: str) -> str:
    """A formula as the grammar reads sets: {1,2} with braces that are printed, and a condition for {x | x < 3}."""
    formula = _ROUGHLY.split(formula.strip())[0]
    formula = _NAME_OF_SET.sub("", formula.replace("∪", r"\cup "))
    if builder := _BUILDER.fullmatch(formula):
        formula = builder[1].strip()
    if chain := _BETWEEN.fullmatch(formula):
        return f"{'(' if chain[2] == '<' else '['}{chain[1]}, {chain[4]}{')' if chain[3] == '<' else ']'}"
    braces = re.fullmatch(r"\\?\{(.*?)\\?\}", formula)
    return rf"\{{{braces[1]}\}}" if braces else formula


def _one_sided(formula: str) -> str:
    """The interval that an inequality says: x > 2 as (2, \\infty)."""
    if not (match := _SIDE.fullmatch(formula)):
        return formula
    bound, closed = match[2].strip(), match[1] not in "<>"
    if match[1] in (">", "\\ge", "\\geq"):
        return rf"{'[' if closed else '('}{bound}, \infty)"
    return rf"(-\infty, {bound}{']' if closed else ')'}"


async def _as_formulas(formula: str, reference: Reference, seconds: float) -> Verdict:
    if len(formula) > _MOST_FORMULA:
        return Verdict(FAILED, f"{len(formula):,} characters, too many for an answer")
    gold = _formula(Found(reference.said, "marked"), "")
    gold, formula = (_tidy(powers(one.translate(_FULL_WIDTH))) for one in (gold, formula))
    if gold[:1] in "([":
        formula = _one_sided(formula)
    elif formula[:1] in "([":
        gold = _one_sided(gold)
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
