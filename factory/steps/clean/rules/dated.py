"""Rules about time: knowledge that ends, words that age, and rows older or newer than is wanted."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any

from factory.steps.clean.rules.gates import Gated
from factory.steps.clean.rules.rule import Example, Found, RecordRule, Rule
from factory.steps.clean.rules.view import Part, View

_CUTOFF = Gated(
    r"\b(?:as\s+of|since|until|up\s+to|at\s+the\s+time\s+of|after|before)\s+my\s+(?:last|latest"
    r"|most\s+recent)?\s?(?:knowledge\s+)?(?:update|training|cut-?\s?off|knowledge|data)\b"
    r"|\bmy\s+(?:last|latest|current|most\s+recent)?\s?(?:knowledge|training"
    r"|information)(?:\s+data)?\s?(?:cut-?\s?off|update|ends|is\s+(?:limited|current|up\s+to)|only\s+(?:goes"
    r"|extends)|base\s+(?:is|was|ends|only)|was\s+last|stops|does\s+not\s+(?:extend|include))"
    r"|\bmy\s+training\s+data\b|\b(?:knowledge|training)\s+cut-?\s?off\b(?=[^.\n]{0,40}(?:\d{4}|date|is|,))"
    r"|\b(?:i\s+(?:was|am)\s+(?:last\s+)?(?:trained|updated)\s+(?:on|in|until|up\s+to|with)\b)"
    r"|\bi\s+(?:do\s+not|don['’]t|cannot|can['’]t)\s+have\s+(?:access\s+to\s+)?(?:real[- ]time"
    r"|up[- ]to[- ]date|current)\s+(?:information|data|events|access)|\bi\s+(?:do\s+not"
    r"|don['’]t)\s+have\s+(?:the\s+)?(?:access\s+to\s+)?(?:the\s+)?(?:real[- ]time|live|latest|current)\s+\w+"
    r"|(?:截至|截止(?:到|至)?|直到|在(?=我.{0,14}(?:更新|截止|训练时|之后|之前)))我(?:的)?(?:最后(?:一次)?|最近(?:一次)?|上次)?(?:的)?(?:知识|训练|更新|数据)(?:库)?(?:更新|截止|训练)?"
    r"|我的?(?:知识|训练数据|数据|信息)(?:库)?(?:的)?(?:更新)?(?:仅|只)?(?:截至|截止|更新到|更新至|停留在)|知识(?:库)?截止(?:日期|时间)?|我(?:无法"
    r"|不能)(?:获取|访问|提供)(?:实时|最新)(?:的)?(?:信息|数据|资讯)",
    re.IGNORECASE,
)


def _cutoffs(part: Part) -> Iterator[Found]:
    found = _CUTOFF.find(part)
    if found is not None and not part.view.voiced:
        yield Found(*found.span(), found[0].strip()[:60])


_DATED = Gated(
    r"\b(?:as\s+of|at\s+the\s+time\s+of\s+writing|by\s+the\s+end\s+of)\s+(?:(?:early|mid|late|the\s+(?:end"
    r"|beginning|start)\s+of)[- ]?)?(?:(?:january|february|march|april|may|june|july|august|september|october"
    r"|november|december),?\s+)?(?:\d{1,2},?\s+)?(?:19[89]\d|20[0-4]\d)\b"
    r"|\bas\s+of\s+(?:now|today|this\s+writing)\b|\bat\s+the\s+time\s+of\s+(?:this\s+)?writing\b"
    r"|\b(?:the\s+)?(?:current|incumbent|reigning)\s+(?:president|prime\s+minister|ceo|champion|pope|king"
    r"|queen|mayor|governor|record\s+holder)\b[^.\n]{0,30}\bis\b"
    r"|\b(?:this|last|next)\s+year\s*\(?(?:19|20)\d\d\b|\bcurrently\b[^.\n]{0,60}\b(?:19[89]\d|20[0-4]\d)\b"
    r"|(?:截至|截止(?:到|至)?)\s?(?:目前|现在|今天|今年|(?:19[89]\d|20[0-4]\d)\s?年)|目前为止[^。\n]{0,20}\d{4}\s?年|(?:现任|本届)(?:总统"
    r"|首相|总理|主席|首席执行官|CEO|教皇|国王|市长)[^。\n]{0,10}是",
    re.IGNORECASE,
)


def _dated(part: Part) -> Iterator[Found]:
    for found in _DATED.find_all(part):
        if found[0].lower() in part.asked.lower():
            continue  # the date is that of the question
        yield Found(*found.span(), found[0].strip()[:60])
        return


def parse_date(value: Any) -> datetime.date | None:
    """A date as data write it (2023-05-01, 2023/5/1, 2023, 20230501, seconds since 1970); None where it is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        if 1900 <= value <= 2200:
            return datetime.date(int(value), 1, 1)
        value = float(value) / 1000 if abs(value) > 1e11 else float(value)
        try:
            return datetime.datetime.fromtimestamp(value, datetime.UTC).date()
        except (ValueError, OverflowError, OSError):
            return None
    text = str(value).strip()[:40]
    match = re.match(r"(\d{4})(?:[-/.年]?\s?(\d{1,2})(?:[-/.月]?\s?(\d{1,2}))?)?(?!\d)", text)
    if match is None:
        return None
    try:
        return datetime.date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    except ValueError:
        return None


def _age(view: View) -> Iterator[str]:
    wanted = view.settings.get("dates")
    if not wanted:
        return
    column = wanted["column"]
    if column not in view.record.meta:
        yield f"the column {column!r} is missing"
        return
    value = view.record.meta[column]
    date = parse_date(value)
    if date is None:
        yield f"no date: {str(value)[:40]!r}"
    elif wanted.get("after") and date < wanted["after"]:
        yield f"{date} is before {wanted['after']}"
    elif wanted.get("before") and date >= wanted["before"]:
        yield f"{date} is not before {wanted['before']}"


RULES = (
    Rule(
        "knowledge_cutoff",
        "voice",
        'A model that speaks of where its knowledge ends ("as of my last update", 截至我的知识).',
        _cutoffs,
        languages=("en", "zh"),
        roles=("assistant",),
        examples=(
            Example("As of my last update, it had 5 million readers.", True, asked="How many readers?"),
            Example("截至我的知识更新，有五百万读者。", True, asked="有多少读者？"),
            Example("My update went well: it took an hour.", False, asked="How was it?"),
            Example("我的数据线坏了，怎么办？", False, asked="造个句子。"),
        ),
    ),
    Rule(
        "dated_words",
        "voice",
        'Words that age: "as of 2021", "the current president is", 截至目前.',
        _dated,
        languages=("en", "zh"),
        roles=("assistant",),
        examples=(
            Example("As of 2021, it has 5 million readers.", True, asked="How many readers?"),
            Example("截至2021年，有五百万读者。", True, asked="有多少读者？"),
            Example("In 2021 it had 5 million readers.", False, asked="How many readers in 2021?"),
            Example("报名截止后不再接受申请。", False, asked="写一条通知。"),
        ),
    ),
    RecordRule(
        "data_age",
        "voice",
        "A row whose date column is outside of what the profile's `dates` wants, or holds no date.",
        _age,
    ),
)
