"""Chunks of made-up manuals, and a scripted model that reads, writes and judges them as a good one would."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from step_context import Ask, scripted_context

from factory.data.document import Chunk, chunk_record
from factory.data.record import Record
from factory.data.table import Table
from factory.steps.agents.from_documents import FromDocuments

PARTS = (
    "pump", "valve", "filter", "rotor", "sensor", "hopper", "gasket", "boiler", "gearbox", "burner",
    "nozzle", "clutch", "piston", "mixer", "dryer", "cutter", "roller", "lever", "magnet", "fan",
)  # fmt: skip
ZH_PARTS = ("水泵", "阀门", "滤芯", "转子", "料斗", "垫圈", "锅炉", "齿轮", "喷嘴", "活塞")


def manual_chunk(
    number: int, *, file: str = "manual.md", chinese: bool = False, more: str = "", total: int = 20
) -> Record:
    """A chunk about one part: three facts with numbers of its own, and a part that two neighbours share."""
    if chinese:
        part, other = ZH_PARTS[number % 10], ZH_PARTS[(number // 2) % 10]
        text = (
            f"青禾{part}{number}号的额定压力为 {number + 3} 兆帕。青禾{part}{number}号每 {number + 40} 天保养一次。"
            f"青禾{part}{number}号与公共{other}{number // 2}组相连，间距 {number + 7} 厘米。{more}"
        )
        headings: tuple[str, ...] = ("青禾手册", f"{part}{number}号")
    else:
        part, other = PARTS[number % 20], PARTS[(number // 2) % 20]
        text = (
            f"The Orrin {part} {number} works at {number + 3} bar. The Orrin {part} {number} is greased every "
            f"{number + 40} days. The Orrin {part} {number} is bolted to shared {other} bank {number // 2} at a "
            f"distance of {number + 7} cm.{more}"
        )
        headings = ("Orrin manual", f"{part.capitalize()} {number}")
    about = Chunk(
        "d" + file, file, "Orrin manual", number, total, headings, number + 1, number + 1, 0, len(text)
    )
    return chunk_record(text, about, lang="zh" if chinese else "en")


def sentences(text: str) -> list[str]:
    """The sentences of a text."""
    return [part.strip() for part in re.findall(r"[^.。]+[.。]", text)]


def between(tag: str, text: str) -> str:
    """What stands between a prompt's tags, the last of that name, marked or not."""
    return re.findall(rf"<{tag}(?:-[0-9a-f]{{8}})?>\n(.*?)\n</{tag}", text, re.DOTALL)[-1]


