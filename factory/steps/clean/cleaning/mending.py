"""Mends: what stands in place of what was found, in a record that keeps what it said before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from factory.data.record import INPUT_SEPARATOR, Event, Media, Message, Record
from factory.steps.clean.rules.rule import AnyRule, Finding, Rule
from factory.steps.clean.rules.view import View, Where

ORIGINAL = "clean_original"
"""The column that holds what a mended record said before: a list of its texts that were changed, with their turns."""
ROUNDS = 10
"""A mend may bring another fault to light (&amp;lt;); so often it is looked for again, at most."""

Edit = tuple[int, int, str]


def mended(
    record: Record, rules: Sequence[AnyRule], settings: Mapping[str, object], event: Event
) -> tuple[Record, list[str]]:
    """The record with all that has a certain mend by these rules, and the rules that changed it, by name.

    Rules of the user's own are applied once, the built-in ones until they find no more: mending again changes nothing.
    The record keeps `event` and, in the column `ORIGINAL`, the texts as they were; one that has no fault is given back
    as it is. The answer that was chosen of several is mended with the turns that it stands in.
    """
    before = record
    names: list[str] = []
    own = [rule for rule in rules if rule.group == "own"]
    others = [rule for rule in rules if rule.group != "own"]
    hiding = [rule for rule in others if isinstance(rule, Rule) and rule.hides]
    # What is nobody's to read is taken out first, so that it is not in what the record keeps of its old texts.
    memo: dict[str, Any] = {}
    for hides in hiding:
        record = _once(record, hides, settings, names, memo)
    record = _hidden_in_answers(record, hiding, settings, names, memo)
    hidden, known = record, len(names)
    for rule in own:
        record = _once(record, rule, settings, names)
    for _ in range(ROUNDS):
        was = record
        for rule in others:
            record = _once(record, rule, settings, names, memo)
        if record is was:
            break
    if record.messages == before.messages and record.answers == before.answers:
        return before, []
    by = list(dict.fromkeys(names))
    if any(rule.name in names[known:] for rule in hiding):  # it came to light by another mend
        return record.with_event(event), by
    return _noted(hidden, record, event), by


def _hidden_in_answers(
    record: Record,
    hiding: Sequence[Rule],
    settings: Mapping[str, object],
    names: list[str],
    memo: dict[str, Any],
) -> Record:
    """The record without what is nobody's to read in any of its answers, those that are not chosen too."""
    answers = []
    for answer in record.answers if hiding else ():
        alone = replace(record, messages=answer.turns, answers=(), chosen=-1, input_chars=0)
        for rule in hiding:
            alone = _once(alone, rule, settings, names, memo)
        answers.append(answer if alone.messages == answer.turns else answer._replace(turns=alone.messages))
    return (
        record if tuple(answers) == record.answers or not hiding else replace(record, answers=tuple(answers))
    )


def _once(
    record: Record,
    rule: AnyRule,
    settings: Mapping[str, object],
    names: list[str],
    memo: dict[str, Any] | None = None,
) -> Record:
    """The record mended by a rule once. `memo`: what rules keep for one another over several such rounds."""
    if not isinstance(rule, Rule):
        return record
    view = View(record, dict(settings))
    if memo is not None:
        view.memo = memo
    try:
        found = [one for one in rule.findings(view) if one.replacement is not None]
    except Exception:  # a plug-in's, on a text mended on the way: it is told where it fails on a row's own
        return record
    changed = applied(record, found) if found else record
    if changed.messages == record.messages:
        return record
    names.append(rule.name)
    return changed


