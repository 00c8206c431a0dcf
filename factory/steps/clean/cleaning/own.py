"""The user's own rules. Patterns are RE2's: what they take grows with the text, and no text can hold them up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from factory.data.text import shorten
from factory.errors import RecipeError
from factory.steps.clean.profiles.profile import OwnRule
from factory.steps.clean.rules.rule import Found, Rule
from factory.steps.clean.rules.view import Part

MOST_FOUND = 10_000
"""Places in one text; what is beyond is left as it is."""


def as_rule(own: OwnRule) -> Rule:
    """The rule that a profile's entry says.

    Raises:
        RecipeError: its pattern is none, or needs what RE2 has not (looking around, a group again).
    """
    pattern = compiled(own)
    plain = not own.regex

    def check(part: Part) -> Iterable[Found]:
        return _found(pattern, part.text, own.replace, plain)

    return Rule(
        own.name,
        "own",
        f"{'The words' if plain else 'The pattern'} {shorten(own.find or own.regex, 60)!r}.",
        check,
        roles=own.roles,
        triggers=(own.find.lower(),) if plain and own.find.isascii() else (),
        mends=own.replace is not None,
    )


def compiled(own: OwnRule) -> Any:
    """The pattern of a rule, compiled by RE2.

    Raises:
        RecipeError: as `as_rule`.
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not own.ignore_case
    options.never_nl = False
    options.literal = not own.regex
    options.dot_nl = False
    try:
        pattern = re2.compile(own.regex or own.find, options)
    except (re2.error, UnicodeEncodeError, TypeError) as error:
        said = error.args[0] if error.args else error
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise RecipeError(
            f"the rule {own.name!r}: {shorten(own.regex or own.find, 60)!r} is no pattern: {shorten(said, 120)}"
            + (
                "; RE2 has no looking around and no groups again, so that no text can hold it up"
                if own.regex
                else ""
            )
        ) from None
    if own.regex and pattern.search("") is not None:
        raise RecipeError(
            f"the rule {own.name!r}: {shorten(own.regex, 60)!r} finds nothing, which is everywhere: ask for a c"
            f"haracter"
        )
    if own.regex and own.replace is not None:
        _check_template(own, pattern)
    return pattern


def _check_template(own: OwnRule, pattern: Any) -> None:
    assert own.replace is not None
    at, text = 0, own.replace
    while (at := text.find("\\", at)) >= 0:
        mark = text[at + 1 : at + 2]
        if mark.isdecimal() and int(mark) > pattern.groups:
            raise RecipeError(
                f"the rule {own.name!r}: `replace` names group \\{mark}, and the pattern has {pattern.groups}"
            )
        at += 2


def _found(pattern: Any, text: str, replace: str | None, plain: bool) -> Iterator[Found]:
    for number, match in enumerate(pattern.finditer(text)):
        if number == MOST_FOUND:
            return
        start, end = match.span()
        if start == end:
            continue
        new = replace if plain or replace is None else _filled(replace, match)
        if new != text[start:end]:
            yield Found(start, end, shorten(text[start:end], 60), new)


def _filled(template: str, match: Any) -> str:
    r"""The template with \0 to \9 as the groups of the match, \\ as one \, and \n as a line break."""
    if "\\" not in template:
        return template
    pieces, at = [], 0
    while at < len(template):
        mark = template[at]
        if mark != "\\" or at + 1 == len(template):
            pieces.append(mark)
            at += 1
            continue
        following = template[at + 1]
        if following.isdecimal():
            pieces.append(match.group(int(following)) or "")
        else:
            pieces.append({"n": "\n", "t": "\t", "\\": "\\"}.get(following, "\\" + following))
        at += 2
    return "".join(pieces)
