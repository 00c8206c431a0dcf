r"""The final answer of a worked solution in one form, so that solutions can be counted by it.

It is the one that `final_answer` finds marked (in a box, behind "####", "answer is" or 答案是), else the last number.
Answers that are one number are made one: 1,000 and 1000.0, 1/2 and \frac{1}{2} and 0.5, ４ and 四.
Others are compared as texts. Nothing is computed, so that \sqrt{4} and 2 are two answers.

Source: self-consistency (arXiv 2203.11171), which votes by the final answer.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from factory.data.text import word_count
from factory.steps.judging.grading.numerals import whole_number
from factory.steps.judging.verifying.maths.final_answer import final_answer

_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3}){1,13}|\d{1,40})(?:\.\d{1,40})?(?:\s*/\s*\d{1,40})?\s*%?")
_IS_NUMBER = re.compile(r"-?\d+(?:/\d+)?%?")
_MOST_WORDS = 8
"""Words of an answer that is no number; what is longer goes on to work it out."""
_FRACTION = re.compile(r"\\[dtc]?frac\s*\{\s*([-+]?\d{1,40})\s*\}\s*\{\s*(\d{1,40})\s*\}")
_WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}")
_NOISE = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|\\[,;:! ()\[\]]|[$£€¥￥*`]")
_GLUED = re.compile(r"[A-Za-z](?![A-Za-z])")
"""A letter alone right behind a number: a variable times it."""
_OF_HAN = re.compile(r"([零一二两三四五六七八九十]{1,4}|百)分之([零一二两三四五六七八九十]{1,4})")


def counted_answer(text: str) -> str:
    """The final answer of a solution in a form in which equal ones are equal; "" where there is none."""
    plain = unicodedata.normalize("NFKC", text)
    found = final_answer(plain)
    if found is None:
        return ""
    if found.how != "last_line":
        said = _normal(found.phrase)
        short = _IS_NUMBER.fullmatch(said) or word_count(found.phrase) <= _MOST_WORDS
        if said and (found.how == "boxed" or short):
            return said
    numbers = _NUMBER.findall(_simple(plain))
    return _number(numbers[-1]) if numbers else ""


def _simple(text: str) -> str:
    r"""A text without what only sets it: fractions as a/b, no \text, no $, no space of LaTeX, no emphasis."""
    text = _WRAPPED.sub(r" \1", _FRACTION.sub(r"\1/\2", text))
    return _NOISE.sub("", text.replace("\\%", "%").replace("\u2212", "-"))


def _normal(said: str) -> str:
    simple = " ".join(_simple(said).split()).strip(" .,:")
    if of := _OF_HAN.search(simple):
        below, above = (100 if of[1] == "百" else whole_number(of[1])), whole_number(of[2])
        if below and above is not None:
            return f"{above}%" if of[1] == "百" else str(Fraction(above, below))
    if (number := whole_number(simple)) is not None:
        return str(number)
    numbers = list(_NUMBER.finditer(simple))
    if len(numbers) == 1:
        before, after = simple[: numbers[0].start()], simple[numbers[0].end() :]
        # "x = 42" and "42 apples" are 42; "3x + y", "x^2" and "\\sqrt{3}" are not 3, 2 and 3.
        glued = _GLUED.match(after) or (before[-1:].isascii() and before[-1:].isalpha())
        if not glued and _is_words(before) and _is_words(after):
            return _number(numbers[0][0])
    return re.sub(r"\s+", "", simple).strip("()[]").casefold()


def _is_words(text: str) -> bool:
    return all(letter.isalpha() or letter in " =:,()[].°'\"" for letter in text)


def _number(said: str) -> str:
    """A number as a fraction in lowest terms, whole where it is, a percentage as one."""
    digits = said.replace(",", "").replace(" ", "")
    above, _, below = digits.rstrip("%").partition("/")
    if below and not int(below):
        return digits
    value = Fraction(above) / (int(below) if below else 1)
    return f"{value}{'%' * digits.endswith('%')}"
