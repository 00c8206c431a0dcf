"""A thousand pages of PDF to chunks, beside the conversion by kreuzberg and the plain text of PDFium in the same run.

    python tests/bench/bench_documents.py [--pages 1000] [--documents 200 1000]

The PDF is the manual of the tests over and over, so that it has tables, lists, columns and scanned pages. Prints the
time of each and their ratio (1.5 at most is wanted), and the most memory of our processes together for one PDF of all
pages, and for folders of more and more documents: a stream holds one at a time, so it should hardly grow (400 MB at
most is wanted).
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

OURS = """
import asyncio, sys
from factory.step import Context
from factory.steps.documents.chunk import ChunkDocuments
from factory.steps.files.read import Read

def no_model(name):
    raise AssertionError

context = Context("01-read", 0, no_model, no_model)
step = ChunkDocuments(size=400)

async def main():
    chunks = 0
    for record in Read(path=sys.argv[1]).records(context):
        assert record.dropped is None, record.dropped
        async for chunk in step.process(record, context):
            chunks += 1
    print(chunks)

asyncio.run(main())
"""
KREUZBERG = """
import sys, kreuzberg
config = kreuzberg.ExtractionConfig(
    use_cache=False, output_format="markdown", pages=kreuzberg.PageConfig(extract_pages=True)
)
print(len(kreuzberg.extract_file_sync(sys.argv[1], config=config).content))
"""
PDFIUM = """
import sys, pypdfium2
document = pypdfium2.PdfDocument(sys.argv[1])
print(sum(len(page.get_textpage().get_text_range()) for page in document))
"""


def run(code: str, path: Path) -> tuple[float, float]:
    """Seconds that code takes in a process of its own, and the most MB of it and its children together."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    most = 0.0
    while process.poll() is None:
        most = max(most, family_mb(process.pid))
        time.sleep(0.02)
    seconds = time.perf_counter() - began
    assert process.returncode == 0
    return seconds, most


def family_mb(pid: int) -> float:
    """Resident MB of a process and of its children."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 1e6 + sum(family_mb(int(child)) for child in children)


def main() -> None:
    import pypdfium2
    from made_manual import make_manual

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--documents", type=int, nargs="+", default=[50, 500])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manuals = [make_manual(folder, language)[".pdf"] for language in ("en", "zh")]
        whole = pypdfium2.PdfDocument.new()
        parts = [pypdfium2.PdfDocument(path) for path in manuals]
        while len(whole) < options.pages:
            whole.import_pages(parts[len(whole) // 20 % 2])
        large = folder / "large.pdf"
        whole.save(str(large))
        best: dict[str, float] = {}
        for _ in range(3):  # in turn, so that a busy machine slows all alike
            for what, code in (("kreuzberg", KREUZBERG), ("pdfium", PDFIUM), ("ours", OURS)):
                seconds, most = run(code, large)
                best[what] = min(best.get(what, seconds), seconds)
        print(f"{len(whole):,} pages of PDF: read and chunked in {best['ours']:.2f} s, {most:.0f} MB at most")
        for what, name in (
            ("kreuzberg", "kreuzberg's Markdown with pages"),
            ("pdfium", "PDFium's plain text"),
        ):
            print(f"  {name}: {best[what]:.2f} s; ours takes {best['ours'] / best[what]:.2f} of it")
        for number in options.documents:
            below = folder / str(number)
            below.mkdir()
            for at in range(number):
                shutil.copy(manuals[at % 2], below / f"{at}.pdf")
            seconds, most = run(OURS, below)
            print(
                f"{number:,} PDFs of 20 pages: {most:.0f} MB at most, {number / seconds:.0f} documents a second"
            )


if __name__ == "__main__":
    main()
