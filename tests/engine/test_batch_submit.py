"""A batch run is: run, wait, run. Files are handed in once and fetched, whoever is killed in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from scripted_batches import ScriptedBatches
from scripted_server import in_thread
from test_run import helpful, recipe_data, result_bytes, run, seeds

from factory.engine.batch.chat import BatchWaiting
from factory.errors import RunStopped
from factory.models.openai import batch_api
from factory.models.options import OpenAIOptions


@pytest.fixture
def batches() -> Iterator[ScriptedBatches]:
    """A server with a Batch API."""
    with in_thread(ScriptedBatches(helpful)) as running:
        yield running


def data(server: ScriptedBatches, tmp: Path, count: int = 6, **model: Any) -> dict[str, Any]:
    path = tmp / "seeds.jsonl"
    if not path.exists():
        seeds(path, count)
    made = recipe_data(server, path, **{"batch": {"folder": str(tmp / "files"), "submit": True}, **model})
    made["steps"] = [made["steps"][0], {"respond": {}}, {"judge": {}}, {"export": {"formats": ["messages"]}}]
    return made


def go(recipe: dict[str, Any], tmp: Path) -> Any:
    return run(recipe, tmp, "batch", journal=tmp / "batch.db")


def waits(recipe: dict[str, Any], tmp: Path) -> str:
    with pytest.raises(BatchWaiting) as raised:
        go(recipe, tmp)
    return str(raised.value)


def requests_sent(server: ScriptedBatches) -> list[str]:
    return [
        orjson.loads(line)["custom_id"]
        for batch in server.batches.values()
        for line in server.files[batch["input_file_id"]].splitlines()
    ]


@pytest.mark.slow
def test_run_wait_run_gives_the_bytes_of_the_same_recipe_asked_online(
    batches: ScriptedBatches, tmp_path: Path
) -> None:
    recipe = data(batches, tmp_path)
    online = recipe_data(batches, tmp_path / "seeds.jsonl")
    online["steps"] = recipe["steps"]
    expected = result_bytes(run(online, tmp_path, "online").folder)
    said = waits(recipe, tmp_path)
    (batch,) = batches.batches
    assert said == (
        f"6 requests wait for the batch {batch} (in progress, 0 of 6 done) at {batches.base_url}: run the same "
        "command again when it has ended"
    )
    assert waits(recipe, tmp_path) == said, "nothing has ended: nothing is handed in twice"
    assert len(batches.batches) == 1
    batches.end()
    assert "6 requests wait for the batch" in waits(recipe, tmp_path), "the judge asks after the answers"
    batches.end()
    result = go(recipe, tmp_path)
    assert result_bytes(result.folder) == expected
    assert len(requests_sent(batches)) == len(set(requests_sent(batches))) == 12
    left = [path.name for path in (tmp_path / "files").iterdir() if not path.name.startswith(".")]
    assert all(name.endswith(".done") for name in left), left


@pytest.mark.slow
@pytest.mark.parametrize("moment", [1, 4_000_000_000], ids=["a clock far behind", "a clock far ahead"])
def test_a_batch_that_was_made_but_whose_id_was_lost_is_found_and_not_paid_twice(
    batches: ScriptedBatches, tmp_path: Path, moment: int
) -> None:
    recipe = data(batches, tmp_path)
    batches.lose = 1
    with pytest.raises(RunStopped, match=r"cannot be reached for its batches .*run the same command again"):
        go(recipe, tmp_path)
    for n in range(3):  # others' batches, so that it stands on a later page of the list
        batches.batches[f"other{n}"] = {
            **next(iter(batches.batches.values())),
            "id": f"other{n}",
            "metadata": {},
        }
    made = next(iter(batches.batches))
    for batch in batches.batches.values():
        batch["created_at"] = moment
    assert f"the batch {made} " in waits(recipe, tmp_path)
    assert len(batches.batches) == 4


@pytest.mark.slow
@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_what_a_batch_did_not_answer_is_handed_in_again(
    batches: ScriptedBatches, tmp_path: Path, status: str
) -> None:
    recipe = data(batches, tmp_path)
    waits(recipe, tmp_path)
    assert batches.end(status, share=0.5) == 3
    waits(recipe, tmp_path)
    for _ in range(4):
        batches.end()
        try:
            result = go(recipe, tmp_path)
            break
        except BatchWaiting:
            continue
    assert result.kept == 6
    sent = requests_sent(batches)
    assert len(set(sent)) == 12, "6 answers and 6 grades"
    assert len(sent) == 12 + 3, "what was answered is not asked again"


@pytest.mark.slow
def test_a_batch_with_no_result_at_all_is_handed_in_again(batches: ScriptedBatches, tmp_path: Path) -> None:
    recipe = data(batches, tmp_path)
    waits(recipe, tmp_path)
    for batch in batches.batches.values():
        batch["status"] = "cancelled"
    assert "6 requests wait" in waits(recipe, tmp_path)
    assert len(batches.batches) == 2


@pytest.mark.slow
def test_a_batch_that_is_refused_stops_with_the_servers_words_and_a_way_on_that_works(
    batches: ScriptedBatches, tmp_path: Path
) -> None:
    recipe = data(batches, tmp_path)
    waits(recipe, tmp_path)
    batches.end("failed", words="The model `scripted` is not supported in batches.")
    for _ in range(2):
        with pytest.raises(RunStopped, match=r"not supported in batches.*remove .*teacher-1\.batch\.json"):
            go(recipe, tmp_path)
    assert len(batches.batches) == 1
    (tmp_path / "files" / "teacher-1.batch.json").unlink()
    assert "6 requests wait" in waits(recipe, tmp_path)
    assert len(batches.batches) == 2


@pytest.mark.slow
def test_a_file_that_is_refused_stops_in_one_sentence_without_the_key(
    batches: ScriptedBatches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-planted-0123456789abcdefXYZ"
    monkeypatch.setenv("BATCH_KEY", key)
    recipe = data(batches, tmp_path, api_key_env="BATCH_KEY")
    batches.refuse = 403, f"The key {key} may not upload\nfiles."
    with pytest.raises(RunStopped, match=r"HTTP 403.*may not upload") as raised:
        go(recipe, tmp_path)
    assert key not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert batches.seen[-1]["Authorization"] == f"Bearer {key}"
    batches.refuse = None
    assert "6 requests wait" in waits(recipe, tmp_path)
    assert len(batches.batches) == 1


@pytest.mark.slow
def test_a_state_that_is_damaged_says_how_to_go_on(batches: ScriptedBatches, tmp_path: Path) -> None:
    recipe = data(batches, tmp_path)
    waits(recipe, tmp_path)
    (tmp_path / "files" / "teacher-1.batch.json").write_text("{")
    with pytest.raises(RunStopped, match=r"teacher-1\.batch\.json is not what was written there"):
        go(recipe, tmp_path)


@pytest.mark.slow
def test_a_process_killed_before_the_results_have_their_name_fetches_them_again(
    batches: ScriptedBatches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = data(batches, tmp_path)
    waits(recipe, tmp_path)
    batches.end()

    def killed(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(batch_api.BatchAPI, "_download", killed)
        with pytest.raises((asyncio.CancelledError, BaseExceptionGroup)):
            go(recipe, tmp_path)
    waits(recipe, tmp_path)
    batches.end()
    assert go(recipe, tmp_path).kept == 6


def test_a_folder_alone_still_hands_nothing_in(batches: ScriptedBatches, tmp_path: Path) -> None:
    recipe = data(batches, tmp_path, batch=str(tmp_path / "files"))
    assert "run each file" in waits(recipe, tmp_path)
    assert batches.batches == {}


def test_several_servers_cannot_share_a_batch() -> None:
    with pytest.raises(ValidationError, match="name one `base_url`"):
        OpenAIOptions(model="m", base_url=("http://a/v1", "http://b/v1"), batch={"submit": True})  # type: ignore[arg-type]
