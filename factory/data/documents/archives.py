"""Zip archives, as DOCX and EPUB files are, looked through before a converter opens them."""

from __future__ import annotations

import zipfile

from factory.data.documents.converted import CannotConvert

MOST_UNPACKED = 1 << 30
"""Bytes that a document may unpack to."""
_ALWAYS = 64 << 20  # bytes that it may unpack to whatever its own size
_RATIO = 200  # times its own size
_MOST_FILES = 20_000
_PIECE = 1 << 20


def check_archive(path: str, size: int) -> None:
    """Refuse an archive that unpacks to far more than it is, whatever it says of itself ("zip bomb").

    Args:
        size: of the file, in bytes

    Raises:
        CannotConvert: so it is, or it is damaged or encrypted.
    """
    most = min(MOST_UNPACKED, max(_ALWAYS, _RATIO * size))
    try:
        with zipfile.ZipFile(path) as archive:
            files = archive.infolist()
            if len(files) > _MOST_FILES or sum(file.file_size for file in files) > most:
                raise _bomb(most)
            if any(file.flag_bits & 1 for file in files):
                raise CannotConvert("is encrypted: save it without a password")
            left = most
            for file in files:
                with archive.open(file) as stream:
                    while piece := stream.read(_PIECE):
                        left -= len(piece)
                        if left < 0:
                            raise _bomb(most)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise CannotConvert("is damaged: fetch it again, or open it and save it anew") from error
    except Exception as error:  # zlib.error, lzma.LZMAError: the packing of a file in it
        if isinstance(error, CannotConvert):
            raise
        raise CannotConvert("is damaged: fetch it again, or open it and save it anew") from error


def _bomb(most: int) -> CannotConvert:
    return CannotConvert(
        f"unpacks to more than {most >> 20:,} MiB, as no document does (a zip bomb): it is not opened"
    )
