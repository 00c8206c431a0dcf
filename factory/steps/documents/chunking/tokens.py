"""Counting a model's tokens: by its own tokenizer where its file is there, or else by an estimate."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from factory.data.text import estimate_tokens
from factory.errors import InputError, MissingDependency

FILE = "tokenizer.json"


def tokenizer_file(name: str) -> Path:
    """The file of a tokenizer that is named by itself or by the folder that holds it."""
    path = Path(name).expanduser()
    return path / FILE if path.is_dir() else path


def token_counter(name: str) -> Callable[[str], int]:
    """What counts the tokens of a text: the tokenizer of this name, or `text.estimate_tokens` for "".

    Raises:
        MissingDependency: the package `tokenizers` is not installed.
        InputError: there is no such tokenizer.
    """
    return _counter(str(tokenizer_file(name))) if name else estimate_tokens


@functools.lru_cache(maxsize=4)
def _counter(path: str) -> Callable[[str], int]:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingDependency("`tokenizer` needs tokenizers: pip install 'sft-factory[docs]'") from None
    try:
        tokenizer = Tokenizer.from_file(path)
    except Exception as error:  # the package raises plain exceptions
        why = str(error).splitlines()[0][:120]
        raise InputError(f"{path} is no tokenizer ({why}): name a model's {FILE}, or its folder") from None

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return count