@dataclass
class Reader:
    """A scripted model. Each of its answers may be changed for a test.

    kinds: how often each prompt was asked, by the name of what it asks for
    """

    write: Callable[[str, str, list[str]], dict[str, Any] | None] = lambda kind, passage, said: None
    supported: Callable[[str, str, str], str] | None = None
    understood: Callable[[str], bool] = lambda question: True
    known: Callable[[str], str] = lambda question: ""
    answers: Callable[[str, str], bool] = lambda passage, question: False
    facts: Callable[[str], list[dict[str, Any]] | None] = lambda passage: None
    kinds: list[str] = field(default_factory=list)

    def __call__(self, ask: Ask) -> str:
        """The reply to a call of a step."""
        assert ask.schema is not None
        return self.reply(ask.text, set(ask.schema.model_fields))

    def served(self, request: dict[str, Any]) -> str:
        """The reply to a request to a server."""
        schema = request["response_format"]["json_schema"]["schema"]
        return self.reply(request["messages"][-1]["content"], set(schema["properties"]))

    def reply(self, said: str, wanted: set[str]) -> str:
        """The JSON that fits what is wanted."""
        if "facts" in wanted:
            self.kinds.append("facts")
            told = self._facts(between("passage", said))
        elif "verdict" in wanted:
            self.kinds.append("supported")
            told = {"reason": "so it is", "verdict": self._verdict(said)}
        elif "understood" in wanted:
            self.kinds.append("alone")
            told = {"reason": "so it is", "understood": self.understood(between("question", said))}
        elif "known" in wanted:
            self.kinds.append("closed_book")
            answer = self.known(between("question", said))
            told = {"known": bool(answer), "answer": answer}
        elif "same" in wanted:
            self.kinds.append("same_answer")
            first, second = (set(re.findall(r"\d+", between(name, said))) for name in ("first", "second"))
            told = {"reason": "so it is", "same": first == second}
        elif "declines" in wanted:
            self.kinds.append("declined")
            found = self.answers(between("passage", said), between("question", said))
            declines = bool(re.search("do not know|不清楚", between("answer", said)))
            told = {"reason": "so it is", "passage_answers": found, "declines": declines}
        else:
            told = self._written(said, wanted)
        return json.dumps(told, ensure_ascii=False)

    def _facts(self, passage: str) -> dict[str, Any]:
        own = self.facts(passage)
        if own is None:
            named = re.compile(r"shared \w+ bank \d+|公共\w\w\d+组")
            own = [
                {"statement": one, "quote": one, "entities": named.findall(one)} for one in sentences(passage)
            ]
        return {"facts": own}

    def _verdict(self, said: str) -> str:
        question, answer, evidence = (between(name, said) for name in ("question", "answer", "evidence"))
        if self.supported is not None:
            return self.supported(question, answer, evidence)
        numbers = set(re.findall(r"\d+", answer))
        return "supported" if numbers <= set(re.findall(r"\d+", evidence)) else "unsupported"

    def _written(self, said: str, wanted: set[str]) -> dict[str, Any]:
        if "quotes_first" in wanted:
            self.kinds.append("multi_hop")
            first, second = between("first", said), between("second", said)
            own = self.write("multi_hop", f"{first}\n{second}", [])
            if own is not None:
                return own
            quotes = [sentences(first)[-1], sentences(second)[-1]]
            told = grounded(quotes)
            del told["quotes"]
            return {**told, "quotes_first": quotes[:1], "quotes_second": quotes[1:]}
        passage = between("passage", said)
        facts = [
            re.split(r' \("|（“', line)[0].removeprefix("- ") for line in between("facts", said).splitlines()
        ]
        if "turns" in wanted:
            self.kinds.append("conversation")
            own = self.write("conversation", passage, facts)
            return own or {"turns": [grounded(facts[:1]), grounded(facts[1:2])]}
        if "quotes" not in wanted:
            self.kinds.append("unanswerable")
            own = self.write("unanswerable", passage, facts)
            chinese = "。" in facts[0]
            subject = re.split(r" works| is |的|每|与", facts[0])[0]
            return own or {
                "question": f"{subject}是什么颜色的？" if chinese else f"What colour does {subject} have?",
                "answer": f"我不清楚{subject}的颜色。"
                if chinese
                else f"I do not know the colour of {subject}.",
            }
        self.kinds.append("grounded")
        own = self.write("grounded", passage, facts)
        return own or grounded(facts)


def grounded(facts: Sequence[str]) -> dict[str, Any]:
    """A question about facts of a manual, its answer with their numbers, and their words."""
    chinese = "。" in facts[0]
    subject = re.split(r" works| is |的|每|与", facts[0])[0]
    numbers = " and ".join(re.findall(r"\d+", " ".join(facts)))
    about = " ".join(re.findall(r"\b(?:works|greased|bolted)\b|额定|保养|相连", " ".join(facts)))
    if chinese:
        question, answer = f"请说出{subject}{about}的各项数值。", f"所问的数值是 {numbers}，都以出厂时为准。"
    else:
        question, answer = (
            f"Which values hold for {subject}: {about}?",
            f"The values that hold are {numbers}.",
        )
    return {"question": question, "answer": answer, "quotes": list(facts)}


@dataclass
class Done:
    """What a step gave: the records that came in, as they are marked, the rows it made, and what it told."""

    chunks: list[Record]
    made: list[Record]
    told: list[str]
    warned: list[str]
    facts: dict[str, Any]
    tables: dict[str, list[dict[str, Any]]]
    asks: list[Ask]

    @property
    def kept(self) -> list[Record]:
        return [row for row in self.made if row.dropped is None]

    @property
    def dropped(self) -> list[str]:
        return [row.dropped.kind for row in self.made if row.dropped]


def run(step: FromDocuments, script: Callable[[Ask], Any], chunks: Sequence[Record], seed: int = 0) -> Done:
    """The outcome of the step on these chunks."""
    told: list[str] = []
    warned: list[str] = []
    context, chat = scripted_context(script, step="03-from_documents", seed=seed)
    context = replace(context, tell=told.append, warn=warned.append)
    rows = list(asyncio.run(step.run(Table.from_records(chunks), context)).records())
    number = len(chunks)
    return Done(rows[:number], rows[number:], told, warned, context.facts, context.tables, chat.asks)
