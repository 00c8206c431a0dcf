"""What `find_leaks` finds: word for word, in part, edited, short; and what it lets pass."""

from __future__ import annotations

import gzip
import html
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_leaks import lightly_edited, planted

from factory.data.benchmark import Item, benchmark_items
from factory.data.text import rouge_tokens
from factory.steps.dedup.leaks.find import BATCH, Leak, find_leaks
from factory.steps.dedup.leaks.index import alphabet, code_points, make_room
from factory.steps.dedup.leaks.tokens import tokenise_one

DATA = Path(__file__).parents[4] / "../shared/data"

DUCKS = (
    "Clara's hens lay 14 eggs on a good day. She cooks three of them for her breakfast and gives five to the "
    "neighbour who feeds the goats. The rest go to the Saturday market for $2 each. How many dollars does Clara "
    "bring home from the market?"
)
TRAIN = (
    "A train leaves Oslo at noon with 120 passengers on board. At each of the 4 stops 15 people get off and 9 "
    "people get on. How many passengers are on the train when it reaches Bergen?"
)
CODE = (
    "def longest_gap(values):\n"
    '    """Given a list of times in any order, return the longest pause between two of them that follow each other\n'
    "    once they are sorted; a list of fewer than two times has a pause of zero.\n"
    "    >>> longest_gap([1, 9, 4])\n    5\n"
    '    """\n'
)
CHINESE = (
    "小明每天早上骑自行车去学校，路上要经过三座桥和两个红绿灯。"
    "如果每个红绿灯平均等待四十秒，他一周上学五天一共要等多少秒？"
)
SHORT = "Why is the sky blue?"
ITEMS = [
    Item("math", "1", DUCKS),
    Item("math", "2", TRAIN),
    Item("code", "gap", CODE, (CODE.index("Given"), CODE.index(">>>")), "longest_gap"),
    Item("zh", "1", CHINESE),
    Item("chat", "7", SHORT),
]
CLEAN = [
    ("Name three rivers of Europe.", "The Danube, the Rhine and the Volga."),
    ("Why do hens lay fewer eggs in winter?", "They need about fourteen hours of light on a good day."),
    ("How many passengers does a train of 4 coaches carry?", "About 300 people, if nobody has to stand."),
    ("Write a function that sorts a list of times.", "def sort(values):\n    return sorted(values)\n"),
    ("小明每天早上吃什么？", "他每天早上吃两个包子，喝一杯豆浆。"),
    ("Tell me why the sky is blue, and then why it is red at night.", "It has to do with scattering."),
]


def the_leak(text: str, items: list[Item] = ITEMS) -> Leak:
    (leak,) = find_leaks([*CLEAN, ("A question.", text)], items)
    return leak


@pytest.mark.parametrize("item", ITEMS[:4], ids=lambda item: item.benchmark)
def test_an_item_is_found_word_for_word_wherever_it_stands(item: Item) -> None:
    records = [*CLEAN, (item.text, "yes"), ("Help me.", f"Of course: {item.text} Is that it?")]
    first, second = find_leaks(records, ITEMS)
    assert (first.record, first.text, second.record, second.text) == (6, 0, 7, 1)
    assert first.item == second.item == item
    assert first.coverage == second.coverage == 1
    assert first.rule == "run"
    assert first.run >= len(rouge_tokens(item.text))
    assert records[7][1][second.start : second.end].strip('" \n') == item.text.strip('" \n?？')


def test_clean_rows_hold_no_item() -> None:
    assert find_leaks(CLEAN, ITEMS) == []


@pytest.mark.parametrize(
    "text",
    [
        DUCKS.upper(),
        re.sub(r"\W+", " ", DUCKS),
        re.sub(r"\s", "\n\n", DUCKS),
        "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in DUCKS),
        DUCKS.replace("e", "é").replace("o", "o\u0308"),
    ],
    ids=["case", "punctuation", "white space", "full width", "accents"],
)
def test_case_punctuation_white_space_width_and_accents_hide_nothing(text: str) -> None:
    leak = the_leak(text)
    assert (leak.item.id, leak.coverage, leak.rule) == ("1", 1, "run")


