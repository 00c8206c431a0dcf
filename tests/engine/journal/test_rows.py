"""Every bit of a stored reply is vouched for: what is not what was stored is taken for not there."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import ScriptedServer

import factory as sft
from factory.engine.journal.journal import Journal
from factory.engine.journal.keys import call_key
from factory.engine.journal.pages import read_rows
from factory.engine.journal.rows import Row, checksum, is_whole
from factory.errors import FactoryError, OutputError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.builds(
    Row,
    st.binary(min_size=16, max_size=16),
    TEXTS,
    TEXTS,
    st.binary(max_size=40),
    st.binary(max_size=40),
    st.floats(allow_nan=False),
    TEXTS,
)


@given(ROWS, ROWS)
def test_rows_that_differ_anywhere_have_other_checksums(one: Row, other: Row) -> None:
    unsealed = [
        row._replace(checksum=None) for row in (one, other)
    ]  # what a checksum is of has none of its own
    assert (checksum(one) == checksum(other)) == (unsealed[0] == unsealed[1])


@given(ROWS, st.integers(0, 5), st.data())
def test_what_one_column_loses_to_its_neighbour_is_seen(row: Row, at: int, data: st.DataObject) -> None:
    """The same bytes in all, cut apart elsewhere."""
    texts = row.kind + row.model
    cut = data.draw(st.integers(0, len(texts)))
    moved = row._replace(kind=texts[:cut], model=texts[cut:])
    assert (checksum(moved) == checksum(row)) == (moved == row)


@given(ROWS)
def test_a_sealed_row_is_whole_and_one_that_lost_its_seal_is_not(row: Row) -> None:
    sealed = row.sealed()
    assert is_whole(sealed)
    assert not is_whole(sealed._replace(checksum=None))
    assert not is_whole(sealed._replace(reply=sealed.reply + b"\0"))
    assert not is_whole(sealed._replace(server=None))


def test_a_row_from_before_there_were_checksums_is_known_by_its_request_and_the_form_of_its_reply() -> None:
    request = {"messages": [["user", "问题"]], "temperature": 0.7}
    old = Row(
        call_key("chat", "m", request), "chat", "m", orjson.dumps(request), b'{"text":"a","usage":[1,2]}', 1.0
    )
    assert is_whole(old)
    for changed in (
        old._replace(request=old.request.replace(b"0.7", b"0.8")),
        old._replace(model="n"),
        old._replace(reply=b'{"text":"a"}'),
        old._replace(reply=b"{"),
    ):
        assert not is_whole(changed)


def fill(path: Path, count: int) -> dict[bytes, bytes]:
    """A closed journal of so many replies, as `put` stores them; some are longer than a page."""
    journal = Journal(path)
    replies = {}

    async def work() -> None:
        for number in range(count):
            request = {"messages": [["user", f"question {number} 问题"]]}
            key = call_key("chat", "openai:m", request)
            text = f"答 {number} " * random.Random(number).choice([1, 20, 100, 2000])
            reply = orjson.dumps({"text": text, "finish": "stop", "usage": [1, 2], "reasoning": ""})
            replies[key] = await journal.put(
                key, "chat", "openai:m", orjson.dumps(request), reply, "http://127.0.0.1:1/v1"
            )

    asyncio.run(work())
    journal.close()
    return replies


@pytest.mark.slow
def test_of_two_hundred_copies_with_flipped_bits_none_gives_a_wrong_reply(tmp_path: Path) -> None:
    whole = tmp_path / "whole.db"
    replies = fill(whole, 120)
    data = whole.read_bytes()
    chance = random.Random(3)
    refused = missing = 0
    for number in range(200):
        folder = tmp_path / f"copy{number}"
        folder.mkdir()
        path = folder / "journal.db"
        harmed = bytearray(data)
        for _ in range(chance.choice([1, 5, 40])):
            harmed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(harmed)
        try:
            journal = Journal(path)
        except OutputError:  # no longer known as a journal of this form
            refused += 1
            continue
        lost = 0
        for key, reply in replies.items():
            try:
                got = journal.get(key)
            except FactoryError:  # the b-tree itself is hit: the next run recovers what can be read
                break
            assert got in (None, reply), number
            lost += got is None
        missing += lost
        assert lost >= len(journal.damaged)
        journal.close()
        assert all(replies[row.key] == row.reply for row in read_rows(path)), number
    print(f"{refused} refused, {missing} replies missing of {200 * len(replies):,}, none wrong")
    assert refused < 10
    assert missing > 50  # what is flipped in a reply is found


@pytest.mark.slow
def test_a_damaged_reply_is_asked_for_again_once_counted_told_and_replaced(
    server: ScriptedServer, tmp_path: Path
) -> None:
    rows = [{"instruction": f"Why is number {n} odd?"} for n in range(20)]
    (tmp_path / "seeds.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    recipe: dict[str, Any] = {
        "name": "small",
        "models": {"teacher": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}},
        "steps": [{"read": {"path": str(tmp_path / "seeds.jsonl")}}, {"respond": {}}],
    }
    path = tmp_path / "journal.db"
    first = sft.run(recipe, out=tmp_path / "one", journal=path)
    answers = [record.output for record in first.table().records()]
    # Still JSON, still a reply, and another text: nothing but a checksum tells.
    data = path.read_bytes()
    assert data.count(b"Reply ") == 20
    at = data.index(b"Reply ")
    path.write_bytes(data[:at] + b"Rebly " + data[at + 6 :])
    server.requests.clear()
    again = sft.run(recipe, out=tmp_path / "two", journal=path)
    assert len(server.requests) == 1
    assert [record.output for record in again.table().records()] == answers
    assert sum("1 stored replies are damaged" in warning for warning in again.manifest["warnings"]) == 1
    last = sft.run(recipe, out=tmp_path / "three", journal=path)
    assert len(server.requests) == 1
    assert not last.manifest["warnings"]


@pytest.mark.parametrize("column", ["key", "kind", "model", "request", "reply", "created", "server"])
def test_each_column_is_covered_by_the_checksum(column: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    replies = fill(path, 3)
    connection = sqlite3.connect(path)
    key = min(replies)
    if column == "key":
        other = max(replies)
        connection.execute("UPDATE replies SET reply = (SELECT reply FROM replies WHERE key = ?)", (other,))
    else:
        change = "created = created + 1" if column == "created" else f"{column} = {column} || 'x'"
        connection.execute(f"UPDATE replies SET {change} WHERE key = ?", (key,))
    connection.commit()
    connection.close()
    journal = Journal(path)
    assert journal.get(key) is None
    assert journal.damaged == {key}
    asyncio.run(journal.put(key, "chat", "m", b"{}", b"new"))
    assert journal.get(key) == b"new"
    journal.close()


def test_a_text_that_is_no_text_any_more_is_a_damaged_row_and_not_the_end(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    key = min(fill(path, 3))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE replies SET model = CAST(X'ff' AS TEXT) WHERE key = ?", (key,))
    connection.commit()
    connection.close()
    journal = Journal(path)
    assert journal.get(key) is None
    journal.close()
