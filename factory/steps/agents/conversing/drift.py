"""Where a conversation between two models leaves its course: a turn is told by its text and by those before it.

What is told is meant to be right where it is told; a turn of the wrong side in words that are not known goes through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from factory.data.record import Message
from factory.data.text import detect_language, is_blank, normal_form, rouge_tokens, shorten, word_count
from factory.statistics.flaws.refusals import refusal
from factory.steps.agents.conversing.likeness import rouge_l
from factory.steps.agents.conversing.voices import (
    assistant_speaks,
    end_mark,
    in_a_voice,
    is_closing,
    outside_code,
    speaker_label,
    user_speaks,
)
from factory.steps.agents.flaws.eliminate import answer_flaw

Kind: TypeAlias = Literal[
    "empty",
    "truncated",
    "speaker_label",
    "end_mark",
    "swapped_roles",
    "closing",
    "refusal",
    "refusal_loop",
    "other_language",
    "repetition",
    "template_leak",
    "called_a_tool",
    "ended_early",
    "off_goal",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What a conversation can drift into; a call that fails ends it too, by the kind of the failure."""

LEAST_WORDS = 6
"""A turn of fewer words or Chinese characters tells no language, and is a repetition only where it is the same."""

_LANGUAGES = re.compile(
    r"\b(?:translat\w+|languages?|bilingual|english|chinese|mandarin|cantonese|japanese|korean|russian|french|german|spanish)\b"
    r"|翻译|翻譯|语言|英文|英语|中文|汉语|日语|日文|韩语|俄语|法语|德语|西班牙语|双语|拼音|単語",
    re.IGNORECASE,
)
_QUESTION = re.compile("[?？]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f0-9]+")
_CHANGES = re.compile(
    r"\b(?:chang\w+|rewrit\w+|revis\w+|shorten\w*|shorter|longer|again|repeat\w*|replac\w+|add\w*|includ\w+|remov\w+|delet\w+"
    r"|fix\w*|correct\w*|updat\w+|edit\w*|rephras\w+|format\w*|instead|same|version|adjust\w*|swap\w*|make\s+(?:it|this|that))\b"
    r"|改|重写|重寫|再|替换|换成|加上|加入|添加|去掉|删|更正|更新|缩短|精简|同样|一样|调整|重复|复述|繁体|简体|格式|括起|包围|标出|出错|错误",
    re.IGNORECASE,
)


class Drift(NamedTuple):
    """What is wrong with a turn: a kind and its numbers for a program, a sentence for a person.

    side: whose turn it is; of a whole conversation, "judge", who says so
    failed: no turn could be had: the call failed
    """

    kind: str
    side: str
    reason: str
    numbers: Mapping[str, float] = {}
    failed: bool = False


def user_drift(turn: str, before: Sequence[Message], goal: str, repeated: float) -> Drift | None:
    """What is wrong with a user's next turn.

    before: the turns before it, without a system turn
    goal: what the user wants, or the first user turn where nothing else says it
    repeated: the ROUGE-L F from which on it is a repetition of one before it, on either side
    """
    asked = _asked(goal, before)
    if found := _both(turn, "user", asked):
        return found
    if words := assistant_speaks(turn, asked):
        return Drift(
            "swapped_roles", "user", f"the user speaks as the assistant does: {shorten(words, 40)!r}"
        )
    if is_closing(turn):
        return Drift("closing", "user", "the user's turn is thanks or goodbye and nothing else")
    if (words := refusal(turn, asked)) and not _QUESTION.search(turn):
        return Drift("refusal", "user", f"the user's turn refuses: {shorten(words, 40)!r}")
    return _repetition(turn, "user", before, repeated)


