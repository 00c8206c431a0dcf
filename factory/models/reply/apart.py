"""Take a model's reasoning, its calls and control marks apart from its answer, where that is unambiguous.

What is quoted (code, quotation marks) stays as it is, and so does what an answer says of such marks where its
request asks about them. What is left in doubt is told by `mark_left`.
"""

from __future__ import annotations

import bisect
import re
from typing import NamedTuple

from factory.data.record import ToolCall
from factory.models.base import ChatRequest
from factory.models.reply.forms import form_left, without_form
from factory.models.reply.gate import may_hold_any, may_hold_mark
from factory.models.reply.hermes import read_call
from factory.models.reply.labels import without_labels
from factory.models.reply.marks import CALL, CONTROL, ESCAPED, THOUGHT, UNDECODED, Doubt, Text, thought_of
from factory.models.reply.templates import HARMONY, HEAD, HEADINGS, TOKEN_WRAPPERS, WRAPPED

_TAIL_CHARACTERS = 400
_SPACE = re.compile(r"\s*")
_HERMES = re.compile("<tool_call>")
_SENTENCE_END = frozenset(".!?。！？…:：;；)）]*\"”'」\n")
_FEW_WORDS = 3
_NEAR = 200
"""Characters before and behind a mark by which it is told whether a sentence speaks of it."""
_ROUNDS = 8
"""How often a text is gone through: some marks stand within others."""
# Marks that stand for other things, too (HTML, padding): they end a text only where a turn begins behind them.
_WEAK_ENDS = frozenset({"</s>", "<pad>", "[pad]", "[/inst]", "[eos]", "<eos>"})


class Parts(NamedTuple):
    """What a reply's text holds. ended: the model wrote the token that ends its turn; what came behind is cut.

    noted: what was taken off that is neither reasoning nor a call, one of `noted.KINDS` each time
    """

    text: str
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    ended: bool = False
    noted: tuple[str, ...] = ()


def take_apart(text: str, request: ChatRequest | None, *, thought: bool = False) -> Parts:
    """The answer, the reasoning and the calls in a reply's text; what is ambiguous stays in the answer.

    thought: the server told the model's reasoning apart already
    """
    if not may_hold_any(text):
        return Parts(text)
    work = _Work(text, request, thought)
    work.run()
    noted = tuple(work.noted) if work.text != text else ()
    return Parts(work.text, "\n\n".join(work.thoughts), tuple(work.calls), work.ended, noted)


def mark_left(text: str, request: ChatRequest | None) -> tuple[str, str]:
    """The first mark in an answer that nothing explains, and its kind: "thought", "control", "token", "call" or ""."""
    if not may_hold_mark(text):
        return form_left(text, request)
    doubt = Doubt(request)
    if doubt.schema:
        return "", ""
    view: Text | None = None
    marks = (
        ("call", CALL),
        ("thought", THOUGHT),
        ("thought", ESCAPED),
        ("control", CONTROL),
        ("token", UNDECODED),
    )
    for kind, mark in marks:
        if mark.search(text) is None or (doubt.calls_in_text if kind == "call" else doubt.about):
            continue
        view = view or Text(text)
        for found in view.found(mark):
            if mark is THOUGHT and thought_of(found)[2]:
                continue
            if kind == "control" and found[0].lower() == "</s>" and _is_struck(text, found.start()):
                continue
            return found[0], kind
    return form_left(text, request)


