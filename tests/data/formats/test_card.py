"""The data set card: counts of all that is known, in the language of the set, and nothing in it that data could end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from factory.data.formats.card_body import cell, public_name
from factory.data.formats.card_run import Asked, with_run
from factory.data.formats.release import card_header
from factory.data.formats.write import write_dataset
from factory.data.record import Event, Record, new_record
from factory.data.run_manifest import StepFacts

STEPS = [
    StepFacts(label="01-read", made=12, passed=12),
    StepFacts(label="02-judge", entered=12, passed=8, dropped={"low": 3}, failed={"bad_reply": 1}),
    StepFacts(
        label="03-decontaminate",
        entered=8,
        passed=6,
        dropped={"leak": 2},
        facts={"benchmarks": [{"benchmark": "gsm8k", "items": 1319, "found": 1, "in_records": 2}]},
    ),
]
ASKED = Asked({"teacher": "Qwen/Qwen3-8B"}, 20, 3000, 1500, 0.0125)


def written(folder: Path, records: list[Record]) -> str:
    write_dataset(records, folder, ("messages", "parquet"))
    return (folder / "README.md").read_text(encoding="utf-8")


def rows(lang: str = "en") -> list[Record]:
    event = Event("02-respond", "respond", "Qwen/Qwen3-8B", f"{lang}/respond@1")
    math = new_record("What is 2+2?", output="4", lang=lang, task="math", source="gsm8k")
    code = new_record("Sort it.", output="ok", lang=lang, task="code", source="pool")
    return [replace(math, license="mit"), replace(math, license="cc-by-nc-4.0"), code.with_event(event)]


def test_sources_licences_tasks_models_and_prompts_have_their_counts(tmp_path: Path) -> None:
    card = written(tmp_path, rows())
    for line in (
        "| (not named) | 1 |",
        "| `mit` | 1 |",
        "**1 row (cc-by-nc-4.0) forbid commercial use, the others do not say so.**",
        "| `gsm8k` | 2 |",
        "| `math` | 2 | 66.7% |",
        "| `code` | 1 | 33.3% |",
        "| `Qwen/Qwen3-8B` | 1 |",
        "| `en/respond@1` | 1 |",
    ):
        assert line in card


def test_the_card_of_a_chinese_set_is_chinese(tmp_path: Path) -> None:
    card = with_run(written(tmp_path, rows("zh")), "a", "0" * 12, 1, STEPS, ASKED)
    for line in (
        "# 监督微调数据集",
        "## 数据来源",
        "**本数据集含 2 种许可：各行仍遵循其自身的许可。**",
        "## 构成",
        "## 模型与提示词",
        "## 制作过程",
        "| `02-judge` | 12 | 0 | 8 | `low` 3、`bad_reply` 1（失败） |",
        "### 基准泄漏检查",
        "| `gsm8k` | 1,319 | 1 | 2 |",
        "共 20 次调用",
    ):
        assert line in card
    assert "## Where" not in card
    assert "`, `" not in card.partition("## 制作过程")[0]
    assert card_header(tmp_path)["language"] == ["zh"]


def test_a_card_is_chinese_only_where_most_records_are(tmp_path: Path) -> None:
    mixed = [*rows("en"), *(replace(one, lang="zh") for one in rows("zh")[:2])]
    assert "## Where it comes from" in written(tmp_path, mixed)


def test_a_run_adds_its_filters_leaks_models_and_cost_once(tmp_path: Path) -> None:
    card = with_run(written(tmp_path, rows()), "my recipe", "0" * 12, 7, STEPS, ASKED)
    assert with_run(card, "my recipe", "0" * 12, 7, STEPS, ASKED) == card
    for line in (
        "By sft-factory, recipe `my recipe` (hash `000000000000`), seed 7.",
        "| `02-judge` | 12 | 0 | 8 | `low` 3, `bad_reply` 1 (failed) |",
        "| `gsm8k` | 1,319 | 1 | 2 |",
        "| `teacher` | `Qwen/Qwen3-8B` |",
        "20 calls, 3,000 tokens of prompts and 1,500 of replies, embeddings left out; cost 0.0125",
    ):
        assert card.count(line) == 1


MIXED = [
    StepFacts(
        label="02-mixture",
        facts={
            "mixture": [
                {"group": "code", "share": 0.6, "of_the_set": 0.5, "rows": 50, "repeated_rows": 20},
                {"group": "数学", "share": 0.4, "of_the_set": 0.5, "rows": 50, "repeated_rows": 0},
            ]
        },
    ),
    StepFacts(label="03-split", facts={"leak_check": {"held_out": 10, "near_by": "rouge", "crossing": 0}}),
]


def test_shares_and_the_leak_check_of_what_is_held_out_are_told_in_either_language(tmp_path: Path) -> None:
    card = with_run(written(tmp_path, rows()), "a", "0" * 12, 7, MIXED, ASKED)
    assert "### Shares that `02-mixture` gave" in card
    assert "| `code` | 60.0% | 50.0% | 50 | 20 |" in card
    assert "10 rows. No history, document or same prompt is on both sides of a border; nor a near" in card
    chinese = with_run(written(tmp_path, rows("zh")), "a", "0" * 12, 7, MIXED, ASKED)
    assert "| `数学` | 40.0% | 50.0% | 50 | 0 |" in chinese
    assert "共 10 行。没有同一来历、同一文档或相同提问分处两个部分；也没有近似重复" in chinese


def test_that_near_duplicates_were_not_looked_for_is_said(tmp_path: Path) -> None:
    step = StepFacts(label="02-split", facts={"leak_check": {"held_out": 1, "near_by": "none"}})
    card = with_run(written(tmp_path, rows()), "a", "0" * 12, 7, [step], ASKED)
    assert "near duplicates were not looked for." in card


def test_many_groups_are_summed_up(tmp_path: Path) -> None:
    groups = [
        {"group": f"g{at}", "share": 0.02, "of_the_set": 0.02, "rows": 2, "repeated_rows": 1}
        for at in range(50)
    ]
    step = StepFacts(label="02-mixture", facts={"mixture": groups})
    card = with_run(written(tmp_path, rows()), "a", "0" * 12, 7, [step], ASKED)
    assert "| 30 others | 60.0% | 60.0% | 60 | 30 |" in card


@pytest.mark.parametrize("formats", [("messages",), ("parquet", "messages"), ("source", "alpaca")])
def test_each_part_has_its_rows(tmp_path: Path, formats: tuple[str, ...]) -> None:
    made = [
        new_record(f"Question {at}?", output="x", meta={"split": "test" if at < 3 else "train"})
        for at in range(10)
    ]
    write_dataset(made, tmp_path, formats)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| part | rows |\n| --- | --- |\n| `train` | 7 |\n| `test` | 3 |" in card


def test_a_set_of_one_part_has_no_table_of_parts(tmp_path: Path) -> None:
    assert "| part |" not in written(tmp_path, rows())


def test_that_nobody_looked_for_leaks_and_that_no_price_was_given_is_said(tmp_path: Path) -> None:
    card = with_run(written(tmp_path, rows()), "a", "0" * 12, 7, STEPS[:2], ASKED._replace(cost=None))
    assert "Not looked for: the recipe has no step `decontaminate`." in card
    assert "no prices were given" in card
    assert "None." in with_run(card, "a", "0" * 12, 7, STEPS[:2], Asked({}))


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("/home/me/models/qwen", "qwen"),
        ("~/m/", "m"),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("C:\\m\\qwen", "qwen"),
        ("vllm:/data/qwen", "vllm:qwen"),
    ],
)
def test_a_model_of_this_machine_is_named_without_its_folders(model: str, shown: str) -> None:
    assert public_name(model) == shown


@given(st.text(min_size=1))
def test_no_name_ends_its_cell_or_its_line(name: str) -> None:
    shown = cell(name)
    assert shown[0] == shown[-1] == "`"
    assert "`" not in shown[1:-1]
    assert "|" not in shown
    assert len(shown.splitlines()) == 1


def test_hostile_names_stay_inside_of_the_cards_tables_and_header(tmp_path: Path) -> None:
    hostile = "x` | </td><script>alert(1)</script>\n---\n# boo [a](javascript:b) ${{ }}"
    record = new_record("q", output="a", source=hostile, task=hostile, lang="en\nlicense: evil")
    event = Event("02-x", "x", hostile, hostile)
    card = written(tmp_path, [replace(record, license=hostile).with_event(event)])
    header, _, text = card.removeprefix("---\n").partition("\n---\n")
    assert "evil" not in str(yaml.safe_load(header).get("license"))
    for line in text.splitlines():
        assert not line.startswith("# boo")
        if "script" in line.lower() and not line.startswith("**"):
            assert line.startswith("| `")
    assert "<script>" not in "".join(text.split("`")[::2])  # outside of code
