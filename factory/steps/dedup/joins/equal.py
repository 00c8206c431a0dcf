"""Which records have the same text, by hashes of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from factory.data.table import Table
from factory.steps.dedup.joins.forms import exact_form

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 1 << 15
"""Records whose texts are held at a time."""
DIGEST = 16
"""Bytes of a text's hash: among a billion texts, two that differ share one with a chance of 1e-21."""


def digests(table: Table, field: str) -> NDArray[np.uint64]:
    """A hash of each record's text in `exact_form`, shape (records, 2); zeros for a blank text."""
    narrow = Table(table.arrow.select(["messages", "input_chars"]))
    fields = ("prompt", "output") if field == "both" else (field,)
    found = bytearray()
    for start in range(0, len(narrow), BLOCK):
        block = narrow.take(range(start, min(start + BLOCK, len(narrow))))
        for texts in zip(*(block.texts(one, compared=True) for one in fields), strict=True):
            forms = [exact_form(text) for text in texts]
            # No form has a line end, so that what stands in the prompt is never taken for the output's.
            whole = "\n".join(forms).encode("utf-8", "surrogatepass") if any(forms) else b""
            found += hashlib.blake2b(whole, digest_size=DIGEST).digest() if whole else bytes(DIGEST)
    return np.frombuffer(bytes(found), np.uint64).reshape(-1, 2)


def first_equal(rows: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each row of `digests` the position of the first one equal to it; a row of zeros is equal to none."""
    order = np.lexsort((rows[:, 1], rows[:, 0]))  # stable: equal rows stay in their order
    in_order = rows[order]
    new = np.ones(len(rows), bool)
    new[1:] = (in_order[1:] != in_order[:-1]).any(axis=1) | ~in_order[1:].any(axis=1)
    first = np.empty(len(rows), np.int64)
    first[order] = order[np.flatnonzero(new)[np.cumsum(new) - 1]]
    return first


def sources(table: Table) -> NDArray[np.int64]:
    """A number for each record, shape (records,): the same for those made from one seed, or of one prompt.

    Copies of one text, in a pool that was put together from several, say no more than the text does once.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    lineages = np.array(table.lineages(), np.int64)
    if not len(lineages):
        return lineages
    same = lineages[first_equal(digests(table, "prompt"))]
    number = int(lineages.max()) + 1
    graph = coo_array((np.ones(len(same), np.int8), (lineages, same)), shape=(number, number))
    return np.asarray(connected_components(graph, directed=False)[1][lineages], np.int64)
