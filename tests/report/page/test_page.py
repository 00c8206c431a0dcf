"""The report page: complete, self-contained, and deaf to what data would have it do."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import make_run
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import Event, Missing, new_record
from factory.data.table import Table
from factory.errors import InputError
from factory.report.page.charts import bar_list, distribution, length_distribution
from factory.report.page.composition import compose
from factory.report.page.markup import h, join
from factory.report.page.page import render_report, write_report
from factory.report.page.samples import chain, dropped_sample, kept_sample, row_card
from factory.report.plain import visible

VOID = {"meta"}
ALLOWED = set(
    """html head meta title style body header main footer section nav article a b p h1 h2 h3 div span small
    dl dt dd ul li table thead tbody tr th td pre svg g rect text path""".split()  # noqa: SIM905
)


class Reader(HTMLParser):
    """Reads a page, insists that its elements are closed in order, gathers elements and text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def test_the_sum_of_a_long_tail_does_not_set_the_scale_of_the_bars() -> None:
    reader = Reader(bar_list({f"t{at}": 10 for at in range(100)}))
    widths = [attributes["width"] for name, attributes in reader.elements if name == "rect"]
    assert widths == ["100.000"] * 10
    assert "90 others900" in reader.text


def test_the_page_is_written_and_tells_the_run(run_folder: Path) -> None:
    path = write_report(run_folder)
    assert path == run_folder / "report.html"
    assert not list(run_folder.glob("*.part"))
    text = Reader(path.read_text(encoding="utf-8")).text
    for part in (
        "29 of 48 records kept",
        "unchanged 4",
        "bad_reply 2",
        "low_score 8",
        "near_duplicate 5",
        "种子.csv",
        "score judge.quality",
        "missing for 9",
        "The judge gave 2 of 5, and 4 is needed.",
        "seed → deepen → respond → tag → judge",
        "Qwen/Qwen3-8B",
        "not JSON <b>",
        "# 种子 <b>&",
        "ab" * 32,
        "dataset/train.alpaca.json",
        "1 min 23 s",
        "Seed 42. Python 3.11.7, sft-factory 0.1.0",
    ):
        assert part in text


def test_nothing_in_the_data_becomes_markup_or_hides(run_folder: Path) -> None:
    page = write_report(run_folder).read_text(encoding="utf-8")
    reader = Reader(page)
    assert {tag for tag, _ in reader.elements} <= ALLOWED
    assert not any(name.startswith("on") for _, attributes in reader.elements for name in attributes)
    assert "<script>alert('x')</script> & \"quotes\"" in reader.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)
    assert "\\u202eright-to-left\\u202c" in reader.text


@pytest.mark.slow
def test_families_of_duplicates_are_shown_by_cause_with_what_was_kept(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 48)
    text = Reader(render_report(folder)).text
    near = [
        record
        for record in Table.read(folder / "dropped.parquet").records()
        if record.dropped is not None and record.dropped.kind == "near_duplicate"
    ]
    kept = next(Table.read(folder / "steps/07-export/kept.parquet").records())
    section = text[text.index("1 family: one record of each is kept") :]
    assert f"Nearly the same words (ROUGE-L): {len(near)} dropped" in section
    assert visible(kept.prompt)[:300] in section
    assert all(visible(record.prompt)[:100] in section for record in near[:3])
    assert f"and {len(near) - 3} more" in section


def test_a_family_of_a_reference_file_and_hostile_texts_are_shown_as_text(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 6)
    hostile = "<script>alert(1)</script>\x1b[31m"
    records = [
        new_record(hostile, output=hostile, occurrence=at, lang='"><b>').drop(
            "02-x", kind, f"{hostile} with {id} (x)", against=id
        )
        for at, (kind, id) in enumerate(
            [("exact_duplicate", "<img>"), ("same_meaning", "<img>"), ("other", "<img>")]
        )
    ]
    Table.from_records(records).write(folder / "dropped.parquet")
    reader = Reader(render_report(folder))
    assert {tag for tag, _ in reader.elements} <= ALLOWED
    section = reader.text[reader.text.index("1 family: one record") :]
    assert "The same text: 1 dropped" in section
    assert "The same meaning (embeddings): 1 dropped" in section
    assert "of a reference file" in section
    assert "<img>" in section


