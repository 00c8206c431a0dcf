"""Frozen, slotted dataclasses that are copied with other values a thousand times a second."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, Self


class Replaceable:
    """What a frozen dataclass with slots inherits to be replaced quickly."""

    __slots__ = ()

    def but(self, **values: Any) -> Self:
        """The same with other values in these fields: `dataclasses.replace`, in a fifth of its time.

        Raises:
            TypeError: there is no such field.
        """
        places, read, writers = _slots(type(self))  # type: ignore[arg-type]  # a class is hashable
        found = list(read(self))
        try:
            for name, value in values.items():
                found[places[name]] = value
        except KeyError as error:
            raise TypeError(f"{type(self).__name__} has no field {error}") from None
        made = object.__new__(type(self))
        for write, value in zip(writers, found):  # noqa: B905  # as many, and this is where time goes
            write(made, value)
        return made


@functools.cache
def _slots(
    kind: type[Any],
) -> tuple[Mapping[str, int], Callable[[Any], tuple[Any, ...]], tuple[Callable[[Any, Any], None], ...]]:
    """The place of each field, how all are read at once, and how each is written.

    A slot's own descriptor writes where a frozen class lets nothing else.
    """
    names = [field.name for field in fields(kind)]
    writers = tuple(vars(kind)[name].__set__ for name in names)
    return {name: at for at, name in enumerate(names)}, attrgetter(*names), writers