class _Work:
    """A reply's text as it is taken apart, from the outside inwards."""

    def __init__(self, text: str, request: ChatRequest | None, thought: bool) -> None:
        self.text = text
        self.request = request
        self.doubt = Doubt(request)
        self.thought = thought
        self.thoughts: list[str] = []
        self.calls: list[ToolCall] = []
        self.ended = False
        self.noted: list[str] = []

    def run(self) -> None:
        """Take apart until nothing is left to take."""
        for _ in range(_ROUNDS):
            before = self.text
            self._forms()
            if may_hold_mark(self.text):
                self._channels()
                self._head()
                self._leading_thoughts()
                self._end()
                self._later_thoughts()
                self._wrapper()
                self._tool_calls()
            self._labels()
            if self.text == before:
                return

    def _labels(self) -> None:
        """The label before an answer, and the turns that it goes on with."""
        text, ended = without_labels(self.text, self.request)
        if ended:
            self.noted.append("next_turn")
        if text != self.text and not (ended and self.text.startswith(text)):
            self.noted.append("label")
        self.text, self.ended = text, self.ended or ended

    def _forms(self) -> None:
        """What surrounds an answer without a mark."""
        form = without_form(self.text, self.request)
        self._think(form.reasoning)
        self.noted += form.noted
        self.text, self.ended = form.text, self.ended or form.ended

    def _think(self, said: str) -> None:
        if said.strip():
            self.thoughts.append(said.strip())

    def _note(self, kind: str, taken: str) -> None:
        if taken.strip():
            self.noted.append(kind)

    def _channels(self) -> None:
        """gpt-oss's channels, and thoughts and answer under headings."""
        words = next(filter(None, (form.match(self.text) for form in HEADINGS)), None)
        if words is not None and not self.doubt.about:
            self._think(words["body"])
            self.text = (words["final"] or "").rstrip()
            return
        found = HARMONY.match(self.text)
        if found is None:
            return
        text, said = self.text, ""
        at = 0
        while found is not None:
            at = found.end()
            to = re.search(r"to=(?:functions\.)?([\w.-]+)", found["to"])
            if to is not None:
                self.calls.append(ToolCall(to[1], found["body"].strip()))
            elif found["channel"] == "final":
                said, self.ended = found["body"].strip(), bool(found["end"])
                break
            else:
                self._think(found["body"])
            found = HARMONY.match(text, at)
        self.text = said or ("" if self.calls else text[at:])

    def _head(self) -> None:
        """What a template writes before an answer, and a model repeated."""
        for _ in range(_ROUNDS):
            found = HEAD.match(self.text)
            if found is None:
                return
            self._note("template", found[0])
            self.text = self.text[found.end() :]

    def _leading_thoughts(self) -> None:
        """Blocks at the start: whoever begins with a thought thinks, whatever was asked."""
        while True:
            start = len(self.text) - len(self.text.lstrip())
            found = THOUGHT.match(self.text, start)
            if found is None:
                return
            family, begins, loose = thought_of(found)
            if begins and self.doubt.quoted and not self.doubt.schema and (loose or self.thought):
                return  # the request names the mark: it is the form of the answer, or what it speaks of
            if not begins:
                self.text = self.text[found.end() :].lstrip()
                continue
            ends = (
                mark
                for mark in THOUGHT.finditer(self.text, found.end())
                if thought_of(mark)[:2] == (family, False)
            )
            close = self._close(found.end(), list(ends))
            self._think(self.text[found.end() : close.start() if close else len(self.text)])
            self.text = self.text[close.end() :].lstrip() if close else ""

    def _close(self, begin: int, ends: list[re.Match[str]]) -> re.Match[str] | None:
        """The first of a thought's ends that does not stand in the middle of code that the thought quotes."""
        whole = (end for end in ends if self.text.count("```", begin, end.start()) % 2 == 0)
        return next(whole, ends[0] if ends else None)

    def _end(self) -> None:
        """The token that ends the turn, and whatever the model wrote behind it."""
        tail = self._tail()
        if tail < len(self.text) and self._may_cut(tail):
            self._note("end_mark", self.text[tail:])
            self.text, self.ended = self.text[:tail], True
        if self.doubt.about or CONTROL.search(self.text) is None:
            return
        for found in Text(self.text).found(CONTROL):
            if found["other"] or not self.text[: found.start()].strip():
                continue
            if found[0].lower() in _WEAK_ENDS and not _begins_turn(self.text, found.end()):
                continue
            self.noted.append("behind_end" if self.text[found.end() :].strip() else "end_mark")
            self.text, self.ended = self.text[: found.start()].rstrip(), True
            return

    def _tail(self) -> int:
        """Where the tokens begin that the text ends with, and nothing else behind its last word."""
        end = len(self.text.rstrip())
        if self.text[end - 1 : end] not in (">", "]", "["):
            return len(self.text)
        start = max(0, end - _TAIL_CHARACTERS)
        tail = len(self.text)
        for found in reversed(list(CONTROL.finditer(self.text, start))):
            if found["other"] or self.text[found.end() : tail].strip():
                break
            tail = found.start()
        return len(self.text[:tail].rstrip()) if tail < len(self.text) else tail

    def _may_cut(self, at: int) -> bool:
        mark = self.text[at:].strip()
        if mark.lower().startswith("</s>") and _is_struck(self.text, at):
            return False
        # An answer about such marks may end with one; a token of its own is set right behind its last sentence.
        tight = self.text[at : at + 1] == mark[:1]
        return not self.doubt.about or (tight and self.text[max(0, at - 1) : at] in _SENTENCE_END)

    def _later_thoughts(self) -> None:
        """Blocks behind a first word, and thoughts of which only the end is there: a template wrote the begin."""
        if THOUGHT.search(self.text) is None:
            return
        self._blocks()
        self._lone_end()

    def _blocks(self) -> None:
        """Take out every thought with a begin and an end, where the begin is no part of a sentence."""
        if self.doubt.about:
            return
        marks = [(mark, *thought_of(mark)) for mark in Text(self.text).found(THOUGHT)]
        closes: dict[str, list[int]] = {}
        for at, (_, family, begins, _) in enumerate(marks):
            if not begins:
                closes.setdefault(family, []).append(at)
        text, at, done = "", 0, 0
        while at < len(marks):
            mark, family, begins, _ = marks[at]
            ends = closes.get(family, [])
            close = bisect.bisect_right(ends, at)
            if not begins or close == len(ends) or not self._is_block(mark.start()):
                at += 1
                continue
            end = marks[ends[close]][0]
            self._think(self.text[mark.end() : end.start()])
            text = _joined(text, self.text[done : mark.start()])
            done, at = end.end(), ends[close] + 1
        if done:
            self.text = _joined(text, self.text[done:])

    def _lone_end(self) -> None:
        """Take off a thought of which only the end is there."""
        opened: set[str] = set()
        lone: list[re.Match[str]] = []
        for mark in Text(self.text).found(THOUGHT):
            family, begins, loose = thought_of(mark)
            if begins:
                opened.add(family)
            elif family not in opened and not loose:
                lone.append(mark)
        last = next(filter(self._is_boundary, reversed(lone)), None)
        if last is not None:
            self._think(self.text[: last.start()])
            self.text = self.text[last.end() :].lstrip()

    def _is_block(self, start: int) -> bool:
        """Whether a thought begins here, and not a sentence that speaks of the mark."""
        before = self.text[max(0, start - _NEAR) : start]
        if self.doubt.schema or not before.strip() or before.rstrip(" \t")[-1:] in _SENTENCE_END:
            return True
        return start < _NEAR and len(before.split()) <= _FEW_WORDS and "\n" not in before.strip()

    def _is_boundary(self, mark: re.Match[str]) -> bool:
        """Whether a thought ends here, and not a sentence that speaks of the mark."""
        start, end = mark.span()
        if self.doubt.schema:
            return self.text.find("{", end) >= 0 or self.text.find("[", end) >= 0
        before, after = self.text[max(0, start - _NEAR) : start], self.text[end : end + _NEAR]
        starts_line = not before.rpartition("\n")[2].strip()
        ends_line = not after.partition("\n")[0].strip()
        if starts_line and ends_line:
            return True
        if self.doubt.about:
            return False
        if starts_line or ends_line or not before[-1:].isspace():
            # Right behind a word or a full stop: a sentence would have set a space there.
            return True
        following = after.lstrip()[:1]
        return before.rstrip()[-1:] in _SENTENCE_END or following.isupper() or following in "#*-{[`"

    def _wrapper(self) -> None:
        """<answer> around an answer (Hunyuan, R1's recipe), where nobody asked for it."""
        if not self.doubt.about and TOKEN_WRAPPERS.search(self.text) is not None:
            for mark in reversed(Text(self.text).found(TOKEN_WRAPPERS)):
                self._note("template", mark[0])
                self.text = self.text[: mark.start()] + self.text[mark.end() :]
        found = WRAPPED.match(self.text)
        if found is None or self.doubt.asks_for(found["name"]):
            return
        thought = bool(self.thoughts) or self.thought
        if not thought and (
            found["name"].lower() in ("output", "final", "solution") or found["rest"] is None
        ):
            return
        inside, rest = found["inside"].strip(), (found["rest"] or "").strip()
        if rest and not thought:
            return
        self.noted.append("wrapper")
        self.text = f"{inside}\n\n{rest}" if rest else inside

    def _tool_calls(self) -> None:
        """Calls as Hermes' template has them, where every one can be read."""
        if "<tool_call>" not in self.text or self.doubt.calls_in_text:
            return
        rest, done = "", 0
        calls: list[ToolCall] = []
        for mark in Text(self.text).found(_HERMES):
            if mark.start() < done:
                return
            end = self.text.find("</tool_call>", mark.end())
            call = None if end < 0 else read_call(self.text[mark.end() : end])
            if call is None:
                return
            calls.append(call)
            rest += self.text[done : mark.start()]
            done = end + len("</tool_call>")
        self.calls += calls
        self.text = (rest + self.text[done:]).strip() if calls else self.text


def _joined(before: str, after: str) -> str:
    """Two pieces of an answer between which a thought stood, with the white space that was around it, once."""
    if not before.strip() or not after.strip():
        return before.rstrip() if before.strip() else after.lstrip()
    gap = before[len(before.rstrip()) :] + after[: len(after) - len(after.lstrip())]
    return before.rstrip() + ("\n" * min(2, gap.count("\n")) or gap[:1]) + after.lstrip()


def _begins_turn(text: str, at: int) -> bool:
    at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches anywhere
    found = CONTROL.match(text, at)
    return text.startswith("<s>", at) or (found is not None and found["turn"] is not None)


def _is_struck(text: str, at: int) -> bool:
    """Whether a </s> ends a piece of HTML that is struck through."""
    return text.count("<s>", 0, at) > text.count("</s>", 0, at)