def test_who_was_near_to_a_record_that_was_itself_dropped_later_is_shown_as_such(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 6)
    middle = new_record("middle").drop("03-x", "near_duplicate", "as first", {"rouge_l": 0.9}, against="00ff")
    last = new_record("last").drop("02-x", "exact_duplicate", "as middle", against=middle.id)
    Table.from_records([last, middle]).write(folder / "dropped.parquet")
    text = Reader(render_report(folder)).text
    assert f"identical with {middle.id}, dropped later" in text
    assert "ROUGE-L 0.90middle" in text


@pytest.mark.slow
def test_duplicates_that_an_older_run_dropped_for_records_it_did_not_note_are_counted(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 6)
    old = [
        new_record("x", occurrence=at).drop("02-x", "exact_duplicate", "identical with 00") for at in (1, 2)
    ]
    Table.from_records(old).write(folder / "dropped.parquet")
    text = Reader(render_report(folder)).text
    assert "Of 2 duplicates an older version of factory did not note what they repeat" in text
    new = new_record("y").drop("02-x", "exact_duplicate", "identical with 00", against="00ff")
    Table.from_records([*old, new]).write(folder / "dropped.parquet")
    text = Reader(render_report(folder)).text
    assert "1 family: one record of each is kept, 1 were dropped for it" in text
    assert "Of 2 duplicates an older version" in text


def test_a_run_without_duplicates_has_no_section_of_them(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 6)
    Table.from_records([new_record("a").drop("01-x", "other", "with b")]).write(folder / "dropped.parquet")
    assert "Duplicates" not in Reader(render_report(folder)).text


def test_the_page_fetches_nothing_and_runs_nothing(run_folder: Path) -> None:
    page = write_report(run_folder).read_text(encoding="utf-8")
    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert not re.search(r"url\(|@import|https?://", page)
    for _, attributes in Reader(page).elements:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith(("#", "./"))


def test_the_path_of_a_result_file_cannot_be_a_command(run_folder: Path) -> None:
    path = run_folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["outputs"] = [{"path": 'javascript:alert(1)"><b>', "bytes": 1, "sha256": ""}]
    path.write_text(json.dumps(manifest))
    hrefs = [a["href"] for tag, a in Reader(render_report(run_folder)).elements if tag == "a" and "href" in a]
    assert "./javascript%3Aalert%281%29%22%3E%3Cb%3E" in hrefs


@pytest.mark.slow
def test_the_same_files_give_the_same_page(run_folder: Path) -> None:
    first = write_report(run_folder).read_bytes()
    assert write_report(run_folder).read_bytes() == first


def test_an_empty_result_says_where_everything_went(empty_run: Path) -> None:
    text = Reader(render_report(empty_run)).text
    assert "0 of 48 records survived: 4 in 02-evolve (unchanged), 2 in 03-respond (bad_reply)" in text
    assert "The result has no rows." in text
    assert "Nothing was kept." in text


