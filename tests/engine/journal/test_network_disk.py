"""Which disks other machines may use too, and how a journal is kept on one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from factory.engine.journal.contents import prune
from factory.engine.journal.journal import Journal
from factory.engine.journal.network_disk import network_disk
from factory.engine.journal.recovery import beside

MOUNTS = r"""
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / /home rw,relatime shared:5 - nfs4 server:/home rw,vers=4.2
31 30 0:41 / /home/own\040disk rw - xfs /dev/vdb rw
32 22 0:42 / /scratch rw - lustre 10.0.0.1@o2ib:/scratch rw
33 22 0:43 / /mnt/bucket rw - fuse.s3fs s3fs rw
34 22 0:44 / /mnt/layers rw - fuse.fuse-overlayfs fuse-overlayfs rw
35 22 0:45 / /mnt/twice rw - nfs server:/a rw
36 22 0:46 / /mnt/twice rw - tmpfs tmpfs rw
a line that is none
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/data/journal.db", ""),
        ("/home/me/journal.db", "nfs4"),
        ("/homes/journal.db", ""),
        ("/home/own disk/journal.db", ""),
        ("/scratch/a/b/journal.db", "lustre"),
        ("/mnt/bucket/journal.db", "fuse.s3fs"),
        ("/mnt/layers/journal.db", ""),
        ("/mnt/twice/journal.db", ""),
    ],
)
def test_the_disk_of_a_file_is_that_of_its_nearest_mount(place: str, kind: str, tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert network_disk(Path(place), mounts) == kind


def test_a_system_that_does_not_tell_has_disks_of_its_own(tmp_path: Path) -> None:
    assert network_disk(tmp_path, tmp_path / "no such file") == ""


def _put(path: Path, key: bytes) -> None:
    journal = Journal(path)
    asyncio.run(journal.put(key, "chat", "m", b"{}", b'{"usage": 1}'))
    journal.close()


def _form(path: Path) -> str:
    """The write and read versions in SQLite's header: 1 for a rollback journal, 2 for a write-ahead log."""
    return {b"\1\1": "rollback", b"\2\2": "log"}[path.read_bytes()[18:20]]


@pytest.mark.slow
def test_a_journal_that_moves_to_a_network_disk_and_back_changes_its_form_and_keeps_its_replies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    _put(path, b"a" * 16)
    assert _form(path) == "log"
    monkeypatch.setattr("factory.engine.journal.opening.network_disk", lambda path: "nfs4")
    _put(path, b"b" * 16)
    assert _form(path) == "rollback"
    assert prune(path, [b"b" * 16]).shrunk
    assert _form(path) == "rollback"
    monkeypatch.undo()
    _put(path, b"c" * 16)
    assert _form(path) == "log"
    journal = Journal(path)
    assert [journal.get(letter * 16) is not None for letter in (b"a", b"b", b"c")] == [True, False, True]
    journal.close()


def test_a_damaged_journal_takes_its_rollback_journal_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("factory.engine.journal.opening.network_disk", lambda path: "nfs4")
    path = tmp_path / "journal.db"
    _put(path, b"a" * 16)
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
    beside(path, "-journal").write_bytes(b"of a commit that was killed")
    journal = Journal(path)
    assert "1 replies were recovered" in journal.recovered
    assert journal.get(b"a" * 16) is not None
    journal.close()
    assert beside(path, ".damaged-1-journal").read_bytes() == b"of a commit that was killed"
