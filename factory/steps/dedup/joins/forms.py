"""One way to write a text, for comparison: which marks are punctuation, and which are signs that mean something."""

from __future__ import annotations

import re
import unicodedata

# What no reader sees: soft hyphens, zero-width spaces, byte order marks, marks of reading direction, of style.
_UNSEEN = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufe0e\ufe0f\ufeff]")
# NFKC makes x² and x2 the same text, which no mathematician would.
_RAISED = re.compile("([\u00b2\u00b3\u00b9\u2070-\u207f]+)|([\u2080-\u208e]+)")
_ONE_WAY_TO_WRITE = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′", "'"),
        **dict.fromkeys("“”„‟″«»「」『』", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("。।॥։።។။", "."),
        **dict.fromkeys("、،", ","),
        "؟": "?",
        "؛": ";",
    }
)
# Han characters and kana, between which neither marks nor spaces tell words apart. (Korean has its spaces.)
CJK = "\u3005-\u3007\u3041-\u3096\u30a1-\u30fa\u30fc\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
# Whatever is neither a word nor part of one, a vowel sign for example, beside which a space says nothing.
_SIGN = (
    r"!-/:-@\[-`{-~\u00a1-\u00a9\u00ab-\u00b1\u00b4-\u00b8\u00bb\u00bf\u00d7\u00f7\u2010-\u206f\u20a0-\u20cf"
    r"\u2190-\u2bff\u3001-\u3004\u3008-\u3020\u3030\u303d-\u303f\U0001f000-\U0001faff"
)
_NEEDLESS_SPACE = re.compile(rf" (?:(?=[{_SIGN}{CJK}])|(?<=[{_SIGN}{CJK}] ))")
_NEEDLESS_ASCII_SPACE = re.compile(r" (?:(?=[!-/:-@\[-`{-~])|(?<=[!-/:-@\[-`{-~] ))")
# Most marks end a phrase behind a word: these are done away with at once, the others one by one.
_AFTER_A_WORD = re.compile(
    r"[.,;:!?](?:(?<=[a-z][a-z].)[.,;:!?]*|(?<=[\d\"')\]}%][.,;:?])[.,;:?]*(?! \d))(?= |$)"
)
# Spanish opens with them what ? and ! close, and people who type leave them out.
_OPENING = re.compile(r"[¿¡] ?(?=\w)")
_MARKS = re.compile(r"[.,;:!?]+")
_NUMBER = re.compile(r"(?<![a-z0-9_])\d+$")
_CLOSING = ")]}"


def unicode_form(text: str) -> str:
    """NFKC and case-folded, raised digits raised, quotes and dashes in one style, white space and all else as it is."""
    if text.isascii():
        return text.casefold()
    text = _RAISED.sub(lambda match: f"^{match[1]}" if match[1] else f"_{match[2]}", text)
    return unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold().translate(_ONE_WAY_TO_WRITE)


def exact_form(text: str) -> str:
    """`unicode_form` without the marks that end or part phrases, and with white space folded; "" for a blank text.

    A space stands between words alone, and of those not beside Chinese or Japanese characters: no space beside a
    sign or a mark says anything. A text of marks alone is its marks.
    """
    whole = " ".join(unicode_form(text).split())
    if not whole.isascii() and _OPENING.search(whole):
        whole = " ".join(_OPENING.sub(" ", whole).split())
    parted = _AFTER_A_WORD.sub("", whole)
    form = without_marks(parted)
    if form != parted:
        form = " ".join(form.split())
    needless = _NEEDLESS_ASCII_SPACE if form.isascii() else _NEEDLESS_SPACE
    return needless.sub("", form) or whole


def without_marks(text: str) -> str:
    """A text in `unicode_form` with a space for each `.` `,` `;` `:` `!` `?` that is punctuation.

    It is a sign that means something, and stays, in numbers (3.5, .5, 10:30), between two numbers (1,5 and 1, 5), in
    5! and n! and !x, in != and :=, at the bound of a slice (a[1:]), and in a?b and colou?r.
    """
    return _MARKS.sub(_mark, text)


def _mark(match: re.Match[str]) -> str:
    text, run, (start, end) = match.string, match[0], match.span()
    spaced = start > 0 and text[start - 1] == " "
    at = start - 1 - spaced
    before = text[at] if at >= 0 else " "
    beside = " " if spaced else before  # what the mark touches
    after = text[end] if end < len(text) else " "
    if (
        run == ","
        and text[end : end + 2].lstrip(" ")[:1].isdigit()
        and _NUMBER.search(text, max(at - 20, 0), at + 1)
    ):
        return run
    if beside.isdigit() and after.isdigit() and (run == ":" or not run.strip(".")):
        return run
    if run == "." and after.isdigit() and not beside.isalnum():
        return run
    if run == ":" and ("[" in before or "]" in after):
        return run
    if run == "?" and not spaced and _is_short(text, start - 1, end):
        return run
    if run[-1] in "!:" and after == "=":
        return run[-1]
    if run[0] == "!" and (before.isdigit() or before in _CLOSING or _is_letter(text, at)):
        return "! "
    if run[-1] == "!" and after.isascii() and (after.isalnum() or after == "(") and not beside.isalnum():
        return " !"
    return " "


def _is_short(text: str, left: int, right: int) -> bool:
    """Whether ASCII letters or digits stand at both places, and on one side a single one."""
    sides = text[max(left, 0) : left + 1], text[right : right + 1]
    if not all(side.isascii() and side.isalnum() for side in sides):
        return False
    return not text[max(left - 1, 0) : left].isalnum() or not text[right + 1 : right + 2].isalnum()


def _is_letter(text: str, at: int) -> bool:
    """Whether a letter stands there that may be a number's name, as n is in n!; "I" and "a" are words."""
    letter = text[at] if at >= 0 else " "
    return "a" < letter <= "z" and letter != "i" and not (at and text[at - 1].isalnum())