def test_other_names_are_no_edits_and_other_numbers_are() -> None:
    text = DUCKS.replace("Clara", "Amadou")
    assert the_leak(text).edits == 0
    leak = the_leak(text.replace("14", "30").replace("three", "12").replace("$2", "$3"))
    assert (leak.item.id, leak.rule, leak.edits) == ("1", "edited", 3)
    assert leak.shared.startswith("of them for her breakfast and gives five to the neighbour")


def test_a_number_is_the_same_however_its_thousands_are_set_apart() -> None:
    item = [Item("math", "1", TRAIN.replace("120", "12000"))]
    (leak,) = find_leaks([[item[0].text.replace("12000", "12,000").replace("Oslo", "Rome")]], item, ngram=40)
    assert leak.edits == 0


def test_the_same_few_words_with_other_numbers_are_another_problem() -> None:
    """Pairs that share a form, with other numbers and other words: what counting numbers as free takes for copies."""
    ages = Item(
        "math",
        "1",
        "Ruby is 6 times older than Sam. In 9 years, Ruby will be 3 times as old as Sam. How old is Sam now?",
    )
    fruit = Item(
        "math",
        "2",
        "George has 45% more pears than bananas. If George has 200 bananas, how many fruits does George have?",
    )
    others = [
        ["Jessica is six years older than Claire. In two years, Claire will be 20 years old. How old is Jessica now?"],
        ["Dawn, Lydia, and Donna have a total of 200 bananas. Dawn has 40 more bananas than Lydia. If Lydia has 60 "
         "bananas, how many bananas does Donna have?"],
    ]  # fmt: skip
    assert find_leaks(others, [ages, fruit]) == []
    same = ages.text.replace("6", "4").replace("9", "8").replace("3", "2").replace("Ruby", "Anna")
    assert [leak.item.id for leak in find_leaks([[same]], [ages, fruit])] == ["1"], (
        "the same words, other numbers"
    )


def test_words_inserted_replaced_and_left_out_are_counted() -> None:
    text = TRAIN.replace("leaves", "slowly leaves").replace("people", "persons").replace("on board", "")
    leak = the_leak(text)
    assert (leak.item.id, leak.rule) == ("2", "edited")
    assert leak.edits == 5
    assert leak.of - leak.covered == 5
    assert 5 <= leak.run < 13
    assert the_leak(text.replace("120", "80")).edits == 6


def test_a_function_by_another_name_is_the_same_task() -> None:
    leak = the_leak(
        CODE.replace("longest_gap", "solve").replace("1, 9, 4", "3, 8").replace("order", "sequence")
    )
    assert leak.item.id == "gap"


def test_a_docstring_alone_gives_its_task_away() -> None:
    begin, end = ITEMS[2].core
    assert the_leak(f"Write Python. {CODE[begin:end]}").coverage == 1


def test_half_of_an_item_is_enough_where_no_thirteen_words_stand_in_a_row() -> None:
    words = DUCKS.split()
    pieces = [" ".join(words[at : at + 9]) for at in range(0, len(words), 10)]
    leak = the_leak(" and ".join(pieces), ITEMS[:2])
    assert leak.coverage > 0.5
    (loose,) = find_leaks([[" nothing here but ".join(pieces)]], ITEMS, edits=0)
    assert (loose.rule, loose.run) == ("coverage", 10)
    assert find_leaks([[" nothing here but ".join(pieces)]], ITEMS, edits=0, coverage=1) == []


def test_a_chinese_item_is_found_when_edited() -> None:
    leak = the_leak(CHINESE.replace("三座", "五座").replace("自行车", "电动车").replace("四十", "25"))
    assert (leak.item.benchmark, leak.rule) == ("zh", "edited")


def test_a_short_item_must_be_a_line_of_its_own() -> None:
    assert the_leak("Tell me:\nwhy is  the sky BLUE\nThank you.").rule == "whole"
    assert the_leak(SHORT).item == ITEMS[4]
    assert find_leaks([["Say why is the sky blue? Thank you."]], ITEMS) == []


