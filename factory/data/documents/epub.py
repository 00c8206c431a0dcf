"""EPUB as Markdown, by kreuzberg."""

from __future__ import annotations

import re

from factory.data.documents.archives import check_archive
from factory.data.documents.converted import CannotConvert, Converted
from factory.data.documents.markdown import find_headings

_PICTURE = re.compile(r"!\[[^\]\n]*\]\([^)\n]*\)")


def read_epub(path: str, size: int) -> Converted:
    """The text of an EPUB file of `size` bytes; pictures are left out and counted.

    Raises:
        CannotConvert: it is damaged, encrypted, unpacks to more than a document does, or has no text.
    """
    import kreuzberg

    check_archive(path, size)
    config = kreuzberg.ExtractionConfig(
        use_cache=False,
        # What kreuzberg takes out as repeating may be text: it loses the last line of a page so.
        content_filter=kreuzberg.ContentFilterConfig(strip_repeating_text=False),
        enable_quality_processing=False,
        output_format="markdown",
    )
    try:
        result = kreuzberg.extract_file_sync(path, mime_type="application/epub+zip", config=config)
    except kreuzberg.KreuzbergError as error:
        why = str(error).splitlines()[0][:200].rstrip(".") if str(error) else type(error).__name__
        raise CannotConvert(f"cannot be converted ({why}): open it and save it anew") from None
    text, pictures = _PICTURE.subn("", result.content)
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    if not text:
        raise CannotConvert("has no text: it may hold pictures of text alone; recognise the text first")
    title = result.metadata.get("title")
    return Converted(
        text,
        title if isinstance(title, str) else "",
        find_headings(text),
        converter=f"kreuzberg {kreuzberg.__version__}",
        odd={"pictures left out": pictures} if pictures else {},
    )
