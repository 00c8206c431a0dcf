"""A set is split by families: nothing held out is known from training, and each part is like the whole."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from factory.data.record import Event, Record, new_record
from factory.data.table import Table
from factory.errors import RunStopped
from factory.step import Context
from factory.steps.assemble.split import Split
from factory.steps.assemble.splitting.families import join_families
from factory.steps.assemble.splitting.parts import assign, wanted_rows
from factory.steps.dedup.close.pairs import ByMeaning, ByPassages

WORDS = [
    "river",
    "stone",
    "window",
    "garden",
    "music",
    "paper",
    "winter",
    "silver",
    "orange",
    "market",
    "bridge",
]
WORDS += ["candle", "forest", "mirror"]
CHINESE = "河流石头窗户花园音乐纸张冬天银色橙子市场桥梁蜡烛森林镜子"


class Told(list[str]):
    """Sentences of a step, and its facts."""

    facts: dict[str, Any]


def split(
    step: Split, records: Sequence[Record], seed: int = 0, embedder: object = None
) -> tuple[list[Record], Told]:
    told = Told()

    def nobody(name: str) -> object:
        assert embedder is not None, "split asks no model"
        return embedder

    context = Context("04-split", seed, nobody, nobody, warn=told.append, tell=told.append)  # type: ignore[arg-type]
    table = asyncio.run(step.run(Table.from_records(records), context))
    told.facts = orjson.loads(orjson.dumps(context.facts))  # as the manifest holds them
    return list(table.records()), told


def parts(records: Sequence[Record]) -> list[str]:
    return [record.meta["split"] for record in records]


def sentence(random: np.random.Generator, at: int) -> str:
    if at % 2:
        return "".join(random.permutation(list(CHINESE)).tolist()) + f"{at}。"
    return " ".join(random.permutation(WORDS).tolist()) + f" {at}."


def planted(families: int = 40, singles: int = 120) -> tuple[list[Record], list[int]]:
    """Records of families of four (a near copy, a child, a fact of the same document), and records of their own."""
    random = np.random.default_rng(0)
    records: list[Record] = []
    family: list[int] = []
    for at in range(families):
        text = sentence(random, at)
        first = new_record(text, output="yes", meta={"document": f"d{at}"})
        near = new_record(f"{text} Please.", output="no")
        child = first.child(sentence(random, 1000 + at), Event("01-evolve", "deepen"))
        child = replace(child, meta={"url": "x"})
        same = new_record(sentence(random, 2000 + at), output="so", meta={"document": f"d{at}"})
        records += [first, near, child, same]
        family += [at] * 4
    records += [new_record(sentence(random, 5000 + at), output="ok") for at in range(singles)]
    family += range(families, families + singles)
    order = random.permutation(len(records)).tolist()
    return [records[at] for at in order], [family[at] for at in order]


@pytest.mark.parametrize("near", ["rouge", "minhash"])
def test_planted_families_stay_in_one_part(near: Any) -> None:
    records, family = planted()
    found, told = split(Split(validation=0.1, test=0.2, near=near, threshold=0.7), records)
    where = defaultdict(set)
    for number, part in zip(family, parts(found), strict=True):
        where[number].add(part)
    assert all(len(parts) == 1 for parts in where.values())
    counts = Counter(parts(found))
    assert counts["test"] == pytest.approx(56, abs=4)
    assert counts["validation"] == pytest.approx(28, abs=4)
    assert told.facts["leak_check"]["crossing"] == 0
    assert "leak check: no history" in told[-1]
    assert [record.id for record in found] == [record.id for record in records], "the order of the set stays"


def test_no_pair_across_a_border_is_close_by_the_package_rouge_score() -> None:
    """Chains too: B is close to A and to C, which are not close to each other, so that greedy joins miss B and C."""
    random = np.random.default_rng(1)
    texts: list[str] = []
    for _ in range(30):
        words = random.permutation(WORDS).tolist()
        texts += [" ".join(words[:10]), " ".join(words[2:12]), " ".join(words[4:14])]
    records = [new_record(text, output="yes") for text in texts]
    found, told = split(Split(validation=0.1, test=0.15), records, seed=3)
    scorer = rouge_scorer.RougeScorer(["rougeL"])
    for one in found:
        for other in found:
            if parts([one]) != parts([other]):
                assert scorer.score(one.prompt, other.prompt)["rougeL"].fmeasure <= 0.7
    assert set(parts(found)) == {"train", "validation", "test"}
    assert told.facts["families"]["largest"] >= 3


def test_two_children_of_a_seed_that_is_not_in_the_set_are_one_family() -> None:
    random = np.random.default_rng(2)
    seeds = [new_record(sentence(random, at), output="a") for at in range(20)]
    children = [
        seed.child(sentence(random, 100 + 2 * at + number), Event("01-evolve", "breadth", round=number))
        for at, seed in enumerate(seeds)
        for number in range(2)
    ]
    found, _ = split(Split(test=0.3, near="none"), children)
    for at in range(0, len(children), 2):
        assert parts(found)[at] == parts(found)[at + 1]


def test_repeats_of_a_record_stay_with_it_and_those_held_out_are_told() -> None:
    records = [new_record(f"{sentence(np.random.default_rng(at), at)}?", output="Yes.") for at in range(40)]
    table = Table.from_records(records)
    table = table.with_rows(table.repeated(range(40), "02-schedule", 2))
    made, told = split(Split(test=0.2, near="none"), list(table.records()))
    places = defaultdict(set)
    for record, part in zip(made, parts(made), strict=True):
        places[record.instruction].add(part)
    assert all(len(own) == 1 for own in places.values())
    held = parts(made).count("test")
    assert any(f"{held // 2:,} of the {held:,} records held out are repeats" in said for said in told)


def test_each_value_is_split_alike() -> None:
    random = np.random.default_rng(0)
    records = [
        new_record(sentence(random, at), output="yes", task="math" if at % 5 else "写作") for at in range(200)
    ]
    found, told = split(Split(validation=0.1, test=20, stratify="task"), records)
    counts = Counter((record.task, record.meta["split"]) for record in found)
    assert counts["math", "test"] == 16
    assert counts["写作", "test"] == 4
    assert counts["math", "validation"] == 16
    assert told.facts["strata"]["写作"] == [32, 4, 4]


def test_the_same_seed_gives_the_same_split_and_another_one_another() -> None:
    records, _ = planted(10, 60)
    first = parts(split(Split(test=0.3), records, seed=1)[0])
    assert first == parts(split(Split(test=0.3), records, seed=1)[0])
    assert first != parts(split(Split(test=0.3), records, seed=2)[0])


def test_records_of_one_text_but_other_signs_or_inputs_are_no_family() -> None:
    records = [new_record(f"12 {sign} 7?", output="x") for sign in "+-*/"] + [
        new_record("Translate.", input=text, output="x") for text in ("one cat", "two dogs", "three birds")
    ]
    _, told = split(Split(test=2), records)
    assert told.facts["families"]["families"] == 7


def test_meaning_joins_what_words_do_not() -> None:
    class Embedder:
        name = "scripted"

        async def embed(self, texts: Sequence[str]) -> Any:
            eye = np.eye(10, dtype=np.float32)
            return np.stack([eye[int(text.split()[-1]) % 10] for text in texts])

    names = ["how tall is tower", "多高 塔", "height please of building"]
    records = [new_record(f"{name} {at}", output="x") for at in range(10) for name in names]
    found, told = split(Split(test=0.3, near="semantic"), records, embedder=Embedder())
    where = defaultdict(set)
    for record in found:
        where[record.prompt.split()[-1]].add(record.meta["split"])
    assert all(len(own) == 1 for own in where.values())
    assert told.facts["families"]["families"] == 10


def test_without_near_it_is_told_that_near_duplicates_were_not_looked_for() -> None:
    _, told = split(Split(test=0.2, near="none"), planted(5, 30)[0])
    assert "near duplicates were not looked for" in told[-1]


def test_a_column_of_its_own_named_split_is_replaced_and_told() -> None:
    records = [
        new_record(f"question {at} {'abcdefgh'[at]}", output="x", meta={"split": "old", "n": at})
        for at in range(8)
    ]
    found, told = split(Split(test=0.25, near="none"), records)
    assert set(parts(found)) == {"train", "test"}
    assert [record.meta["n"] for record in found] == list(range(8))
    assert any("which is replaced" in sentence for sentence in told)


def test_a_part_that_would_be_empty_stops_with_a_sentence() -> None:
    one_family = [new_record("the very same question", output=f"{at}") for at in range(10)]
    with pytest.raises(
        RunStopped, match=r"test would be empty: the records \(10\) are of 1 family, the largest of 10"
    ):
        split(Split(test=0.2), one_family)
    with pytest.raises(RunStopped, match="12 rows are to be held out of 10: nothing is left to train on"):
        split(Split(test=12), one_family)
    with pytest.raises(RunStopped, match=r"no record has a column 'tsk'; did you mean 'task'\?"):
        split(Split(test=2, stratify="tsk"), [replace(record, task="a") for record in one_family])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"test": 1.5}, "neither a share below 1 nor a whole number"),
        ({"test": 0}, "nothing is held out"),
        ({"test": 0.6, "validation": 0.5}, "leave some to train on"),
        ({"test": -1}, "greater than or equal to 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Split(**options)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=1, max_size=60),
    st.floats(0, 0.4),
    st.floats(0.05, 0.4),
    st.randoms(use_true_random=False),
)
def test_no_family_is_cut_and_no_held_out_part_takes_more_than_it_wants_but_by_a_family(
    rows: list[tuple[int, int]], validation: float, test: float, random: Any
) -> None:
    groups = {}
    families = np.array([groups.setdefault(family, at) for at, (family, _) in enumerate(rows)])
    strata = np.unique([stratum for _, stratum in rows], return_inverse=True)[1]
    wanted = (
        wanted_rows(strata, {"train": 0, "validation": validation, "test": test}, np.random.default_rng(0))
        if len(rows) > 3
        else None
    )
    if wanted is None:
        return
    assert (wanted.sum(axis=1) == np.bincount(strata)).all()
    assert (wanted >= 0).all()
    keys = np.array(random.sample(range(len(rows)), len(rows)))
    part_of = assign(families, strata, wanted, keys)
    for family in set(families.tolist()):
        assert len(set(part_of[families == family].tolist())) == 1
    for part in (1, 2):
        assert (part_of == part).sum() <= wanted[:, part].sum() or len(set(strata.tolist())) > 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 14)), max_size=20))
def test_families_are_the_connected_components(links: list[tuple[int, int]]) -> None:
    one, other = (np.array([link[at] for link in links], np.int64) for at in (0, 1))
    found = join_families(10, [(one, other)])
    reach = {at: {at} for at in range(15)}
    for _ in range(15):
        for a, b in links:
            reach[a] |= reach[b]
            reach[b] |= reach[a]
    for a in range(10):
        assert found[a] == min(b for b in range(10) if reach[a] & reach[b])


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=8), min_size=2, max_size=20), st.data()
)
def test_what_lies_across_a_border_is_found_by_passages_as_by_comparing_all(
    rows: list[list[str]], data: Any
) -> None:
    from factory.steps.dedup.minhash.join import document, similarity

    texts = [" ".join(row) for row in rows]
    close = ByPassages(texts, [""] * len(texts), 0.5, 0, shingle=2)
    held = np.array(sorted(data.draw(st.sets(st.integers(0, len(texts) - 1), min_size=1))))
    others = np.setdiff1d(np.arange(len(texts)), held)
    found = close.across(held, others)
    own = [document(text, "", 2) for text in texts]
    expected = [at for at in others.tolist() if max(similarity(own[at], own[h]) for h in held.tolist()) > 0.5]
    assert found.one.tolist() == expected


def test_what_lies_across_a_border_is_found_by_meaning_as_by_comparing_all() -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((300, 6)).astype(np.float32)
    vectors[7] = 0
    inputs = ["a" if at % 3 else "b" for at in range(300)]
    held, others = np.arange(0, 100), np.arange(100, 300)
    found = ByMeaning(vectors, inputs, 0.9).across(held, others)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    cosine = unit[others] @ unit[held].T
    same = np.array(inputs)[others][:, None] == np.array(inputs)[held]
    expected = others[((cosine > 0.9) & same).any(axis=1)]
    assert sorted(found.one.tolist()) == expected.tolist()


def test_of_many_strata_of_one_row_each_part_has_its_size_and_no_part_has_the_first_ones() -> None:
    records = [new_record(f"question {at}", output="yes", meta={"group": f"g{at:03d}"}) for at in range(1000)]
    step = Split(validation=0.1, test=0.1, near="none", stratify="group")
    found, told = split(step, records)
    assert Counter(parts(found)) == {"train": 800, "validation": 100, "test": 100}
    for name in ("validation", "test"):
        at = [number for number, part in enumerate(parts(found)) if part == name]
        assert 350 < sum(at) / len(at) < 650, "drawn from all strata, by any name"
    assert any("test has no record of group" in sentence for sentence in told)


def test_a_template_larger_than_what_is_held_out_stays_in_train_and_is_told() -> None:
    random = np.random.default_rng(4)
    template = [new_record(" ".join([*WORDS, str(at)]), output="yes") for at in range(60)]
    others = [new_record(sentence(random, 2 * at), output="yes") for at in range(140)]
    found, told = split(Split(test=0.1), [*template, *others])
    assert set(parts(found)[:60]) == {"train"}
    assert Counter(parts(found))["test"] == 20
    (warned,) = [one for one in told if "larger than what is held out (60 records, 30.0%)" in one]
    assert "says nothing of them" in warned
    assert not any("larger than" in one for one in split(Split(test=0.1), others)[1])


def test_records_that_are_all_one_family_are_not_told_to_raise_what_does_not_help() -> None:
    with pytest.raises(
        RunStopped, match=r"of 1 family, the largest of 5: .* bring records of other families"
    ):
        split(Split(test=0.4), [new_record("the same words", output=str(at)) for at in range(5)])


def test_the_order_of_the_input_does_not_matter_and_a_row_that_comes_moves_few_others() -> None:
    records, _ = planted()
    step = Split(validation=0.1, test=0.1, near="none")
    part = {record.id: record.meta["split"] for record in split(step, records)[0]}
    shuffled = [records[at] for at in np.random.default_rng(9).permutation(len(records)).tolist()]
    assert {record.id: record.meta["split"] for record in split(step, shuffled)[0]} == part
    more = [*records, new_record("one more", output="yes")]
    moved = sum(part.get(record.id, "") not in ("", record.meta["split"]) for record in split(step, more)[0])
    assert moved <= 8