@pytest.mark.parametrize(
    "question", ["What colour has the sky at noon on a clear day?", "为什么天空是蓝色的？"]
)
def test_a_question_of_multiple_choice_is_found_without_its_choices(question: str) -> None:
    items = [Item("mc", "1", f"{question}\nred\nblue\ngreen\ngrey", (0, len(question)))]
    for text in (question, f"Please answer.\n{question.upper()}\nThank you."):
        leak = the_leak(text, items)
        assert (leak.rule, leak.coverage, leak.item) == ("whole", 1, items[0])
    assert find_leaks([[f"Say {question} And why?"], ["red\nblue\ngreen\ngrey"]], items) == []
    other = Item("mc", "2", f"{question}\npink\nwhite\nblack\nbrown", (0, len(question)))
    assert find_leaks([[question]], [*items, other]) == [], "two items have it"
    short = "Which is true?"
    assert find_leaks([[short]], [Item("mc", "3", f"{short}\nred\nblue", (0, len(short)))]) == []


def test_words_that_several_items_have_are_no_evidence() -> None:
    rule = "Your entire response should be in lowercase letters and no capital letters are allowed anywhere in it."
    items = [Item("if", str(n), f"{task} {rule}") for n, task in enumerate((DUCKS, TRAIN))]
    assert (
        find_leaks(
            [[f"Describe the sea at night and the smell of it in two or three paragraphs. {rule}"]], items
        )
        == []
    )
    assert [leak.item.id for leak in find_leaks([[items[1].text]], items)] == ["1"]


