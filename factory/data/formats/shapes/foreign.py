"""The shapes of trees, logs of agents, messages of other APIs, and calls in texts, each told by keys of its own."""

from __future__ import annotations

from factory.data.formats.shapes.anthropic import Anthropic
from factory.data.formats.shapes.atif import Atif
from factory.data.formats.shapes.base import Shape
from factory.data.formats.shapes.claude_code import ClaudeCode
from factory.data.formats.shapes.codex import Codex
from factory.data.formats.shapes.gemini import Gemini
from factory.data.formats.shapes.glaive import Glaive
from factory.data.formats.shapes.hermes import Hermes
from factory.data.formats.shapes.oasst import Oasst, OasstMessages, OasstThreads
from factory.data.formats.shapes.pi import Pi
from factory.data.formats.shapes.responses import Responses
from factory.data.formats.shapes.segments import Segments
from factory.data.formats.shapes.xlam import Xlam

FOREIGN: tuple[Shape, ...] = (
    Atif(),
    ClaudeCode(),
    Codex(),
    Pi(),
    OasstThreads(),
    OasstMessages(),
    Oasst(),
    Anthropic(),
    Gemini(),
    Hermes(),
    Xlam(),
    Glaive(),
    Segments(),
    Responses(),
)
"""In the order in which they are tried, before the wide shapes."""
