"""Converts one document after another in a process of its own: a line of JSON in, a line out (see `apart`)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from factory.data.documents.articles import numbered_headings, title_above
from factory.data.documents.converted import CannotConvert, Converted
from factory.data.documents.kinds import check_content

MEMORY = 8 << 30
"""Bytes of address space that converters may take."""
PACKAGES = {
    "pdf": ("pypdfium2",),
    "epub": ("kreuzberg",),
    "html": ("trafilatura", "lxml_html_clean"),
}
"""The packages that a kind of document takes."""


_SAMPLE = 1 << 20


def convert(path: str, kind: str, encoding: str = "") -> Converted:
    """What a document says.

    Args:
        kind: as `kinds.document_kind` gives it
        encoding: what text is in; "" is UTF-8, and what a page or a byte-order mark says

    Raises:
        CannotConvert: it cannot be converted, or has no text.
    """
    check_content(Path(path), kind)
    found = _converted(path, kind, encoding)
    if not found.text.strip():
        raise CannotConvert("has no text")
    if not found.headings:
        found.headings = numbered_headings(found.text)
        found.title = found.title or title_above(found.text, found.headings)
    return found


def _converted(path: str, kind: str, encoding: str) -> Converted:
    if kind == "pdf":
        from factory.data.documents.pdf.read import read_pdf

        return read_pdf(path)
    if kind == "docx":
        from factory.data.documents.docx import read_docx

        return read_docx(path, os.path.getsize(path))
    if kind == "epub":
        from factory.data.documents.epub import read_epub

        return read_epub(path, os.path.getsize(path))
    if kind == "html":
        from factory.data.documents.web import declared_encoding, read_html

        data = Path(path).read_bytes()
        return read_html(decoded(data, encoding or declared_encoding(data)))
    text = decoded(Path(path).read_bytes(), encoding)
    if kind == "ipynb":
        from factory.data.documents.notebook import read_notebook

        return read_notebook(text)
    if kind in ("docling", "mineru"):
        from factory.data.documents.foreign import read_docling, read_mineru

        return read_docling(text) if kind == "docling" else read_mineru(text)
    from factory.data.documents.markdown import read_markdown, read_text

    return read_markdown(text) if kind == "md" else read_text(text)


def decoded(data: bytes, encoding: str) -> str:
    r"""Bytes as text, lines ended by \n; a byte-order mark counts for more than what is said.

    Raises:
        CannotConvert: they are not in this encoding.
    """
    from factory.data.formats.encodings import guessed_encoding, unmarked_utf16

    marked = next((name for mark, name in _MARKS if data.startswith(mark)), "") or unmarked_utf16(data[:4096])
    name = marked or encoding or "utf-8-sig"
    try:
        text = data.decode(name)
    except LookupError:
        raise CannotConvert(f"says that it is in {name!r}, an encoding that is not known: name one") from None
    except UnicodeDecodeError as error:
        guess = None if marked or encoding else guessed_encoding(data[:_SAMPLE].split(b"\n"))
        mend = f", and seems to be {guess[1]}: write encoding: {guess[0]}" if guess else ": name its encoding"
        raise CannotConvert(
            f"is not {name.removesuffix('-sig')} text at byte {error.start:,}{mend}"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


_MARKS = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def main() -> None:
    """Convert what standard input names until it ends."""
    import logging
    import resource
    import signal

    # Nothing that a library prints gets between the replies.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    for line in sys.stdin.buffer:
        job = json.loads(line)
        # The kernel ends what takes too long: its default deed, which no library can catch.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, float(job["seconds"]))
        reply = _reply(job)
        signal.setitimer(signal.ITIMER_REAL, 0)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _reply(job: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"converted": convert(job["path"], job["kind"], job["encoding"]).as_json()}
    except CannotConvert as error:
        return {"reason": error.reason}
    except MemoryError:
        return {"reason": "took more memory to convert than it may"}
    except RecursionError:
        return {"reason": "is nested too deeply to be converted"}
    except OSError as error:
        return {"reason": f"cannot be read ({error.strerror or type(error).__name__})"}
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0][:200].rstrip(".")
        return {"reason": f"cannot be converted ({why}): open it and save it anew"}