@pytest.mark.parametrize(
    "again",
    [
        lambda text: text,
        lambda text: text + " Explain your answer.",
        lambda text: re.sub(r"\d+", lambda match: str(int(match[0]) + 3), text),
        lambda text: text.replace("people", "persons").replace("breakfast", "lunch").replace("三座", "五座"),
    ],
    ids=["copied", "longer", "other numbers", "other words"],
)
def test_two_versions_of_a_benchmark_do_not_hide_a_leak_of_either(again: Callable[[str], str]) -> None:
    twice = [
        *ITEMS[:4],
        *(item._replace(benchmark="v2", text=again(item.text), core=(0, 0)) for item in ITEMS[:4]),
    ]
    for item in ITEMS[:4]:
        size = 3 * len(item.text) // 4
        (leak, *_) = find_leaks([[f"Solve: {item.text[:size]}"]], twice)
        assert item in (leak.item, *leak.also) or leak.item.id == item.id
        assert leak.record == 0


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3), st.integers(1, 4), st.randoms(use_true_random=False))
def test_more_versions_of_an_item_never_hide_it(number: int, versions: int, chance: random.Random) -> None:
    def version(text: str) -> str:
        words = text.split(" ")
        words[chance.randrange(len(words))] += "x"
        return " ".join(words)

    more = [Item(f"v{at}", item.id, version(item.text)) for at in range(versions) for item in ITEMS[:4]]
    part = ITEMS[number].text[: 3 * len(ITEMS[number].text) // 4]
    alone = {leak.record for leak in find_leaks([[part]], ITEMS[:4])}
    assert alone <= {leak.record for leak in find_leaks([[part]], [*ITEMS[:4], *more])}


def test_records_of_one_lineage_count_once() -> None:
    passage = " ".join(TRAIN.split()[:16])
    item = [Item("math", "2", f"{TRAIN} {DUCKS}")]
    let_pass: list[Leak] = []
    for lineages, found in (
        ([0] * 40, 40),
        ([at % 10 for at in range(40)], 40),
        ([at % 11 for at in range(40)], 0),
    ):
        let_pass.clear()
        leaks = find_leaks([[passage]] * 40, item, lineages=lineages, forgive=let_pass.append)
        assert (len(leaks), len(let_pass)) == (found, 40 - found)
    assert {(leak.lineages, leak.rule, leak.item) for leak in let_pass} == {(11, "run", item[0])}
    assert passage.startswith(let_pass[0].span[:40])


def test_a_passage_that_many_records_have_is_a_phrase() -> None:
    passage = " ".join(TRAIN.split()[:16])
    item = [Item("math", "2", f"{TRAIN} {DUCKS}")]
    assert len(find_leaks([[passage]] * 10, item)) == 10
    assert find_leaks([[passage]] * 11, item) == []
    assert len(find_leaks([[passage]] * 11, item, common=11)) == 11
    assert len(find_leaks([[item[0].text]] * 11, item)) == 11, "a whole item is never a phrase"


def test_items_of_one_text_are_found_together() -> None:
    (leak,) = find_leaks([[DUCKS]], [*ITEMS, Item("copy", "9", DUCKS.upper())])
    assert (leak.item.benchmark, leak.also) == ("math", (Item("copy", "9", DUCKS.upper()),))


@pytest.mark.parametrize("text", ["", "!?…", "\n\n", "\ud800", "\U0010ffff", "a", "好"])
def test_a_text_without_much_in_it_holds_nothing(text: str) -> None:
    assert find_leaks([[], [text], [text, text]], ITEMS) == []
    assert find_leaks([[text * 3]], [Item("odd", "1", text)]) == []


def test_an_item_is_found_in_a_text_longer_than_a_batch() -> None:
    filler = "so it goes on and on " * (BATCH // 20)
    records = [["short"], [filler + TRAIN + filler], [DUCKS]]
    assert [(leak.record, leak.item.id) for leak in find_leaks(records, ITEMS)] == [(1, "2"), (2, "1")]


def test_the_batches_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [*CLEAN, (DUCKS, TRAIN), ("a", DUCKS.replace("14", "15")), *CLEAN, (SHORT, CODE)]
    whole = find_leaks(records, ITEMS)
    monkeypatch.setattr("factory.steps.dedup.leaks.find.BATCH", 300)
    assert find_leaks(records, ITEMS) == whole
    assert len(whole) == 5


@pytest.mark.parametrize(
    "bad", [{"ngram": 5}, {"coverage_ngram": 3}, {"coverage": 0}, {"edits": 1}, {"common": 0}]
)
def test_numbers_that_make_no_sense_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needed"):
        find_leaks([["a"]], ITEMS, **bad)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    st.text(
        st.one_of(st.characters(codec="ascii"), st.sampled_from("中文，。éÀßあ가ก٣\n\u2028\ud800\U0010ffff"))
    )
)
def test_the_compiled_tokens_are_those_of_the_project(text: str) -> None:
    codes, _ = code_points([text])
    room = make_room(len(codes))
    count, _, _ = tokenise_one(codes, alphabet(), room)
    spans = zip(room.starts[:count].tolist(), room.ends[:count].tolist(), strict=True)
    assert [text[start:end].lower() for start, end in spans] == rouge_tokens(text)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.sampled_from([DUCKS, TRAIN, CODE, CHINESE, *(text for row in CLEAN for text in row)]), max_size=6
    )
)
def test_what_is_found_in_a_record_does_not_depend_on_the_others(texts: list[str]) -> None:
    alone = [find_leaks([[text]], ITEMS) for text in texts]
    together = find_leaks([[text] for text in texts], ITEMS)
    assert [leak._replace(record=0) for leak in together] == [leak for leaks in alone for leak in leaks]


def shared_rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"the shared data set {name} is not there")
    with gzip.open(path) as lines:
        return [orjson.loads(line) for line in lines]


def shared_pool(name: str) -> list[tuple[str, str]]:
    return [(f"{row['instruction']}\n\n{row['input']}", row["output"]) for row in shared_rows(name)]