def test_a_run_that_was_stopped_or_has_not_begun_has_a_page(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        write_report(tmp_path)
    (tmp_path / "manifest.json").write_text(
        json.dumps({"recipe": "r", "status": "stopped: the key was refused"})
    )
    text = Reader(render_report(tmp_path)).text
    assert "stopped: the key was refused" in text
    assert "The run has not come to the end of a step." in text


@pytest.mark.slow
@given(st.text(), st.text())
def test_text_in_markup_is_read_back_as_it_is_seen(text: str, value: str) -> None:
    reader = Reader(h("p", text, h("b", text), title=value))
    assert reader.elements == [("p", {"title": visible(value)}), ("b", {})]
    assert reader.text == visible(text) * 2


def test_finished_markup_is_not_escaped_twice() -> None:
    assert join("<", h("b", "&amp;"), ">") == "&lt;<b>&amp;amp;</b>&gt;"


@given(text=st.text(), output=st.text(), lang=st.text(), kind=st.text(), number=st.floats())
def test_no_record_breaks_its_card(text: str, output: str, lang: str, kind: str, number: float) -> None:
    record = new_record(text, output=output, lang=lang, task=kind, source=text)
    record = record.with_score(kind, number, Event(kind, text), output).drop(lang, kind, text, {kind: number})
    reader = Reader(row_card(record))
    assert {tag for tag, _ in reader.elements} <= ALLOWED


def test_dropped_rows_are_spread_over_the_kinds_of_reason(tmp_path: Path) -> None:
    records = [new_record(f"row {at}").drop("02-a", "common", "...") for at in range(500)]
    records += [new_record("rare").drop("03-b", "rare", "..."), new_record("odd").drop("01-c", "odd", "...")]
    Table.from_records(records).write(tmp_path / "dropped.parquet")
    kinds = [r.dropped.kind for r in dropped_sample(tmp_path / "dropped.parquet") if r.dropped]
    assert len(kinds) == 12
    assert (kinds.count("rare"), kinds.count("odd")) == (1, 1)


def test_kept_rows_are_spread_over_the_file(tmp_path: Path) -> None:
    records = [new_record(f"row {at}") for at in range(3000)]
    Table.from_records(records).write(tmp_path / "kept.parquet")
    sample = kept_sample(tmp_path / "kept.parquet")
    assert len(sample) == 12
    assert (sample[0].instruction, sample[-1].instruction) == ("row 0", "row 2999")


@pytest.mark.slow
def test_composition_counts_what_a_look_at_every_record_counts(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 700)
    path = folder / "steps" / "07-export" / "kept.parquet"
    records = list(Table.read(path).records())
    found = compose(path)
    assert found.rows == len(records)
    assert found.tasks == {t: sum(r.task == t for r in records) for t in {r.task for r in records}}
    assert found.languages.total() == found.sources.total() == len(records)
    assert found.rounds == {at: sum(r.round == at for r in records) for at in (0, 1)}
    for name, values in found.scores.items():
        assert values.tolist() == [r.scores[name] for r in records if name in r.scores]
    assert set(found.scores) == {"ifd", "judge.quality"}
    assert len(found.instruction_words) == len(records)


def test_a_chain_counts_repeats_and_stays_short() -> None:
    record = new_record("x")
    for operation in ("deepen", "deepen", "respond"):
        record = record.with_event(Event("01-a", operation))
    assert chain(record) == ["seed", "deepen ×2", "respond"]
    for at in range(30):
        record = record.with_event(Event("01-a", f"step{at}"))
    assert len(chain(record)) == 9
    assert chain(record)[4] == "…"


@given(st.lists(st.floats(-1e300, 1e300), max_size=60))
def test_any_numbers_have_a_distribution(values: list[float]) -> None:
    Reader(distribution(np.array(values)))


def test_numbers_that_differ_by_rounding_alone_are_one_column() -> None:
    values = np.nextafter(np.full(60, 0.3), 1) + np.arange(60) * 2.0**-53
    assert Reader(distribution(values)).text == "0.3: 600.3"


@given(st.lists(st.integers(0, 10**7), max_size=60))
def test_every_length_is_in_a_column(words: list[int]) -> None:
    svg = length_distribution(np.array(words, np.int64))
    assert sum(int(n.replace(",", "")) for n in re.findall(r"words: ([\d,]+)<", svg)) == len(words)


@pytest.mark.slow
def test_a_score_is_shown_with_its_correlation_with_length(tmp_path: Path) -> None:
    path = tmp_path / "kept.parquet"
    event = Event("05-judge", "judge.quality")
    records = [
        new_record("Q?", output="word " * (at + 1), occurrence=at)
        .with_score("longer_is_better", Missing("bad_reply", "?") if at == 3 else float(at), event)
        .with_score("shorter_is_better", -float(at), event)
        .with_score("always_4", 4.0, event)
        for at in range(30)
    ]
    Table.from_records([*records, new_record("Waiting?").with_score("always_4", 4.0, event)]).write(path)
    found = compose(path).length_correlation
    assert found == {
        "always_4": None,
        "longer_is_better": pytest.approx(1),
        "shorter_is_better": pytest.approx(-1),
    }
    folder = make_run(tmp_path / "run", 200)
    assert "Spearman with the output's length" in Reader(render_report(folder)).text
