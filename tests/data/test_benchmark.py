"""Benchmark files: what is an item in the rows of each, under which id."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from factory.data.benchmark import Item, benchmark_items

DATA = Path(__file__).parents[2] / "../shared/data/eval_targets"

CODE = 'def half(n):\n    """Return half of n.\n    >>> half(4)\n    2\n    """\n'


@pytest.mark.parametrize(
    ("row", "items"),
    [
        ({"question": "How many?", "answer": "#### 3"}, [Item("b", "5", "How many?")]),
        (
            {"task_id": "X/0", "prompt": CODE, "entry_point": "half", "canonical_solution": "", "test": ""},
            [Item("b", "X/0", CODE, (CODE.index("Return"), CODE.index(">>>")), "half")],
        ),
        (
            {"subject": "law", "idx": 3, "question": "Which?", "choices": ["a", "b"], "answer": "B"},
            [Item("b", "law/3", "Which?\na\nb", (0, 6))],
        ),
        (
            {"question": "Which?", "A": "w", "B": "x", "C": "y", "D": "z", "answer": "A"},
            [Item("b", "5", "Which?\nw\nx\ny\nz", (0, 6))],
        ),
        (
            {"id": "q", "question": "Which?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}},
            [Item("b", "q", "Which?\na\nb", (0, 6))],
        ),
        (
            {"key": 7, "prompt": "Write.", "instruction_id_list": [], "kwargs": []},
            [Item("b", "7", "Write.")],
        ),
        (
            {"question_id": 81, "turns": ["Compose.", "Rewrite."]},
            [Item("b", "81/turn 1", "Compose."), Item("b", "81/turn 2", "Rewrite.")],
        ),
        ({"question_id": "x", "turns": [{"content": "Use it."}]}, [Item("b", "x", "Use it.")]),
        (
            {"messages": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Ho."}]},
            [Item("b", "5", "Hi.")],
        ),
        (
            {"instruction": "Shorten.", "instances": [{"input": "So it is.", "output": "It is."}]},
            [Item("b", "5", "Shorten.\nSo it is.")],
        ),
        (
            {"instruction": "Shorten.", "instances": [{"input": "So it is."}, {"input": "As it was."}]},
            [
                Item("b", "5/instance 1", "Shorten.\nSo it is."),
                Item("b", "5/instance 2", "Shorten.\nAs it was."),
            ],
        ),
        (
            {
                "instruction": "Sing.",
                "instances": [{"input": "", "output": "La."}, {"input": "", "output": "Lo."}],
            },
            [Item("b", "5", "Sing.")],
        ),
        ({"problem": "Prove.", "solution": "..."}, [Item("b", "5", "Prove.")]),
        (
            {"Question": "Which?", "A": "w", "B": "x", "C": "y", "D": "z"},
            [Item("b", "5", "Which?\nw\nx\ny\nz", (0, 6))],
        ),
        (
            {"prompt_id": 1, "prompt": ["Compose.", "Rewrite."]},
            [Item("b", "5/turn 1", "Compose."), Item("b", "5/turn 2", "Rewrite.")],
        ),
        ({"input": "Is it so?", "target": "Yes"}, [Item("b", "5", "Is it so?")]),
    ],
)
def test_a_row_of_each_shape_gives_its_items(row: dict[str, Any], items: list[Item]) -> None:
    assert list(benchmark_items("b", [(5, row)])) == items


@pytest.mark.parametrize(
    "row", [{}, {"answer": "3", "score": 1}, {"question": " "}, {"turns": []}, {"prompt": 7}]
)
def test_a_row_without_a_question_is_named_with_what_it_has(row: dict[str, Any]) -> None:
    (sentence,) = benchmark_items("b", [(5, row)])
    assert isinstance(sentence, str)
    assert sentence.startswith("row 5 has no question, only ")
    assert all(key in sentence for key in row)


@pytest.mark.slow
def test_every_row_of_the_shared_benchmarks_is_an_item() -> None:
    files = sorted(DATA.glob("*.jsonl.gz"))
    if not files:
        pytest.skip("the shared benchmarks are not there")
    for path in files:
        with gzip.open(path) as lines:
            rows = [orjson.loads(line) for line in lines]
        items = list(benchmark_items("b", enumerate(rows, 1)))
        assert all(isinstance(item, Item) for item in items), path
        assert len(items) >= len(rows)
        assert len({item.id for item in items if isinstance(item, Item)}) == len(items), path
