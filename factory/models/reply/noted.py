"""What reading replies took off their text, or took for granted, as a person is told of it."""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "label": "a label before the answer",
    "heading": "thoughts under a heading, kept as reasoning",
    "next_turn": "turns that the model wrote for the user",
    "template": "marks of a chat template before or around the answer",
    "end_mark": "marks of the turn's end",
    "behind_end": "text behind the turn's end",
    "wrapper": "a wrapper around the answer (a tag, JSON) that nobody asked for",
    "switch": "a switch of the chat template (/no_think)",
    "half_character": "half a character where the limit cut",
    "end_not_told": "no word of the server how it ended: it counts as whole, or as cut where it has all its tokens",
}
"""Each kind that `Reply.noted` may hold, in words."""


def told(noted: Mapping[str, int]) -> str:
    """What was noted, and how often, in words."""
    return "; ".join(f"{number:,} x {KINDS.get(kind, kind)}" for kind, number in sorted(noted.items()))
