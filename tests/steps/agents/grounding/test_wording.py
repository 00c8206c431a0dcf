"""Questions that only a reader of the passage understands are known by their words, in English and Chinese."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from factory.steps.agents.grounding.wording import wording_flaw

PASSAGE = "The Orrin P4 prints the document on both sides. 奥林 P4 可双面打印，还能在文本中插入图片。"


@pytest.mark.parametrize(
    "question",
    [
        "What does the passage say about paper?",
        "According to the text, how many pages does the Orrin P4 print?",
        "How many trays does the Orrin P4 have, as described in this section?",
        "Which of the settings listed above saves paper?",
        "Based on the provided information, what is the speed of the Orrin P4?",
        "What is the author's opinion of the Orrin P4?",
        "In the given context, what is duplex printing?",
        "What is the main idea of this article?",
        "根据上文，奥林 P4 能双面打印吗？",
        "文中提到的打印机是什么型号？",
        "根据所给材料，奥林 P4 有几个纸盒？",
        "这段文字主要讲了什么？",
        "上述打印机有几个纸盒？",
        "根据文档，奥林 P4 的速度是多少？",
        "作者认为奥林 P4 怎么样？",
        "本文介绍了哪些功能？",
        "本节讲的是哪种纸？",
        "该文档提到了什么？",
        "文章中提到的打印机叫什么？",
    ],
)
def test_one_that_points_at_a_text_is_told(question: str) -> None:
    flaw = wording_flaw(question, PASSAGE)
    assert flaw is not None
    assert flaw.kind == "speaks_of_the_text"


@pytest.mark.parametrize(
    "question",
    [
        "How does it work?",
        "What are its main features?",
        "Why did he leave?",
        "How often should they be cleaned?",
        "它有几个纸盒？",
        "该设备的重量是多少？",
        "这款产品能保温多久？",
        "请介绍他的经历。",
    ],
)
def test_one_that_says_it_before_anything_is_named_is_told(question: str) -> None:
    flaw = wording_flaw(question, PASSAGE)
    assert flaw is not None
    assert flaw.kind == "not_understood_alone"


@pytest.mark.parametrize(
    "question",
    [
        "How many pages does the Orrin P4 print in a minute?",
        "When the Orrin P4 is jammed, how is it opened?",
        "How do I have the Orrin P4 print the document on both sides?",  # the passage speaks of "the document" too
        "How long does it take to warm up the Orrin P4?",
        "Is it safe to open the Orrin P4 while it prints?",
        "Which paper passes through the Orrin P4?",
        "What is a context switch?",
        "What is it like to print with the Orrin P4?",
        "Why was it unclear who built the Orrin P4?",
        "Is IT a trade that needs the Orrin P4?",
        "Summarise how the Orrin P4 handles thick paper.",
        "奥林 P4 一分钟打印多少页？",
        "奥林 P4 卡纸时，它的盖子怎么打开？",
        "奥林 P4 的说明书放在哪里？",
        "日本产的奥林 P4 用什么纸？",
        "怎样用奥林 P4 打印带目录的书？",
        "如何把文件夹里的照片传到奥林 P4？",
        "其他型号能用奥林 P4 的墨盒吗？",
        "Who is the author of the Orrin handbook?",
        "《红楼梦》的作者是谁？",
        "网上文档怎样传给奥林 P4 打印？",
        "奥林 P4 怎样在文本中插入图片？",
        "怎样打开奥林 P4 的基本节能模式？",
        "日本章鱼烧要烤多久？",
        "奥林公司向客户提供的资料有哪些？",
        "根据文件名能查到奥林 P4 的打印记录吗？",
    ],
)
def test_one_that_names_what_it_is_about_is_none(question: str) -> None:
    assert wording_flaw(question, PASSAGE) is None


DOLLY = Path(__file__).parents[4] / "../shared/data/pool/dolly_en.jsonl.gz"


@pytest.mark.slow
def test_of_questions_that_people_wrote_alone_few_are_told_and_of_those_about_a_passage_many() -> None:
    """Dolly (databricks-dolly-15k): 8,129 rows without a passage, 3,886 about one; measured 0.5 % and 27 %."""
    if not DOLLY.is_file():
        pytest.skip(f"{DOLLY} is not here")
    with gzip.open(DOLLY, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    told: dict[bool, list[bool]] = {True: [], False: []}
    for row in rows:
        told[bool(row["input"])].append(wording_flaw(row["instruction"], row["input"]) is not None)
    assert sum(told[False]) / len(told[False]) < 0.01
    assert sum(told[True]) / len(told[True]) > 0.2
