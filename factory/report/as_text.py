"""What shows itself in Python, and in a notebook, as the command line prints it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from factory.report.page.markup import h

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 110


class AsText:
    """An object whose repr is the text that the command line prints of it; text from data is shown as text."""

    __slots__ = ()

    def as_text(self) -> str:
        """The text."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_html_(self) -> str:
        return h("pre", self.as_text(), dir="auto")


def printed(show: Callable[[Console], None]) -> str:
    """What is printed on a console, without colours."""
    from rich.console import Console

    page = io.StringIO()
    show(Console(file=page, width=WIDTH, force_terminal=False, force_jupyter=False, no_color=True))
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines())
