"""The methods that choose rows, by name. A new one is a function in a file beside this, a line here, and a test."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from factory.steps.assemble.select.plain import choose_longest, choose_random, choose_top
from factory.steps.assemble.select.pool import Method

MethodName = Literal["random", "longest", "top"]
"""The keys of `METHODS`, for types and help."""

METHODS: Mapping[MethodName, Method] = MappingProxyType(
    {
        "random": Method(choose_random, "any rows, each as likely as the others"),
        "longest": Method(choose_longest, "the rows with the longest answers", by=frozenset({"length"})),
        "top": Method(
            choose_top, "the rows with the highest score", frozenset({"score"}), by=frozenset({"score"})
        ),
    }
)
