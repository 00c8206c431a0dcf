"""Log-probabilities of token sequences under a causal language model, in batches, with torch.

What a plain loop over texts wastes is saved here: padding (sequences of a batch are of like length), a pass of the
output layer over padding, and whole tables of log-probabilities in memory (a vocabulary of 49,152 takes 200 kB for
each token): logits are computed for a few positions at a time, and of each row only the token's own is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import torch

from factory.data.text import shorten
from factory.models.opening import no_template
from factory.models.torch.causal_attention import use_causal_attention
from factory.models.torch.mean_loss import mean_loss
from factory.models.torch.packed_linear import pack_linear_layers

_POSITIONS = {"cpu": 64}
"""Positions whose logits are computed at a time: on a processor few enough to stay in its cache."""
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.1, torch.bfloat16: 0.5}


Read: TypeAlias = tuple[list[float], list[int]]
"""The log-probabilities of the tokens wanted, and their ranks from 1; without ranks where nobody wants them."""


class Wanted(NamedTuple):
    """A sequence of tokens, and the first of them that is scored; 1 or more, since nothing precedes token 0."""

    ids: list[int]
    start: int


class CausalScorer:
    """A causal language model and its tokenizer.

    context: most tokens of a sequence
    shares: answers to one prompt can be read behind it, the prompt once
    batch_tokens: tokens that make a good batch on this device
    """

    def __init__(
        self,
        model: str,
        *,
        dtype: str,
        device: str,
        share_threads: bool,
        prepare: Callable[[CausalScorer], None] | None = None,
        trainable: bool = False,
    ) -> None:
        """Load a model.

        share_threads: what is computed may take several cores, as nothing is computed beside it

        prepare: changes the network as it was loaded, before it is made fast
        trainable: leave it as it is, so that gradients can be read
        """
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
        self.set_threads()
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        if not self._tokenizer.is_fast:
            raise ValueError("its tokenizer does not tell where in the text its tokens are")
        wanted = dtype if dtype == "auto" else getattr(torch, dtype)
        self.network = (
            transformers.AutoModelForCausalLM.from_pretrained(model, dtype=wanted).to(device).eval()
        )
        self.network.requires_grad_(False)
        self.device = device
        limit = getattr(self.network.config.get_text_config(), "max_position_embeddings", None)
        self.context = int(limit or 4096)
        self._head = self.network.get_output_embeddings()
        self._plain = self._is_plain()
        if prepare is not None:
            prepare(self)
        if self.on_processor and not trainable:
            with torch.inference_mode():
                pack_linear_layers(self.network)
                use_causal_attention(self.network)
            self._head = self.network.get_output_embeddings()
        self.shares = self._can_share()

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

    def render(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """A conversation as the tokenizer's chat template writes it.

        Raises:
            RecordFailed: it has none, or none that takes this conversation.
        """
        if not getattr(self._tokenizer, "chat_template", None):
            raise no_template("the tokenizer has no chat template")
        try:
            return str(self._tokenizer.apply_chat_template(list(messages), tokenize=False))
        except Exception as error:  # what a template raises comes as it is
            why = shorten(str(error), 160) or type(error).__name__
            raise no_template(f"the chat template does not take this conversation: {why}") from error

    def tokenize_answer(
        self, context: str, answer: str, *, opened: bool = False
    ) -> tuple[list[int], int, int, bool]:
        """Both as one text: the ids, the first and the end of the answer's own tokens, and whether one is shared.

        A token that holds the end of the context and the beginning of the answer is none of the answer's own, and
        neither is one that the tokenizer puts behind every text. With `opened`, a chat template wrote the context, and
        the tokenizer puts no token of its own before it.
        """
        encoded = self._tokenizer(
            context + answer, return_offsets_mapping=True, verbose=False, add_special_tokens=not opened
        )
        ids: list[int] = encoded["input_ids"]
        offsets: list[tuple[int, int]] = encoded["offset_mapping"]
        border = len(context)
        own = [at for at, (start, end) in enumerate(offsets) if start >= border and end > start]
        merged = any(start < border < end for start, end in offsets)
        return (ids, own[0], own[-1] + 1, merged) if own else (ids, len(ids), len(ids), merged)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """What is computed for many texts at once, in this thread."""
        self.set_threads()
        with torch.inference_mode():
            yield

    def set_threads(self) -> None:
        """On a processor, have what this thread computes take one core where other threads compute beside it."""
        if self.on_processor:
            torch.set_num_threads(torch.get_num_threads() if self._share_threads else 1)

    def read_whole(self, wanted: Sequence[Wanted], *, ranks: bool) -> list[Read]:
        """What is wanted of some sequences, each read from its first token."""
        # The last token foretells nothing that is wanted; a single one is read all the same.
        ids = padded([sequence[:-1] or sequence for sequence, _ in wanted]).to(self.device)
        # Padding is on the right, where a causal model never looks from the left: it needs no mask.
        return self.read_states(self.states(input_ids=ids, use_cache=False), wanted, ranks=ranks)

    def states(self, **inputs: Any) -> Any:
        """The last hidden states, or the logits where they are more than the output layer of these."""
        if self._plain:
            return self.network.base_model(**inputs).last_hidden_state
        return self.network(**inputs).logits

    def read_states(self, states: Any, wanted: Sequence[Wanted], *, ranks: bool) -> list[Read]:
        """The log-probabilities, and the ranks, of the tokens wanted of each row.

        states: shape (rows, length, width), of which position 0 is that of each sequence's first token
        """
        lengths = [len(sequence) - start for sequence, start in wanted]
        rows = torch.cat([torch.full((length,), row) for row, length in enumerate(lengths)])
        places = torch.cat([torch.arange(start, len(sequence)) for sequence, start in wanted]) - 1
        targets = torch.cat([torch.as_tensor(ids[start:], dtype=torch.long) for ids, start in wanted])
        targets = targets.to(self.device)
        hidden = states[rows.to(self.device), places.to(self.device)]
        found, ranked = [], []
        for start in range(0, len(targets), self._positions):
            part = slice(start, start + self._positions)
            logits = (self._head(hidden[part]) if self._plain else hidden[part]).float()
            own = targets[part, None]
            if ranks:  # equals are no better, as in the authors' code of RSR
                ranked.append((logits > logits.gather(1, own)).sum(1) + 1)
            # One pass over each row while it is in the cache; logsumexp makes four.
            found.append(logits.log_softmax(1).gather(1, own)[:, 0])
        logprobs = torch.cat(found).cpu().split(lengths) if found else [torch.empty(0)] * len(lengths)
        places_taken = torch.cat(ranked).cpu().split(lengths) if ranked else [torch.empty(0)] * len(lengths)
        return [(one.tolist(), other.tolist()) for one, other in zip(logprobs, places_taken, strict=True)]

    def answer_loss(self, ids: Sequence[int], start: int) -> torch.Tensor:
        """The mean negative log-likelihood, in nats, of the tokens from `start`, with what its gradient takes."""
        tokens = torch.as_tensor(ids, device=self.device)
        states = self.states(input_ids=tokens[None, :-1], use_cache=False)[0, start - 1 :]
        if self._plain and type(self._head) is torch.nn.Linear:
            return mean_loss(states, self._head, tokens[start:], self._positions)
        logits = self._head(states) if self._plain else states
        return torch.nn.functional.cross_entropy(logits.float(), tokens[start:])

    def _can_share(self) -> bool:
        from factory.models.torch.shared_prefix import can_share

        return can_share(self)

    def _is_plain(self) -> bool:
        """Whether logits are the output layer of the last hidden state, with no scaling or capping after it."""
        if self._head is None:
            return False
        ids: Any = torch.arange(5, 13, device=self.device)[None]
        with torch.inference_mode():
            whole = self.network(input_ids=ids, use_cache=False).logits.float()
            parts = self._head(
                self.network.base_model(input_ids=ids, use_cache=False).last_hidden_state
            ).float()
        return bool((whole - parts).abs().max() <= _TOLERANCE.get(self.network.dtype, 0.5))


def padded(sequences: Sequence[Sequence[int]], *, left: bool = False) -> torch.Tensor:
    """Sequences as one table, shape (rows, longest), filled with zeros on the right, or on the left."""
    ids = torch.zeros((len(sequences), max(map(len, sequences))), dtype=torch.long)
    for row, sequence in enumerate(sequences):
        at = ids.shape[1] - len(sequence) if left else 0
        ids[row, at : at + len(sequence)] = torch.as_tensor(sequence, dtype=torch.long)
    return ids
