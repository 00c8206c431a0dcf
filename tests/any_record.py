"""Any record at all, for tests that hold for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from factory.data.record import (
    Candidate,
    Drop,
    Event,
    Media,
    Message,
    Missing,
    Record,
    Tag,
    ToolCall,
    new_record,
)
from factory.data.text import is_blank


def shows(text: str) -> bool:
    """Whether a text has anything to be seen: a row without such is refused."""
    return not is_blank(text)


texts = st.text(max_size=12)
finite = st.floats(allow_nan=False)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
few = {"max_size": 3}
events = st.builds(
    Event,
    texts,
    texts,
    texts,
    texts,
    st.lists(texts, **few).map(tuple),
    st.lists(texts, **few).map(tuple),
    st.integers(0, 100),
)
drops = st.builds(Drop, texts, texts, texts, st.dictionaries(texts, finite, **few), st.booleans(), texts)
calls = st.builds(ToolCall, texts, texts, texts)
media = st.builds(Media, texts, texts, st.integers(0, 9), st.dictionaries(texts, json_values, **few))
roles = st.sampled_from(["system", "user", "assistant", "tool"])
plain_messages = st.tuples(roles, texts).map(lambda pair: Message(*pair))
full_messages = st.builds(
    Message,
    roles,
    texts,
    texts,
    st.lists(calls, **few).map(tuple),
    texts,
    texts,
    st.none() | finite,
    st.lists(media, **few).map(tuple),
    st.dictionaries(texts, json_values, **few),
)
messages = (st.lists(plain_messages, max_size=5) | st.lists(full_messages, max_size=5)).map(tuple)
candidates = st.builds(
    Candidate, messages, texts, st.dictionaries(texts, finite, **few), st.dictionaries(texts, texts, **few)
)


@st.composite
def records(draw: Callable[..., Any]) -> Record:
    record = Record(
        id=draw(texts),
        messages=draw(messages),
        source=draw(texts),
        lang=draw(texts),
        task=draw(texts),
        tags=draw(st.lists(st.builds(Tag, texts, texts), **few).map(tuple)),
        scores=draw(st.dictionaries(texts, finite, **few)),
        notes=draw(st.dictionaries(texts, texts, **few)),
        events=draw(st.lists(events, **few).map(tuple)),
        dropped=draw(st.none() | drops),
        meta=draw(st.dictionaries(texts, json_values, **few)),
        tools=draw(st.lists(st.dictionaries(texts, json_values, **few), max_size=2).map(tuple)),
        template_arguments=draw(st.dictionaries(texts, json_values, **few)),
        answers=draw(st.just(()) | st.lists(candidates, min_size=1, **few).map(tuple)),
        license=draw(texts),
        form=draw(texts),
        missing=draw(st.dictionaries(texts, st.builds(Missing, texts, texts), **few)),
    )
    if record.answers:
        record = replace(record, chosen=draw(st.integers(-1, len(record.answers) - 1)))
    if draw(st.booleans()):
        made = new_record(draw(texts), input=draw(texts), output=draw(texts), history=record.messages)
        record = Record(
            **{
                **{f: getattr(record, f) for f in record.__slots__},
                "messages": made.messages,
                "input_chars": made.input_chars,
            }
        )
    return record