def assistant_drift(turn: str, before: Sequence[Message], goal: str, repeated: float) -> Drift | None:
    """What is wrong with an assistant's next turn, as `user_drift`.

    A refusal alone is no drift (`is_refusal`). The new version of an earlier answer is no repetition where the user
    asked for a change; the same answer is, and so is the user's own turn.
    """
    asked = _asked(goal, before)
    if found := _both(turn, "assistant", asked):
        return found
    last = before[-1].content if before else ""
    voice = in_a_voice(f"{goal}\n{last}")
    if not voice and (words := user_speaks(turn)):
        return Drift(
            "swapped_roles", "assistant", f"the assistant speaks as the user does: {shorten(words, 40)!r}"
        )
    if not voice and is_closing(turn):
        return Drift("closing", "assistant", "the assistant's turn is a pleasantry and nothing else")
    least = 1.0 if _CHANGES.search(last) else repeated
    own = [one for one in before if one.role == "assistant"]
    return _repetition(turn, "assistant", own, least) or _repetition(turn, "assistant", before[-1:], 1.0)


def is_refusal(turn: str, asked: str) -> bool:
    """Whether an assistant's turn refuses what was `asked`: two in a row are a loop."""
    flaw = answer_flaw(turn, asked)
    return flaw is not None and flaw.kind == "refusal"


def _asked(goal: str, before: Sequence[Message]) -> str:
    """All that the user said and wants."""
    return "\n".join([goal, *(one.content for one in before if one.role == "user")])


def _both(turn: str, side: str, asked: str) -> Drift | None:
    """What may be wrong with a turn of either side."""
    if is_blank(turn) or not _says_something(turn, asked, side):
        return Drift("empty", side, f"the {side}'s turn says nothing")
    if label := speaker_label(turn, asked):
        return Drift("speaker_label", side, f"a speaker's name stands in the turn: {shorten(label, 40)!r}")
    if mark := end_mark(turn):
        return Drift("end_mark", side, f"the mark of the end stands in the turn: {shorten(mark, 40)!r}")
    return _language_drift(outside_code(turn), side, asked)


def _language_drift(turn: str, side: str, asked: str) -> Drift | None:
    """That a turn is in another language than what was asked, as far as scripts tell languages apart."""
    found, spoken = detect_language(turn), detect_language(asked)
    if found in {spoken, ""} or not spoken or _LANGUAGES.search(asked) or word_count(asked) < 3:
        return None
    words, other = word_count(turn), word_count(_LATIN.sub(" ", turn))
    # English names, terms and code stand in texts of any language: only what is in English throughout is English.
    mixed = found == "en" and (other >= LEAST_WORDS or other >= 0.2 * words)
    if mixed or words < LEAST_WORDS or detect_language(_LATIN.sub(" ", asked)) == found:
        return None
    return Drift("other_language", side, f"the {side}'s turn is in {found!r}, the goal in {spoken!r}")


def _says_something(turn: str, asked: str, side: str) -> bool:
    if rouge_tokens(turn):
        return True
    # A sign may be what was asked for.
    flaw = answer_flaw(turn, asked)
    return side == "assistant" and (flaw is None or flaw.kind != "empty_answer")


def _repetition(turn: str, side: str, before: Sequence[Message], least: float) -> Drift | None:
    """That this turn says one of those before again, or is as close to it as `least` or closer; 1 asks for the same.

    A user's turn is also a repetition where it is a part of one before.
    """
    said, words = normal_form(turn), word_count(turn)
    # "B", or an assistant's "Yes, it is.", may be right twice.
    fewest = 2 if side == "user" else LEAST_WORDS
    for one in before:
        others = word_count(one.content)
        long = min(words, others) >= LEAST_WORDS
        same = words >= fewest and normal_form(one.content) == said
        # The F of two texts is at most what their lengths allow.
        may_be = long and 2 * min(words, others) >= least * (words + others)
        close = may_be and least < 1 and rouge_l(one.content, turn) >= least
        if same or close or (long and side == "user" and _runs_through(turn, one.content)):
            likeness = rouge_l(one.content, turn)
            reason = f"the {side}'s turn repeats {shorten(one.content, 40)!r} (ROUGE-L {likeness:.2f})"
            return Drift("repetition", side, reason, {"rouge_l": round(likeness, 4)})
    return None


def _runs_through(turn: str, text: str) -> bool:
    """Whether all words of a turn stand in a row in a text."""
    return f" {' '.join(rouge_tokens(turn))} " in f" {' '.join(rouge_tokens(text))} "
