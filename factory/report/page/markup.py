"""HTML that cannot be forgotten to escape: text becomes markup through `h` alone, which escapes it."""

from __future__ import annotations

import html
import re

from factory.report.plain import visible

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_EMPTY = frozenset({"meta", "rect"})


class Html(str):
    """Finished markup. Made by `h` and `join` only."""

    __slots__ = ()


def h(name: str, /, *children: str, **attributes: str | None) -> Html:
    """An element. A child that is plain text is made visible and escaped, one that is `Html` stays as it is.

    Attributes are escaped too; `class_` is `class`, `_` in a name becomes `-`, None leaves the attribute out.
    """
    opening = name + "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(visible(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Html(f"<{opening}/>")  # the slash counts inside SVG only
    return Html(f"<{opening}>{join(*children)}</{name}>")


def join(*children: str) -> Html:
    """Children one after another, escaped where they are plain text."""
    return Html(
        "".join(
            child if isinstance(child, Html) else html.escape(visible(child), quote=True)
            for child in children
        )
    )


def language(code: str) -> str | None:
    """A record's language as a `lang` attribute, so that Han characters take the shapes of their language."""
    return code if _LANGUAGE.fullmatch(code) else None