def applied(record: Record, findings: Iterable[Finding]) -> Record:
    """The record with the replacements of these findings; of two that overlap the first.

    The border between instruction and input stays where it was: what would reach over it is left.
    """
    edits: dict[tuple[int, Where], list[Edit]] = {}
    for found in findings:
        if found.replacement is not None and found.turn >= 0:
            edits.setdefault((found.turn, found.where), []).append(
                (found.start, found.end, found.replacement)
            )
    messages, input_chars = list(record.messages), record.input_chars
    for (turn, where), listed in edits.items():
        message = messages[turn]
        listed = _apart(listed)
        if where == "content":
            if turn == record.last_user and input_chars:
                listed, input_chars = _beside_border(listed, len(message.content), input_chars)
            messages[turn] = message._replace(
                content=_edited(message.content, listed), media=_moved(message, listed)
            )
        elif where == "reasoning":
            messages[turn] = message._replace(reasoning=_edited(message.reasoning, listed))
        else:
            number = int(where.removeprefix("call"))
            calls = list(message.calls)
            calls[number] = calls[number]._replace(arguments=_edited(calls[number].arguments, listed))
            messages[turn] = message._replace(calls=tuple(calls))
    result = replace(record, messages=tuple(messages), input_chars=input_chars)
    if 0 <= record.chosen < len(record.answers):
        chosen = record.answers[record.chosen]
        size = len(chosen.turns)
        if size and chosen.turns == record.messages[-size:]:
            answers = list(record.answers)
            answers[record.chosen] = chosen._replace(turns=tuple(messages[-size:]))
            result = replace(result, answers=tuple(answers))
    return result


def _apart(edits: Iterable[Edit]) -> list[Edit]:
    kept: list[Edit] = []
    for edit in sorted(edits):
        if not kept or edit[0] >= kept[-1][1]:
            kept.append(edit)
    return kept


def _edited(text: str, edits: Sequence[Edit]) -> str:
    pieces, at = [], 0
    for start, end, new in edits:
        pieces += [text[at:start], new]
        at = end
    return "".join([*pieces, text[at:]])


def _moved(message: Message, edits: Sequence[Edit]) -> tuple[Media, ...]:
    """The pictures of a turn, each where it stood in the text."""
    if not message.media:
        return message.media

    def place(at: int) -> int:
        shift = 0
        for start, end, new in edits:
            if at >= end:
                shift += len(new) - (end - start)
            elif at > start:
                return start + shift + min(at - start, len(new))
        return at + shift

    return tuple(one._replace(at=place(one.at)) for one in message.media)


def _beside_border(edits: Sequence[Edit], size: int, input_chars: int) -> tuple[list[Edit], int]:
    """The edits that leave the border between instruction and input alone, and the input's new length."""
    begins = size - input_chars
    ends = begins - len(INPUT_SEPARATOR)
    if any(
        (start, end, new) == (ends, size, "") for start, end, new in edits
    ):  # the input goes, and no border is left
        return [edit for edit in edits if edit[1] <= ends] + [(ends, size, "")], 0
    kept, length = [], input_chars
    for start, end, new in edits:
        if end <= ends or start >= begins:
            kept.append((start, end, new))
            length += (len(new) - (end - start)) if start >= begins else 0
    return (kept, length) if length > 0 else ([edit for edit in kept if edit[0] < begins], input_chars)


def _noted(before: Record, after: Record, event: Event) -> Record:
    """The mended record with its event, and what it said before it was first mended."""
    kept = before.meta.get(ORIGINAL)
    original = list(kept) if isinstance(kept, list) else []
    known = {(one.get("turn"), one.get("where")) for one in original if isinstance(one, Mapping)}
    for number, (was, now) in enumerate(zip(before.messages, after.messages, strict=True)):
        texts = [("content", was.content, now.content), ("reasoning", was.reasoning, now.reasoning)]
        texts += [
            (f"call{at}", one.arguments, other.arguments)
            for at, (one, other) in enumerate(zip(was.calls, now.calls, strict=True))
        ]
        for where, one, other in texts:
            if one != other and (number, where) not in known:
                original.append({"turn": number, "where": where, "text": one})
    meta = {**after.meta, ORIGINAL: original} if original else after.meta
    return replace(after, meta=meta, events=(*after.events, event))
