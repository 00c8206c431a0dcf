"""Log-probabilities of token sequences under a causal language model, in batches, with torch.

What a plain loop over texts wastes is saved here: padding (sequences of a batch are of like length), a pass of the
output layer over padding, and whole tables of log-probabilities in memory (a vocabulary of 49,152 takes 200 kB for
each token): logits are computed for a few positions at a time, and of each row only the token's own is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from factory.models.torch.causal_attention import use_causal_attention
from factory.models.torch.packed_linear import pack_linear_layers

_POSITIONS = {"cpu": 64}
"""Positions whose logits are computed at a time: on a processor few enough to stay in its cache."""
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.1, torch.bfloat16: 0.5}


class CausalScorer:
    """A causal language model and its tokenizer.

    context: most tokens of a sequence
    batch_tokens: tokens that make a good batch on this device
    """

    def __init__(self, model: str, *, dtype: str, device: str, share_threads: bool) -> None:
        import transformers

        transformers.logging.disable_progress_bar()
        if device == "auto":
            device = (
                "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
            )
        self.on_processor = device == "cpu"
        self.batch_tokens = 512 if self.on_processor else 32768
        self._positions = _POSITIONS.get(device, 1024)
        self._share_threads = share_threads
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        if not self._tokenizer.is_fast:
            raise ValueError("its tokenizer does not tell where in the text its tokens are")
        wanted = dtype if dtype == "auto" else getattr(torch, dtype)
        self._model = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=wanted).to(device).eval()
        self._model.requires_grad_(False)
        self._device = device
        if self.on_processor:
            with torch.inference_mode():
                pack_linear_layers(self._model)
                use_causal_attention(self._model)
        self._head = self._model.get_output_embeddings()
        limit = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        self.context = int(limit or 4096)
        self._plain = self._is_plain()

    def tokenize(self, text: str) -> tuple[tuple[str, ...], list[int]]:
        """The tokens of `text` as pieces of it, and their ids; those that the tokenizer adds come with their names."""
        encoded = self._tokenizer(text, return_offsets_mapping=True, verbose=False)
        ids: list[int] = encoded["input_ids"]
        pieces = []
        for token, (start, end) in zip(ids, encoded["offset_mapping"], strict=True):
            pieces.append(
                text[start:end] if end > start else str(self._tokenizer.convert_ids_to_tokens(token))
            )
        return tuple(pieces), ids

    def score(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Natural log-probability of each token but the first of each sequence, given all before it."""
        if self.on_processor:
            torch.set_num_threads(torch.get_num_threads() if self._share_threads else 1)
        with torch.inference_mode():
            return self._score(sequences)

    def _score(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        lengths = [len(sequence) for sequence in sequences]
        # Padding is on the right, where a causal model never looks from the left: it needs no mask.
        ids = torch.zeros((len(sequences), max(lengths)), dtype=torch.long)
        for row, sequence in enumerate(sequences):
            ids[row, : lengths[row]] = torch.as_tensor(sequence)
        real = torch.arange(ids.shape[1])[None, 1:] < torch.as_tensor(lengths)[:, None]
        targets = ids[:, 1:][real].to(self._device)
        ids = ids.to(self._device)
        if self._plain:
            hidden = self._model.base_model(input_ids=ids, use_cache=False).last_hidden_state
            hidden = hidden[:, :-1][real.to(self._device)]
        else:
            hidden = self._model(input_ids=ids, use_cache=False).logits[:, :-1][real.to(self._device)]
        found = []
        for start in range(0, len(targets), self._positions):
            part = slice(start, start + self._positions)
            logits = (self._head(hidden[part]) if self._plain else hidden[part]).float()
            # One pass over each row while it is in the cache; logsumexp makes four.
            found.append(logits.log_softmax(1).gather(1, targets[part, None])[:, 0])
        logprobs = torch.cat(found).cpu().tolist() if found else []
        result, at = [], 0
        for length in lengths:
            result.append(logprobs[at : at + length - 1])
            at += length - 1
        return result

    def _is_plain(self) -> bool:
        """Whether logits are the output layer of the last hidden state, with no scaling or capping after it."""
        if self._head is None:
            return False
        ids: Any = torch.arange(5, 13, device=self._device)[None]
        with torch.inference_mode():
            whole = self._model(input_ids=ids, use_cache=False).logits.float()
            parts = self._head(
                self._model.base_model(input_ids=ids, use_cache=False).last_hidden_state
            ).float()
        return bool((whole - parts).abs().max() <= _TOLERANCE.get(self._model.dtype, 0.5))
