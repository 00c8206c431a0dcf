"""Of answers that are planted, every one without support is let go and every one with support is kept."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from made_documents import Reader, manual_chunk, run

from factory.steps.agents.from_documents import FromDocuments

WAYS = (
    "words that are not there",
    "a changed number in the words",
    "no words",
    "an answer that does not follow",
)


def planted(number: int, chinese: bool) -> dict[str, Any]:
    """An answer about the pressure of part `number`, which is `number` + 3, without support."""
    way = WAYS[number % 4]
    if chinese:
        part = re.split("的", manual_chunk(number, chinese=True).prompt)[0]
        question, true, false = f"{part}的额定压力是多少兆帕？", f"{number + 3}", f"{number + 977}"
        say, words = "它的额定压力是 {} 兆帕。", "额定压力为 {} 兆帕"
        other = f"{part}由老陈师傅发明"
    else:
        part = re.split(" works", manual_chunk(number).prompt)[0]
        question, true, false = f"At which pressure does {part} work?", f"{number + 3}", f"{number + 977}"
        say, words = "It works at {} bar.", "works at {} bar"
        other = f"{part} was invented by Ada Orrin"
    quotes = {
        WAYS[0]: [other],
        WAYS[1]: [words.format(false)],
        WAYS[2]: [],
        WAYS[3]: [words.format(true)],
    }[way]
    return {"question": question, "answer": say.format(false), "quotes": quotes}


def supported(number: int, chinese: bool) -> dict[str, Any]:
    """The same question with its answer and the words that it rests on."""
    found = planted(number, chinese)
    return {
        "question": found["question"],
        "answer": found["answer"].replace(f"{number + 977}", f"{number + 3}"),
        "quotes": [f"额定压力为 {number + 3} 兆帕" if chinese else f"works at {number + 3} bar"],
    }


@pytest.mark.slow
@pytest.mark.parametrize("plant", [True, False], ids=["unsupported", "supported"])
def test_200_planted_answers_are_all_let_go_or_all_kept(plant: bool) -> None:
    def write(kind: str, passage: str, facts: list[str]) -> dict[str, Any]:
        chinese = "兆帕" in passage
        number = int(re.search(r"(\d+)号" if chinese else r"The Orrin \w+ (\d+)", passage)[1])  # type: ignore[index]
        return (planted if plant else supported)(number, chinese)

    chunks = [manual_chunk(number, chinese=number >= 100) for number in range(200)]
    done = run(FromDocuments(kinds={"single_fact": 1}, per_chunk=1), Reader(write=write), chunks)
    assert len(done.made) == 200
    assert len(done.kept) == (0 if plant else 200)
    if plant:
        assert Counter(done.dropped) == {"span_not_found": 100, "no_span": 50, "unsupported": 50}
