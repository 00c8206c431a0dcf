"""The seed that a request is sent with: its own, and nothing else of the request changes."""

from __future__ import annotations

from dataclasses import fields, replace

from factory.data.record import Message
from factory.engine.calls.seeds import with_own_seed
from factory.models.base import ChatRequest, Sampling


def request(**changes: object) -> ChatRequest:
    values = {
        "messages": (Message("user", "Name a tea."),),
        "sampling": Sampling(1.0, 64),
        "schema": {"type": "object"},
        "seed": 7,
        "sample": 3,
        "tools": ({"name": "brew"},),
        "template_arguments": {"enable_thinking": False},
        "opening": "Tea",
    }
    assert values.keys() == {field.name for field in fields(ChatRequest)}
    return ChatRequest(**{**values, **changes})


def test_all_but_the_seed_stays() -> None:
    asked = request()
    sent = with_own_seed(asked, {"messages": [["user", "Name a tea."]]})
    assert sent.seed not in (None, 7)
    assert replace(sent, seed=7) == asked


def test_greedy_decoding_has_no_seed() -> None:
    asked = request(seed=None)
    assert with_own_seed(asked, {}) is asked
