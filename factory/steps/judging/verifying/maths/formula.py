"""The formula in a final answer, and how the grammar of math-verify reads sets, intervals and inequalities."""

from __future__ import annotations

import re

from factory.steps.judging.verifying.maths.english import in_digits
from factory.steps.judging.verifying.maths.final_answer import Found
from factory.steps.judging.verifying.maths.quantity import powers

_WORD = re.compile(r"(?<!\\)(?<![A-Za-z\\])[A-Za-z]{3,}|[\u4e00-\u9fff]")
_MATHS = re.compile(r"\\[a-zA-Z]+")
_NAMES = "sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|arcsin|arccos|arctan|max|min|mod"
_FUNCTIONS = re.compile(rf"\b(?:{_NAMES})\b")
_HAN = re.compile(r"[\u4e00-\u9fff，。；：、？！（）]+")
# Words of a sentence in English, but for those that join formulas, and a mark before or behind them.
_ENGLISH = re.compile(
    rf"(?<![\\A-Za-z])(?!(?:{_NAMES}|or|and|pi|dx|dy|dt)\b)(?:[A-Za-z][a-z'’]{{2,}}|(?i:so|is|at|be|to|in|on|of|we|it|by|if|as|an)|(?<=\s)(?:a|I)(?=\s+[a-z]{{2}}))(?![A-Za-z(_^])[,:;]?"
)
# Full-width marks that are mathematics: 3：4, （3，-2）.
_WIDE = re.compile(
    r"(?<=\d)\s*：\s*(?=\d)|[{｛][^{}｛｝\u4e00-\u9fff]{1,60}[，][^{}｛｝\u4e00-\u9fff]{1,60}[}｝]|[（(][^（）()\u4e00-\u9fff]{1,60}，[^（）()\u4e00-\u9fff]{1,60}[）)]"
)
_ROUGHLY = re.compile(r"\s*(?:≈|\\approx(?![A-Za-z]))\s*(?=.)", re.DOTALL)
_NAME_OF_SET = re.compile(r"^[^{}=<>]*=\s*(?=\\?\{)|^[A-Za-z]\s*\\in\s*(?=[\[(\\])")
_BUILDER = re.compile(r"\\?\{\s*[A-Za-z]\s*(?:\\mid|\\vert|[|｜:])\s*(.+?)\\?\}", re.DOTALL)
_BETWEEN = re.compile(
    r"([^<>=\\]+|\\frac.+?)\s*(<|\\leq?)\s*[A-Za-z]\s*(<|\\leq?)(?![A-Za-z])\s*([^<>=]+)", re.DOTALL
)
_SIDE = re.compile(r"[A-Za-z]\s*(<|>|\\leq?|\\geq?)(?![A-Za-z])\s*([^<>=,]+)")
_FULL_WIDTH = {at: at - 0xFEE0 for at in range(0xFF01, 0xFF5F)}
_INLINE = re.compile(r"\$\$?([^$]{1,1000})\$\$?|\\\((.{1,1000}?)\\\)|\\\[(.{1,1000}?)\\\]", re.DOTALL)
_BOUNDED = re.compile(r"[<>]|\\[lg]e|^\s*[\[(].*,.*[\])]\s*$", re.DOTALL)
_IS = (
    r"([A-Za-z])\s*(?:的值)?\s*(?:(?:must|has to|should|can|to)\s+be|is|be|必须|应该?|要)?\s*(?:strictly\s+)?"
)
_COMPARED = tuple(
    (re.compile(rf"(?<![A-Za-z\\]){_IS}(?:{words})\s*(?=[-−\d\\(])"), rf"\1 {sign} ")
    for words, sign in (
        (
            "(?:greater|larger|more) than or equal to|at least|(?:no|not) less than"
            "|大于或?等于|不小于|不少于|至少[是为]?",
            r"\\ge",
        ),
        (
            "(?:less|smaller) than or equal to|at most|(?:no|not) (?:more|greater) than"
            "|小于或?等于|不大于|不超过|至多[是为]?",
            r"\\le",
        ),
        ("(?:greater|larger|more) than|above|大于", ">"),
        ("(?:less|smaller|fewer) than|below|小于", "<"),
    )
)


def is_formula(said: str) -> bool:
    """Whether a text is mathematics rather than words."""
    return not _WORD.search(_FUNCTIONS.sub("", _MATHS.sub(" ", said)))


def formula_of(found: Found, response: str) -> str:
    """The formula of a final answer: the last one set as such, or all of it."""
    if found.how == "boxed":
        return found.phrase
    inline = _INLINE.findall(found.phrase)
    if not inline and found.how == "last_line":
        inline = _INLINE.findall(response[-4000:])
    if inline:
        return "".join(map(str, inline[-1]))
    # Of 比是3:4, and of "the lines meet at (2, -1)", the last piece without words.
    said = _WIDE.sub(lambda wide: wide[0].translate(_FULL_WIDTH), found.phrase)
    pieces = [piece for piece in _HAN.split(said) if re.search(r"\w", piece)]
    said = pieces[-1].strip(" .=") if pieces else found.phrase.strip(" .。")
    pieces = [piece.strip(" .,;:") for piece in _ENGLISH.split(said) if re.search(r"[\d∞{]|\\[a-z]", piece)]
    return pieces[-1] if pieces else said


def bounds_in_signs(found: Found, reference: str) -> Found:
    """A final answer with "x is at least 7" and x不小于7 as x ≥ 7, where the reference has bounds."""
    if not _BOUNDED.search(reference):
        return found
    phrase = in_digits(found.phrase)
    for pattern, by in _COMPARED:
        phrase = pattern.sub(by, phrase)
    return found._replace(phrase=phrase)


def as_formulas(reference: str, formula: str) -> tuple[str, str]:
    """A reference and an answer as the grammar reads them; an inequality is an interval where the other is one."""
    gold = formula_of(Found(reference, "marked"), "")
    gold, formula = (_tidy(powers(one.translate(_FULL_WIDTH))) for one in (gold, formula))
    if not re.search("[=<>]", gold) and "=" in formula and not re.search("[<>,]", formula):
        formula = formula.rpartition("=")[2].strip()
    if gold[:1] in "([":
        formula = _one_sided(formula)
    elif formula[:1] in "([":
        gold = _one_sided(gold)
    return gold, formula


def _tidy(formula: str) -> str:
    """A formula as the grammar reads sets: {1,2} with braces that are printed, and a condition for {x | x < 3}."""
    formula = _ROUGHLY.split(formula.strip().replace("−", "-"))[0]
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