@pytest.mark.slow
def test_planted_items_of_three_benchmarks_are_found_among_clean_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Recall word for word and edited; false alarms on rows that hold none of these items."""
    files = {"GSM8K": "gsm8k_test", "HumanEval": "humaneval", "IFEval": "ifeval"}
    rows = {name: shared_rows(f"eval_targets/{file}.jsonl.gz") for name, file in files.items()}
    items = {name: list(benchmark_items(name, enumerate(rows[name], 1))) for name in files}
    every = [item for part in items.values() for item in part if isinstance(item, Item)]
    assert len(every) == sum(map(len, rows.values()))
    functions = {row["task_id"]: row["entry_point"] for row in rows["HumanEval"]}
    pools = {name: shared_pool(file) for name, file in (("Dolly", "pool/dolly_en.jsonl.gz"),)}
    words = {word for row in pools["Dolly"] for text in row for word in re.findall(r"\b[a-z]{3,}\b", text)}
    table, lost, alarms = [], {}, {}
    for name, part in items.items():
        for how in ("verbatim", "edited"):
            chance = random.Random(f"{name} {how}")
            texts = [item.text for item in part if isinstance(item, Item)]
            if how == "edited":
                texts = [
                    lightly_edited(item.text, chance, words, functions.get(item.id, ""))
                    for item in part
                    if isinstance(item, Item)
                ]
            records = [planted(text, chance.choice(pools["Dolly"]), chance) for text in texts]
            found = {
                (leak.record, item.id)
                for leak in find_leaks(records, every)
                for item in (leak.item, *leak.also)
            }
            hits = sum((at, item.id) in found for at, item in enumerate(part) if isinstance(item, Item))
            table.append(f"{name:<10} {how:<9} {len(texts):>6,} planted {hits:>6,} found")
            lost[name, how] = len(texts) - hits
    pools["Alpaca"] = shared_pool("nc_optional/alpaca_en_52k.jsonl.gz")
    for name, pool in pools.items():
        flagged = {leak.record for leak in find_leaks(pool, every)}
        alarms[name] = len(flagged) / len(pool)
        table.append(f"{name:<20} {len(pool):>6,} clean   {len(flagged):>6,} flagged ({alarms[name]:.3%})")
    with capsys.disabled():
        print("\n" + "\n".join(table))
    assert all(count == 0 for (_, how), count in lost.items() if how == "verbatim")
    # With every number another one and two words more, a question of a dozen words is another question.
    assert sum(lost.values()) <= 0.002 * sum(map(len, items.values()))
    assert max(alarms.values()) <= 0.001


TRADITIONAL = (
    "小明每天早上騎自行車去學校，路上要經過三座橋和兩個紅綠燈。"
    "如果每個紅綠燈平均等待四十秒，他一週上學五天一共要等多少秒？"
)


@pytest.mark.parametrize(
    ("disguise", "item"),
    [
        (html.escape(CODE), ITEMS[2]),
        (DUCKS.replace("'", "&#x27;").replace("$", "&dollar;").replace(" ", "&nbsp;"), ITEMS[0]),
        (DUCKS.translate(str.maketrans("aceopxyCT", "асеорхуСТ")), ITEMS[0]),
        (TRADITIONAL, ITEMS[3]),
    ],
    ids=["entities", "spaces", "Cyrillic", "traditional"],
)
def test_an_item_in_other_characters_is_found(disguise: str, item: Item) -> None:
    leak = the_leak(disguise)
    assert (leak.item, leak.coverage) == (item, 1)


def test_an_item_that_a_benchmark_writes_with_entities_or_in_traditional_characters_is_found() -> None:
    rows = [(1, {"question": html.escape(DUCKS)}), (2, {"question": TRADITIONAL})]
    items = [item for item in benchmark_items("b", rows) if isinstance(item, Item)]
    assert [the_leak(text, items).item.id for text in (DUCKS, CHINESE)] == ["1", "2"]


def test_russian_is_compared_with_russian() -> None:
    russian = (
        "Каждое утро Клара собирает яйца, готовит три на завтрак и продаёт остальные на рынке по два рубля."
    )
    assert the_leak(russian.upper(), [Item("ru", "1", russian)]).coverage == 1


@pytest.mark.slow
def test_a_long_item_that_repeats_itself_is_found_with_words_left_out() -> None:
    """It took minutes: each turn between two of its like places was a comparison of all of it."""
    chance = random.Random(4)
    results = ("lost", "won", "drew", "gave up", "came back", "fell behind")
    item = " ".join(
        f"At the event in town {chance.randint(1, 99)} he {chance.choice(results)} {chance.randint(0, 9)} to "
        f"{chance.randint(0, 9)} in the {chance.choice(('first', 'second', 'last'))} round of qualifying, and then "
        f"{chance.choice(results)} against the {chance.choice(('older', 'younger', 'local'))} player."
        for _ in range(90)
    )
    text = " ".join(word for at, word in enumerate(item.split()) if at % 13 != 5)
    (leak,) = find_leaks([[text]], [Item("long", "1", item)])
    assert (leak.item.id, leak.rule) == ("1", "edited")
