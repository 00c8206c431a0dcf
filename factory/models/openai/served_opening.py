"""Ask a server for the text that its chat template makes of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from factory.data.record import Message
from factory.errors import RecordFailed, RunStopped
from factory.models.failures import Denied
from factory.models.openai.endpoint import Endpoint
from factory.models.opening import Opening, Speaker, opening_of, with_words
from factory.models.options import OpenAIOptions
from factory.models.wire import wire_messages


async def served_opening(
    options: OpenAIOptions,
    endpoint: Endpoint,
    messages: Sequence[Message],
    template_arguments: Any,
    speaker: Speaker = "user",
) -> Opening:
    """Where the next turn's words begin in the chat template of a vLLM server (`/tokenize`, `/detokenize`) or of
    llama.cpp's (`/apply-template`).

    Raises:
        RunStopped: the server has neither.
        Overloaded, TransientFailure: as `ChatProvider.send`.
    """
    # Both stand beside /v1, not under it.
    root = Endpoint(endpoint.base_url.rstrip("/").removesuffix("/v1"), model=options.model, options=options)
    body: dict[str, Any] = {
        "model": options.model,
        "messages": wire_messages(with_words(messages, speaker)),
        "add_generation_prompt": False,
    }
    if isinstance(template_arguments, dict):
        body["chat_template_kwargs"] = template_arguments
    refusals = (Denied, RecordFailed, RunStopped)
    try:
        try:
            tokens = (await root.post("/tokenize", body)).get("tokens")
            if isinstance(tokens, list) and tokens:  # llama.cpp's has none of a conversation
                told = await root.post("/detokenize", {"model": options.model, "tokens": tokens})
                return opening_of(str(told.get("prompt") or told.get("text")), options.model, speaker)
        except refusals:
            pass
        try:
            rendered = (await root.post("/apply-template", body)).get("prompt")
        except refusals:
            rendered = None
    finally:
        await root.close()
    if isinstance(rendered, str):
        return opening_of(rendered, options.model, speaker)
    raise RunStopped(
        f"{endpoint.base_url} does not tell its model's chat template (vLLM does at /tokenize, llama.cpp at "
        "/apply-template): give the text that comes before a user's words as `template`"
    )
