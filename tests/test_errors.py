"""What a command ends with: a mistake of the person's and a fault of the machine are told apart."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from factory.data.formats.files import check_file
from factory.data.whole_file import write_whole
from factory.engine.journal.journal import Journal
from factory.engine.journal.opening import cannot_use
from factory.errors import FactoryError, InputError, RunStopped, exit_code_of
from factory.recipe.recipe import load_recipe

MACHINE = [errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS]
OWN = [errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR]
"""A place that was named, and is not there or may not be touched."""


@pytest.mark.parametrize(("code", "ends"), [*((code, 4) for code in MACHINE), *((code, 2) for code in OWN)])
def test_whatever_cannot_be_opened_ends_with_the_code_of_what_stood_in_the_way(
    code: int, ends: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "rows.jsonl"
    there.write_text("{}")
    (tmp_path / "recipe.yaml").write_text("steps: []")

    def fails(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("factory.engine.journal.opening._refuse_names", fails)
    monkeypatch.setattr(Path, "open", fails)
    monkeypatch.setattr(Path, "read_text", fails)
    monkeypatch.setattr("factory.data.whole_file._Part", fails)
    for opens in (
        lambda: check_file(there),
        lambda: load_recipe(str(tmp_path / "recipe.yaml")),
        lambda: write_whole(tmp_path / "made.jsonl", b"x"),
        lambda: Journal(tmp_path / "journal.db"),
    ):
        with pytest.raises(FactoryError) as told:
            opens()
        assert exit_code_of(told.value) == ends, told.value
        assert "Errno" not in str(told.value)
        if code in (errno.EMFILE, errno.ENFILE) and "recipe" not in str(told.value):
            assert "ulimit -n" in str(told.value)


def test_sqlite_without_a_descriptor_is_the_machine_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = sqlite3.OperationalError("unable to open database file")
    monkeypatch.setattr("factory.engine.journal.opening.out_of_descriptors", lambda _: True)
    assert exit_code_of(cannot_use(tmp_path / "journal.db", error)) == 4
    monkeypatch.undo()
    assert exit_code_of(cannot_use(tmp_path / "journal.db", error)) == 2


def test_an_error_that_names_its_own_code_keeps_it_and_a_circle_of_causes_ends() -> None:
    assert exit_code_of(RunStopped("the key is refused")) == 4
    one, other = InputError("one"), InputError("other")
    one.__cause__, other.__cause__ = other, one
    assert exit_code_of(one) == 2
