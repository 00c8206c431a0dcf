"""The first comparison on a machine says what it waits for."""

from __future__ import annotations

import importlib
import threading

import pytest

from factory.statistics import loops


def test_loops_that_take_long_are_told_and_those_at_hand_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    loops.load_loops("factory.statistics.rouge.kernel", told.append)
    assert told == []
    asked = threading.Event()

    def slow(name: str) -> None:
        assert name == "factory.statistics.rouge.kernel"
        assert asked.wait(10)

    def note(sentence: str) -> None:
        told.append(sentence)
        asked.set()

    monkeypatch.setattr(importlib, "import_module", slow)
    monkeypatch.setattr(loops, "SECONDS", 0.001)
    loops.load_loops("factory.statistics.rouge.kernel", note)
    assert told == [
        "loading the rouge comparison; where it is new here it is compiled first: up to a minute, once"
    ]
