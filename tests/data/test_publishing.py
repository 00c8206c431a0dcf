"""Publishing a set on the hub: what is sent, what is refused in a sentence, and that nothing is half there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hub_server import TOKEN, Hub, Repository, running_hub

from factory.data.formats.parquet_files import Shards
from factory.data.formats.write import write_dataset
from factory.data.hub import HubName, fetch_dataset
from factory.data.publishing import Published, Release, publish, release_of
from factory.data.record import Record, new_record
from factory.data.references import references
from factory.errors import InputError, MissingDependency, MissingSecret, OutputError, RunStopped

NAME = "hf://org/set"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    constants = pytest.importorskip("huggingface_hub.constants")
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the stand-in stores by LFS
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("time.sleep", lambda seconds: None)  # between attempts
        fetch_dataset.cache_clear()
        yield hub
    fetch_dataset.cache_clear()


def rows(*texts: str) -> list[Record]:
    return [new_record(text, output=f"{text}!") for text in texts]


def export(folder: Path, *texts: str) -> Release:
    write_dataset(rows(*texts), folder, ("messages", "parquet"))
    return release_of(folder)


@pytest.mark.slow
def test_a_release_is_one_commit_with_a_tag_in_a_private_repository(hub: Hub, tmp_path: Path) -> None:
    release = export(tmp_path / "set", "a", "b")
    done = publish(release, NAME)
    repository = hub.repositories["org/set"]
    assert done == Published(NAME, release.tag, repository.head, "new", True, f"{hub.url}/datasets/org/set")
    assert repository.private
    assert repository.messages == ["initial commit", f"Release {release.tag}"]
    assert repository.tags == {release.tag: repository.head}
    sent = {name: (tmp_path / "set" / name).read_bytes() for name in release.files}
    sent["README.md"] = sent["README.md"].replace(b'load_dataset("this folder"', b'load_dataset("org/set"')
    assert b'load_dataset("org/set", "messages", split="train")' in sent["README.md"]
    facts = repository.files[".factory/release.json"]
    assert repository.files == {
        **sent,
        ".factory/release.json": facts,
        ".gitattributes": repository.files[".gitattributes"],
    }
    assert orjson.loads(facts)["tag"] == release.tag
    assert str(tmp_path) not in facts.decode()


@pytest.mark.slow
def test_it_is_public_where_that_is_asked_for(hub: Hub, tmp_path: Path) -> None:
    assert not publish(export(tmp_path / "set", "a"), NAME, private=False).private
    assert not hub.repositories["org/set"].private


@pytest.mark.slow
def test_the_card_of_a_chinese_set_names_the_set_where_it_is_loaded(hub: Hub, tmp_path: Path) -> None:
    write_dataset(
        [new_record("法国的首都是哪里？", output="巴黎。", lang="zh")], tmp_path / "set", ("messages",)
    )
    publish(release_of(tmp_path / "set"), NAME)
    card = hub.repositories["org/set"].files["README.md"].decode()
    assert 'load_dataset("org/set", "messages", split="train")' in card
    assert "本文件夹" not in card.partition("```python")[2].partition("```")[0]


@pytest.mark.slow
def test_a_hub_that_does_not_speak_xet_is_told_with_the_mend(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hf_xet")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)
    with pytest.raises(RunStopped, match=r"does not take files by the protocol Xet .* HF_HUB_DISABLE_XET=1"):
        publish(export(tmp_path / "set", "a"), NAME)
    assert list(hub.repositories["org/set"].files) == [".gitattributes"]


@pytest.mark.slow
def test_publishing_again_sends_nothing_and_says_so(hub: Hub, tmp_path: Path) -> None:
    first = publish(export(tmp_path / "set", "a"), NAME)
    hub.requests.clear()
    again = publish(export(tmp_path / "copy", "a"), NAME)  # the same rows, from elsewhere
    assert again == first._replace(how="there already")
    assert [one for one in hub.requests if one.startswith(("POST", "PUT"))] == []


@pytest.mark.slow
def test_other_rows_are_refused_with_the_mend_and_the_mend_works(hub: Hub, tmp_path: Path) -> None:
    first = export(tmp_path / "one", "a")
    publish(first, NAME)
    second = export(tmp_path / "two", "a", "b")
    with pytest.raises(OutputError, match="org/set holds other rows already") as refused:
        publish(second, NAME)
    assert "--new-version" in str(refused.value)
    assert first.tag in str(refused.value)
    repository = hub.repositories["org/set"]
    assert list(repository.tags) == [first.tag]
    assert publish(second, NAME, new_version=True).how == "new version"
    assert set(repository.tags) == {first.tag, second.tag}
    old = repository.commits[repository.tags[first.tag]]
    assert old["messages/train.jsonl"] == (tmp_path / "one/messages/train.jsonl").read_bytes()


@pytest.mark.slow
def test_files_of_the_version_before_are_taken_away_by_the_same_commit(hub: Hub, tmp_path: Path) -> None:
    publish(export(tmp_path / "one", "a"), NAME)
    write_dataset(rows("b"), tmp_path / "two", ("alpaca",))
    publish(release_of(tmp_path / "two"), NAME, new_version=True)
    assert [name for name in hub.repositories["org/set"].files if name.startswith("messages")] == []
    assert len(hub.repositories["org/set"].commits) == 3


@pytest.mark.slow
def test_rows_that_somebody_else_put_there_are_never_written_over_unasked(hub: Hub, tmp_path: Path) -> None:
    theirs = hub.repositories["org/set"] = Repository(private=True)
    theirs.commit({"README.md": b"ours", "data.csv": b"a,b\n"}, "theirs")
    with pytest.raises(OutputError, match=r"other rows already \(2 files\).*in its history, as commit"):
        publish(export(tmp_path / "set", "a"), NAME)
    assert theirs.files == {"README.md": b"ours", "data.csv": b"a,b\n"}


@pytest.mark.slow
def test_a_public_repository_is_not_filled_unless_that_is_asked_for(hub: Hub, tmp_path: Path) -> None:
    public = hub.repositories["org/set"] = Repository(private=False)
    public.commit({".gitattributes": b""}, "initial commit")
    release = export(tmp_path / "set", "a")
    with pytest.raises(OutputError, match="org/set is public on the hub: give --public"):
        publish(release, NAME)
    assert list(public.files) == [".gitattributes"]
    assert not publish(release, NAME, private=False).private
    assert public.tags == {release.tag: public.head}


@pytest.mark.slow
def test_a_private_repository_stays_private_and_that_is_told(hub: Hub, tmp_path: Path) -> None:
    hub.repositories["org/set"] = Repository(private=True)
    hub.repositories["org/set"].commit({".gitattributes": b""}, "initial commit")
    told: list[str] = []
    done = publish(export(tmp_path / "set", "a"), NAME, private=False, tell=told.append)
    assert (done.how, done.private) == ("new", True)
    assert told == ["org/set is private on the hub and stays so: change that in its settings there"]


@pytest.mark.slow
def test_files_that_no_release_put_there_are_named_when_they_are_replaced(hub: Hub, tmp_path: Path) -> None:
    theirs = hub.repositories["org/set"] = Repository(private=True)
    theirs.commit({".gitattributes": b"", "README.md": b"# ours"}, "theirs")
    told: list[str] = []
    assert publish(export(tmp_path / "one", "a"), NAME, tell=told.append).how == "new"
    (said,) = told
    assert "no release put them there: README.md (they stay in its history, as commit" in said
    theirs.commit({**theirs.files, "LICENSE": b"MIT", "logo.png": b"."}, "more")
    told.clear()
    publish(export(tmp_path / "two", "b"), NAME, new_version=True, tell=told.append)
    (said,) = told
    assert "no release put them there: LICENSE, logo.png (" in said
    assert "LICENSE" not in theirs.files


def test_a_run_that_kept_nothing_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from factory.api.run import run

    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    steps = [{"read": {"path": "rows.jsonl"}}, {"dedup_exact": {"reference": "rows.jsonl"}}]
    (tmp_path / "none.json").write_text(orjson.dumps({"name": "none", "steps": steps}).decode())
    run("none.json", out="none")
    with pytest.raises(InputError, match="the run in none kept no record: there is nothing to publish"):
        release_of(Path("none"))


@pytest.mark.parametrize("token", ["hf_to\nken", "hf_标", "hf_to ken"])
def test_what_is_no_token_is_told_and_not_shown(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    release = export(tmp_path / "set", "a")
    for ask in (lambda: publish(release, NAME), lambda: references(NAME)):
        with pytest.raises(MissingSecret, match="what is in HF_TOKEN is no token of the hub") as refused:
            ask()
        assert token[:5] not in str(refused.value)
    assert hub.requests == []


@pytest.mark.slow
def test_a_line_end_behind_the_token_is_passed_over(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", f"{TOKEN}\r\n")
    assert publish(export(tmp_path / "set", "a"), NAME).how == "new"


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["GET /api/whoami", "POST /api/datasets/org/set/commit"])
def test_a_reply_that_is_none_of_the_hub_is_one_sentence(hub: Hub, tmp_path: Path, asked: str) -> None:
    hub.garbled = asked
    with pytest.raises(RunStopped, match=r"does not answer as the hub does .*: check HF_ENDPOINT"):
        publish(export(tmp_path / "set", "a"), NAME)


@pytest.mark.slow
def test_a_hub_that_says_nothing_is_not_waited_for_for_ever(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.utils import close_session

    close_session()
    monkeypatch.setattr("factory.data.hub.PATIENCE", 0.2)
    hub.silent = "GET /api/whoami"
    try:
        with pytest.raises(RunStopped, match=r"cannot be reached at .*nothing was sent"):
            publish(export(tmp_path / "set", "a"), NAME)
    finally:
        close_session()


@pytest.mark.slow
@pytest.mark.parametrize(
    "fails", ["POST /api/datasets/org/set/preupload", "PUT /lfs", "POST /api/datasets/org/set/commit"]
)
@pytest.mark.parametrize("status", [0, 500])
def test_an_upload_that_breaks_off_leaves_no_file_and_goes_on_when_run_again(
    hub: Hub, tmp_path: Path, fails: str, status: int
) -> None:
    release = export(tmp_path / "set", "a")
    hub.fail[fails] = status
    with pytest.raises(RunStopped, match="run the same command again") as stopped:
        publish(release, NAME)
    assert TOKEN not in str(stopped.value)
    assert "\n" not in str(stopped.value)
    assert list(hub.repositories["org/set"].files) == [".gitattributes"]
    hub.fail.clear()
    assert publish(release, NAME).how == "new"
    assert hub.repositories["org/set"].tags == {release.tag: hub.repositories["org/set"].head}


@pytest.mark.slow
def test_a_tag_that_could_not_be_set_is_set_by_the_next_run_without_a_second_commit(
    hub: Hub, tmp_path: Path
) -> None:
    release = export(tmp_path / "set", "a")
    hub.fail["POST /api/datasets/org/set/tag"] = 0
    with pytest.raises(RunStopped, match="the rows are there, their tag is not yet"):
        publish(release, NAME)
    hub.fail.clear()
    assert publish(release, NAME).how == "tagged"
    assert len(hub.repositories["org/set"].commits) == 2


def test_a_hub_that_cannot_be_reached_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Hub
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RunStopped, match=r"cannot be reached at http://127.0.0.1:9 .*nothing was sent"):
        publish(export(tmp_path / "set", "a"), NAME)


def test_no_token_in_the_environment_is_told_before_anything_is_asked(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    with pytest.raises(MissingSecret, match="set HF_TOKEN"):
        publish(export(tmp_path / "set", "a"), NAME)
    assert hub.requests == []


def test_a_token_that_is_refused_is_told_and_not_shown(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(MissingSecret, match="refuses the token") as refused:
        publish(export(tmp_path / "set", "a"), NAME)
    assert "hf_wrong" not in str(refused.value)


def test_a_name_under_which_one_may_not_write_is_told(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="may not write to others/set"):
        publish(export(tmp_path / "set", "a"), "hf://others/set")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "org/set",
        "hf://set",
        "hf://org/set@v1",
        "hf://org/../set",
        "hf://",
        "hf://a/b/c",
        "hf://org/se t",
        "hf://-a/b",
    ],
)
def test_a_bad_name_is_told_with_how_to_write_it(hub: Hub, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="write hf://org/name"):
        publish(export(tmp_path / "set", "a"), name)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("name", "repository", "revision"),
    [
        ("hf:gsm8k", "gsm8k", ""),
        ("hf://org/name@v1.0", "org/name", "v1.0"),
        ("hf:datasets/org/name", "org/name", ""),
    ],
)
def test_the_name_of_a_data_set_has_an_organisation_and_a_tag(
    name: str, repository: str, revision: str
) -> None:
    assert HubName.read(name) == HubName(repository, revision)


def test_what_is_no_export_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "private.jsonl").write_text("{}")
    with pytest.raises(InputError, match="holds no set that could be published"):
        release_of(tmp_path)


@pytest.mark.slow
def test_what_no_export_wrote_is_named_and_stays_here(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    export(folder, "a", "b")
    for name in (
        "notes.txt",
        "messages/test.jsonl",
        "messages/train.csv",
        "alpaca/train.jsonl",
        "own/train.jsonl",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("a secret")
    (folder / ".env").write_text("a secret")
    told: list[str] = []
    release = release_of(folder)
    publish(release, NAME, tell=told.append)
    assert told == [
        "not sent, as they are no part of the set: alpaca/train.jsonl, messages/test.jsonl, messages/train.csv, "
        f"notes.txt, own/train.jsonl in {folder}"
    ]
    sent = hub.repositories["org/set"].files
    assert all(b"a secret" not in data for data in sent.values())
    assert {"messages/train.jsonl", "parquet/train.parquet", "README.md", "dataset_info.json"} <= set(sent)
    assert (
        release.tag == export(tmp_path / "plain", "a", "b").tag
    )  # what lies beside the set is no part of it


def test_all_that_an_export_writes_is_part_of_it(tmp_path: Path) -> None:
    records = [
        replace(record, meta={"split": split, "id": at})
        for at, (record, split) in enumerate(
            zip(rows(*"abcdef"), ["train", "train", "train", "validation", "test", "train"], strict=True)
        )
    ]
    formats = ("messages", "parquet", "source", "sharegpt")
    written = write_dataset(records, tmp_path / "set", formats, shards=Shards(rows=1))
    release = release_of(tmp_path / "set")
    assert {tmp_path / "set" / name for name in release.files} == {file.path for file in written}
    assert release.others == []


def test_the_tag_changes_with_the_rows_and_with_nothing_else(tmp_path: Path) -> None:
    one, same, other = (export(tmp_path / str(at), *texts) for at, texts in enumerate(("ab", "ab", "abc")))
    assert one.tag == same.tag != other.tag


@pytest.mark.slow
def test_a_release_on_the_hub_is_a_reference_by_its_tag(hub: Hub, tmp_path: Path) -> None:
    first = export(tmp_path / "one", "a")
    publish(first, NAME)
    publish(export(tmp_path / "two", "a", "b"), NAME, new_version=True)
    for name, number in ((f"hf:org/set@{first.tag}", 1), ("hf://org/set", 2)):
        (found,) = references(name)
        assert found.name == name.replace("//", "")
        assert found.path.name == "train.parquet"
        import pyarrow.parquet as pq

        assert pq.ParquetFile(found.path).metadata.num_rows == number


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hf:org/other", "the hub has no such data set, or it is private"),
        ("hf:org/set@v9", "has no tag, branch or commit 'v9'"),
    ],
)
def test_a_reference_that_the_hub_does_not_have_is_told_in_a_sentence(
    hub: Hub, tmp_path: Path, name: str, said: str
) -> None:
    publish(export(tmp_path / "set", "a"), NAME)
    with pytest.raises(InputError, match=said):
        references(name)


def test_a_reference_on_a_hub_that_is_not_there_is_told_in_a_sentence(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="hf:org/set cannot be fetched from the hub"):
        references("hf:org/set")


@pytest.mark.slow
def test_rows_with_an_id_of_ours_keep_it_on_the_way_through_the_hub(hub: Hub, tmp_path: Path) -> None:
    from factory.data.formats.reference import reference_records

    record = replace(rows("a")[0], id="0123456789abcdef")
    write_dataset([record], tmp_path / "set", ("messages",))
    publish(release_of(tmp_path / "set"), NAME)
    (found,) = references("hf:org/set")
    assert [one.id for one in reference_records(found.path, print)] == [record.id]


def test_a_missing_package_is_told_with_how_to_get_it(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependency, match="publishing takes the package huggingface_hub: pip install"):
        publish(export(tmp_path / "set", "a"), NAME)
    with pytest.raises(MissingDependency, match="reading hf:org/set takes the package huggingface_hub"):
        references("hf:org/set")
