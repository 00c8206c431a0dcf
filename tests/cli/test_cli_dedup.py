"""`factory dedup`: a file without its duplicates, and the families they make."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from scripted_server import ScriptedServer

import factory as sft
from factory.cli.dedup import STEPS
from factory.step import find_step, step_names

COMMAND = [sys.executable, "-c", "from factory.cli.app import main; main()", "dedup"]
ROWS = [
    "Name a river.",
    "Why do cats purr?",
    "Name a river!",
    "name a \x1b[31m river",
    "说出一条河。",
    "说出一条河！",
]


def dedup(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done


@pytest.mark.slow
def test_a_family_of_a_reference_shows_the_row_of_the_reference(tmp_path: Path) -> None:
    lines = [orjson.dumps({"id": "mine", "instruction": ROWS[0], "output": "x"})]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    lines = [orjson.dumps({"id": "mine", "question": ROWS[0], "answer": "y"})]
    (tmp_path / "earlier.jsonl").write_bytes(b"\n".join(lines))
    done = dedup(tmp_path, "rows.jsonl", "--exact", "--reference", "earlier.jsonl")
    (shown,) = [line for line in done.stdout.splitlines() if line.lstrip().startswith("1 for ")]
    assert shown.endswith(f" of the reference earlier ({ROWS[0]})")


@pytest.mark.slow
def test_a_file_loses_its_duplicates_and_the_largest_families_are_shown(tmp_path: Path) -> None:
    lines = [orjson.dumps({"instruction": text, "output": "x"}) for text in ROWS]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    done = dedup(tmp_path, "rows.jsonl", "--rouge", "--out", "kept.jsonl")
    assert done.returncode == 0, done.stderr
    first, families, cause, largest, dropped, *_, other, _, written = done.stdout.splitlines()
    assert first == "01-dedup_rouge: 6 in, 3 out"
    assert families.startswith("2 families of duplicates")
    assert cause == "Nearly the same words (ROUGE-L): 3 dropped"
    assert largest.split()[:2] == ["2", "for"]
    assert largest.endswith("Name a river.")
    assert dropped.strip().startswith("ROUGE-L 1.00: ")
    assert dropped.endswith("Name a river!")
    assert "\x1b" not in done.stdout
    assert "说出一条河。" in other
    assert written == "3 records written to kept.jsonl"
    rows = [orjson.loads(line) for line in (tmp_path / "kept.jsonl").read_bytes().splitlines()]
    assert [row["instruction"] for row in rows] == [ROWS[0], ROWS[1], ROWS[4]]


@pytest.mark.slow
def test_equal_texts_and_near_copies_are_families_of_their_own_causes(tmp_path: Path) -> None:
    text = " ".join(f"word{at}" for at in range(80))
    rows = [text, text.upper(), f"{text} end", "Name a river.", "name a river"]
    lines = [orjson.dumps({"instruction": row, "output": "x"}) for row in rows]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    done = dedup(tmp_path, "rows.jsonl", "--exact", "--minhash")
    assert done.returncode == 0, done.stderr
    exact, minhash, families, same, first, _, second, _, passages, largest, near = done.stdout.splitlines()
    assert exact == "01-dedup_exact: 5 in, 3 out"
    assert minhash == "02-dedup_minhash: 3 in, 2 out"
    assert families.startswith("2 families of duplicates")
    assert same == "The same text: 2 dropped"
    assert passages == "Mostly the same passages (shingles): 1 dropped"
    assert [line.split()[0] for line in (first, second, largest)] == ["1", "1", "1"]
    assert largest.split()[2] == first.split()[2]
    assert near.strip().startswith("Jaccard 0.99: ")
    assert "found 1 of the 1 duplicates" in done.stderr


@pytest.mark.slow
def test_a_place_that_cannot_be_written_is_told_before_anything_is_compared(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"instruction": "a b c", "output": "x"}\n')
    for out, why in (("rows.jsonl/x.jsonl", "cannot be written"), ("x.txt", "end it in .jsonl")):
        done = dedup(tmp_path, "rows.jsonl", "--out", out)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert why in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.slow
def test_a_journal_that_cannot_be_written_is_put_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"instruction": "a b c", "output": "x"}\n')
    (tmp_path / "outputs").write_bytes(b"")  # no folder
    done = dedup(tmp_path, "rows.jsonl")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "name another place with --journal FILE" in done.stderr
    assert dedup(tmp_path, "rows.jsonl", "--journal", "j.db").returncode == 0
    applied = [*COMMAND[:-1], "apply", "dedup_exact", "rows.jsonl", "--journal", "j.db"]
    assert subprocess.run(applied, cwd=tmp_path, capture_output=True, timeout=120).returncode == 0


@pytest.mark.slow
def test_workers_and_an_engine_go_to_the_steps_that_have_them(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"instruction": "a b c", "output": "x"}\n')
    assert dedup(tmp_path, "rows.jsonl", "--exact", "--rouge", "--workers", "2").returncode == 0
    done = dedup(tmp_path, "rows.jsonl", "--exact", "--engine", "ray")
    assert done.returncode == 2
    assert "--engine ray goes with --rouge or --semantic" in done.stderr
    done = dedup(tmp_path, "rows.jsonl", "--engine", "spark")
    assert done.returncode == 2
    assert "'local' or 'ray', not 'spark'" in done.stderr


@pytest.mark.slow
def test_an_embedding_model_of_a_server_is_named_as_for_the_threshold(
    tmp_path: Path, server: ScriptedServer
) -> None:
    lines = [orjson.dumps({"instruction": text, "output": "x"}) for text in ROWS]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join([*lines, lines[0]]))
    model = f"openai_embeddings:scripted@{server.base_url}"
    done = dedup(tmp_path, "rows.jsonl", "--semantic-threshold", "0.999", "--semantic-model", model)
    assert done.returncode == 0, done.stderr
    assert "01-dedup_semantic: 7 in, 6 out" in done.stdout
    assert "The same meaning (embeddings): 1 dropped" in done.stdout
    assert sum(len(body["input"]) for body in server.embedded) == 6
    plain = f"{{provider: openai_embeddings, model: scripted, base_url: '{server.base_url}'}}"
    again = dedup(tmp_path, "rows.jsonl", "--semantic-threshold=0.999", "--semantic-model", plain)
    assert again.stdout == done.stdout


# One instruction for two inputs, and near copies that differ in their outputs.
ASKED = [
    ("Translate into French.", "Good morning, dear friends of the sea.", "a"),
    ("Translate into French.", "Where is the nearest railway station?", "b"),
    ("Name three rivers of Europe.", "", "c"),
    ("Name three rivers in Europe.", "", "d"),
    ("翻译成英文。", "今天天气很好。", "e"),
    ("翻译成英文。", "我想喝一杯茶。", "f"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["exact", "rouge", "minhash", pytest.param("semantic", marks=pytest.mark.model)]
)
def test_apply_and_dedup_drop_the_same_rows(tmp_path: Path, name: str) -> None:
    rows = [*ASKED, ASKED[0]]
    lines = [orjson.dumps(dict(zip(("instruction", "input", "output"), row, strict=True))) for row in rows]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    done = dedup(tmp_path, f"--{name}", "rows.jsonl", "--out", "dedup.jsonl")
    assert done.returncode == 0, done.stderr
    applied = [*COMMAND[:-1], "apply", f"dedup_{name}", "rows.jsonl", "--out", "apply.jsonl"]
    subprocess.run(applied, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    kept = (tmp_path / "dedup.jsonl").read_bytes()
    assert (tmp_path / "apply.jsonl").read_bytes() == kept
    assert len(kept.splitlines()) == (5 if name in ("rouge", "semantic") else 6)


@pytest.mark.slow
def test_one_instruction_for_two_inputs_is_kept_twice_unless_the_instruction_alone_is_compared(
    tmp_path: Path,
) -> None:
    lines = [orjson.dumps(dict(zip(("instruction", "input", "output"), row, strict=True))) for row in ASKED]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    assert "01-dedup_rouge: 6 in, 5 out" in dedup(tmp_path, "rows.jsonl", "--rouge").stdout
    assert "01-dedup_rouge: 6 in, 3 out" in dedup(tmp_path, "rows.jsonl", "--field", "instruction").stdout
    done = dedup(tmp_path, "rows.jsonl", "--exact", "--rouge-field", "instruction")
    assert done.stdout.splitlines()[:2] == ["01-dedup_exact: 6 in, 6 out", "02-dedup_rouge: 6 in, 3 out"]


def test_all_steps_that_drop_duplicates_compare_one_text_by_default() -> None:
    steps = [find_step(name) for name in step_names() if name.startswith("dedup_")]
    assert len(steps) == len(STEPS)
    assert {step.model_fields["field"].default for step in steps} == {"prompt"}


@pytest.mark.slow
def test_a_threshold_behind_the_name_of_a_step_is_told_how_it_is_written(tmp_path: Path) -> None:
    done = dedup(tmp_path, "rows.jsonl", "--rouge", "0.7")
    assert done.returncode == 2
    assert done.stderr == "error: --rouge 0.7: write --rouge-threshold 0.7\n"
    assert "did you mean 'rouge-threshold'" in dedup(tmp_path, "rows.jsonl", "--rouge-treshold", "1").stderr


def test_a_row_whose_id_is_no_word_is_told(tmp_path: Path) -> None:
    rows = [{"instruction": "a b c", "output": "x"}, {"instruction": "a b c", "output": "y"}]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    sft.load(tmp_path / "rows.jsonl").save(tmp_path / "records.jsonl", format="records")
    lines = [orjson.loads(line) for line in (tmp_path / "records.jsonl").read_bytes().splitlines()]
    for id in ("", "a b", "\x1b[31m", "a\u3000b"):
        lines[1]["id"] = id
        (tmp_path / "records.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)))
        (bad,) = sft.load(tmp_path / "records.jsonl").dropped
        assert bad.dropped is not None
        assert "records.jsonl:2: its id is not one printable word" in bad.dropped.reason


@pytest.mark.slow
def test_a_bad_row_is_told_and_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"instruction": "a b c", "output": "x"}\nnot json\n')
    done = dedup(tmp_path, "rows.jsonl")
    assert done.returncode == 3
    assert "rows.jsonl:2" in done.stderr
    missing = dedup(tmp_path, "absent.jsonl")
    assert missing.returncode == 2
    assert missing.stderr.count("\n") == 1
    assert "absent.jsonl does not exist" in missing.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kept.jsonl", "kept.json", "kept.csv"])
def test_rows_that_stay_keep_their_id_their_columns_and_their_shape(tmp_path: Path, name: str) -> None:
    rows = [
        {"id": f"mine-{n}", "question": text, "answer": "Yes.", "url": "u"}
        for n, text in enumerate(("Is it?", "is it?", "Was it?"))
    ]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    done = dedup(tmp_path, "rows.jsonl", "--exact", "--out", name)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / name).read_text()
    found = list(csv.DictReader(io.StringIO(text))) if name.endswith("csv") else None
    found = found or (
        orjson.loads(text) if name.endswith("json") else [orjson.loads(x) for x in text.splitlines()]
    )
    assert found == [rows[0], rows[2]]


@pytest.mark.slow
def test_decisions_are_held_against_rouge_score_where_it_is_asked(tmp_path: Path) -> None:
    rows = ["What is 12 + 7?", "What is 12 - 7?", "Name a deep river", "Name a deep lake", "说出一条河"]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(orjson.dumps({"instruction": row}) for row in rows))
    done = dedup(tmp_path, "rows.jsonl", "--check", "4", "--show", "0")
    assert done.stdout == "01-dedup_rouge: 5 in, 4 out, 1 of them kept for their signs\n"
    assert (
        "decides 4 of 4 random decisions alike (drops: 1, near misses: 0, other pairs of kept records: 3)"
        in done.stderr
    )
    refused = dedup(tmp_path, "rows.jsonl", "--exact", "--check", "4")
    assert refused.returncode == 2
    assert "--check 4 goes with --rouge" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ["dedup --exact", "dedup --rouge", "apply dedup_minhash"])
def test_a_set_that_is_its_own_reference_has_nothing_new_whatever_the_command(
    tmp_path: Path, command: str
) -> None:
    rows = [orjson.dumps({"instruction": text, "output": "x"}) for text in ROWS]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(rows))
    words = [*COMMAND[:-1], *command.split(), "rows.jsonl", "--reference", "rows.jsonl"]
    words += ["--out", "new.jsonl", "--dropped", "known.jsonl"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 4
    assert (
        "new.jsonl is not written: no record is left: all 6 records are in the reference: nothing is new"
        in (done.stderr)
    )
    assert len((tmp_path / "known.jsonl").read_bytes().splitlines()) == 6
    assert not (tmp_path / "new.jsonl").exists()
