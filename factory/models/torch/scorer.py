"""A transformers model in this process that scores given texts, in batches of like length, in threads of its own.

Answers to one prompt that wait together are read behind it in one batch (`shared_prefix.py`).

On a processor each thread computes a batch alone. Threads that share a batch wait for each other at every
operation, spinning: on a busy machine of two cores a loop in two threads took three times the processor time of the
same loop in one, and more than that of the clock.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import orjson

from factory.data.record import Message
from factory.data.text import shorten
from factory.errors import MissingDependency, RecipeError, RecordFailed, RunStopped
from factory.models.base import AnswerLogprobs, ChatRequest, Reply, TokenLogprobs, Usage
from factory.models.failures import LetGo
from factory.models.installed import is_installed
from factory.models.learning import AnswerGradient
from factory.models.openai.chat import identity_of
from factory.models.opening import Opening, opening_of, with_words
from factory.models.options import TransformersOptions
from factory.models.torch.device import check_device, threads_of
from factory.models.torch.folder import model_place, name_of_weights
from factory.models.wire import wire_messages

if TYPE_CHECKING:
    from factory.models.torch.adapters import Adapted
    from factory.models.torch.causal_scoring import CausalScorer, Read
    from factory.models.torch.gradients import GradientReader

_GATHER_SECONDS = 0.02
"""How long a batch waits for those who are just about to ask: little beside what it takes to compute."""
SEED = 0
"""Of what is drawn when a model is trained: the same examples teach the same."""


class _Job(NamedTuple):
    """A text that waits, scored from its token `start`; an answer with the context that it shares with others."""

    ids: list[int]
    start: int
    result: asyncio.Future[Read]
    context: str | None = None


class _Batch(NamedTuple):
    """What is computed at once: texts of like length, or groups of answers, each to a context of its own."""

    groups: list[list[_Job]]
    shared: bool = False

    @property
    def jobs(self) -> list[_Job]:
        return [job for group in self.groups for job in group]


class TransformersScorer:
    """Scores texts; all that wait are sorted by length and computed in batches. A `TextScorer` and `AnswerScorer`.

    The model is loaded with the first text. It runs no code that comes with the model.

    Raises:
        MissingDependency: torch or transformers is not installed, or the hub cannot be reached.
        RecipeError: there is no such model, or this machine lacks the device.
    """

    def __init__(self, options: TransformersOptions, learnt: Sequence[tuple[str, str]] = ()) -> None:
        """Of the model that the options name.

        learnt: prompts and answers that adapters beside it are trained on before it scores
        """
        for package in ("torch", "transformers"):
            if not is_installed(package):
                raise MissingDependency(
                    f"the transformers provider needs {package}: pip install 'sft-factory[torch]'"
                )
        check_device(options.device)
        self._options = options
        self._place = model_place(options.model)
        self.identity = identity_of(
            "transformers",
            name_of_weights(options.model, self._place),
            {
                "dtype": "" if options.dtype == "auto" else options.dtype,
                "learnt": _digest(learnt) if learnt else "",
            },
        )
        self._learnt = tuple(learnt)
        self._trained: list[TransformersScorer] = []
        self._reading: asyncio.Future[GradientReader] | None = None
        self.concurrency = options.concurrency
        self._slots = threads_of(options.device)
        self._threads = ThreadPoolExecutor(self._slots, thread_name_prefix="torch")
        self._loading: asyncio.Future[CausalScorer] | None = None
        self._waiting: list[_Job] = []
        self._working: set[asyncio.Task[None]] = set()
        self._stopped = threading.Event()
        self._asked = 0

    async def send(self, request: ChatRequest) -> Reply:
        """It does not chat.

        Raises:
            RunStopped: always; names the providers that do.
        """
        raise RunStopped(
            f"{self._options.model} is here to score texts (provider: transformers): for replies name a model of "
            "provider vllm, openai or local"
        )

    async def score_text(self, text: str) -> TokenLogprobs:
        """The log-probabilities of the tokens of `text`; see `TextScorer`.

        Raises:
            RecordFailed: the text is longer than the model's context.
            RecipeError: there is no such model, or it cannot be loaded.
            LetGo: see `let_go`.
        """
        scorer = await self._loaded()
        tokens, ids = scorer.tokenize(text)
        if not ids:
            return TokenLogprobs((), ())
        logprobs, _ = await self._read(scorer, ids, 1, None)
        return TokenLogprobs(tokens, (None, *logprobs), Usage(len(ids), 0))

    async def answer_opening(self, messages: Sequence[Message]) -> Opening:
        """See `AnswerOpener`: the tokenizer has the template.

        Raises:
            RecordFailed: it has none, or none that takes this conversation.
        """
        scorer = await self._loaded()
        rendered = scorer.render(wire_messages(with_words(messages, "assistant")))
        return opening_of(rendered, self._options.model, "assistant")

    async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> AnswerLogprobs:
        """The log-probabilities and ranks of the tokens of `answer`; see `AnswerScorer`.

        Raises:
            RecordFailed: both together are longer than the model's context.
            RecipeError: there is no such model, or it cannot be loaded.
            LetGo: see `let_go`.
        """
        scorer = await self._loaded()
        ids, start, end, merged = scorer.tokenize_answer(context, answer, opened=opened)
        alone = start == 0 and end > 0  # nothing comes before its first token
        first = start + alone
        if first >= end:
            return AnswerLogprobs((None,) * alone, (), start, merged, Usage(len(ids), 0))
        logprobs, ranks = await self._read(scorer, ids[:end], first, context)
        if alone:
            return AnswerLogprobs((None, *logprobs), (), start, merged, Usage(len(ids), 0))
        return AnswerLogprobs(tuple(logprobs), tuple(ranks), start, merged, Usage(len(ids), 0))

    def after_training(self, examples: Sequence[tuple[str, str]]) -> TransformersScorer:
        """This model with adapters trained on these prompts and answers; see `Learner`."""
        trained = TransformersScorer(self._options, [*self._learnt, *examples])
        self._trained.append(trained)
        return trained

    async def answer_gradient(self, context: str, answer: str) -> AnswerGradient:
        """The gradient of the answer's loss by adapters beside the model, hashed; see `Learner`.

        Raises:
            RecordFailed: the answer has no token of its own.
            RecipeError: there is no such model, it cannot be loaded, or no layer of it can be adapted.
            LetGo: see `let_go`.
        """
        loop = asyncio.get_running_loop()
        with self._in_hand():
            if self._reading is None:
                self._reading = loop.run_in_executor(self._threads, self._load_reader)
            reader = await asyncio.shield(self._reading)
            try:
                return await loop.run_in_executor(self._threads, self._gradient, reader, context, answer)
            except (RecordFailed, LetGo):
                raise
            except Exception as error:
                raise _problem(error, self._options.model) from error

    def let_go(self) -> int:
        """See `LetsGo`: training stops before its next example, scoring after the batches that are computed."""
        self._stopped.set()
        for job in self._waiting:
            if not job.result.done():
                job.result.set_exception(LetGo())
        self._waiting.clear()
        return self._asked + sum(trained.let_go() for trained in self._trained)

    @contextmanager
    def _in_hand(self) -> Iterator[None]:
        if self._stopped.is_set():
            raise LetGo
        self._asked += 1
        try:
            yield
        finally:
            self._asked -= 1

    async def _loaded(self) -> CausalScorer:
        with self._in_hand():
            if self._loading is None:
                self._loading = asyncio.get_running_loop().run_in_executor(self._threads, self._load)
            return await asyncio.shield(self._loading)

    async def _read(self, scorer: CausalScorer, ids: list[int], start: int, context: str | None) -> Read:
        if len(ids) > scorer.context:
            raise RecordFailed(
                "context_length",
                f"the text has {len(ids):,} tokens and does not fit the model's context of {scorer.context:,}",
            )
        if self._stopped.is_set():
            raise LetGo
        job = _Job(ids, start, asyncio.get_running_loop().create_future(), context)
        self._waiting.append(job)
        if len(self._working) < (self._slots if scorer.on_processor else 1):
            worker = asyncio.create_task(self._work(scorer))
            self._working.add(worker)
            worker.add_done_callback(self._working.discard)
        with self._in_hand():
            return await job.result

    async def close(self) -> None:
        """Let go what waits, and free the model once the batches that are being computed are done."""
        for job in self._waiting:
            job.result.cancel()
        self._waiting.clear()
        self.let_go()
        for worker in list(self._working):
            worker.cancel()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        for future in (self._loading, self._reading):
            if future is not None:
                future.cancel()
        self._loading = self._reading = None
        for trained in self._trained:
            await trained.close()

    async def _work(self, scorer: CausalScorer) -> None:
        """Compute what waits, batch after batch, until nothing does."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(_GATHER_SECONDS)
        most = self._options.batch_tokens or scorer.batch_tokens
        while (batch := self._take(most, scorer.shares)).groups:
            try:
                scored = await loop.run_in_executor(self._threads, _compute, scorer, batch, most)
            except Exception as error:
                problem = _problem(error, self._options.model)
                for job in batch.jobs:
                    if not job.result.done():
                        job.result.set_exception(problem)
            else:
                for job, read in zip(batch.jobs, scored, strict=True):
                    if not job.result.done():
                        job.result.set_result(read)
                await asyncio.sleep(0)  # those who got one may ask for the next before a batch is taken

    def _take(self, most: int, shares: bool) -> _Batch:
        """The longest texts that wait, as many as fit into `most` tokens when padded to the first; one at least.

        Where the longest is an answer to a context to which others wait, it is these, with more such groups that fit.
        """
        self._waiting = [job for job in self._waiting if not job.result.done()]  # the others were cancelled
        self._waiting.sort(key=lambda job: len(job.ids))
        if not self._waiting:
            return _Batch([])
        together: dict[str | None, list[_Job]] = {}
        for job in self._waiting:
            together.setdefault(job.context, []).append(job)
        longest = self._waiting[-1]
        if shares and longest.context is not None and len(together[longest.context]) > 1:
            groups, tokens = [together.pop(longest.context)], len(longest.ids)
            width, length = longest.start, tokens - longest.start
            # The next longest ones first, so that contexts are padded the least.
            for context, group in sorted(together.items(), key=lambda one: -one[1][-1].start):
                if context is None or len(group) < 2:
                    continue
                wide = max(width, *(job.start for job in group))
                long = max(length, *(len(job.ids) - job.start for job in group))
                rows = sum(map(len, groups)) + len(group)
                if wide * (len(groups) + 1) + long * rows <= most:
                    groups.append(group)
                    width, length = wide, long
            taken = {id(job) for group in groups for job in group}
            self._waiting = [job for job in self._waiting if id(job) not in taken]
            return _Batch(groups, shared=True)
        alone = [
            job
            for job in self._waiting
            if not (shares and job.context is not None and len(together[job.context]) > 1)
        ]
        texts = [job for job in alone if (job.context is None) == (longest.context is None)]
        texts = texts[-max(1, most // len(longest.ids)) :]
        taken = {id(job) for job in texts}
        self._waiting = [job for job in self._waiting if id(job) not in taken]
        return _Batch([texts])

    def _load(self) -> CausalScorer:
        if not self._learnt:
            return self._built()
        return self._built(self._adapted(keep=False))

    def _load_reader(self) -> GradientReader:
        from factory.models.torch.gradients import GradientReader

        adapted = self._adapted(keep=True)
        scorer = self._built(adapted, trainable=True)
        return GradientReader(scorer, adapted.adapters, SEED)

    def _gradient(self, reader: GradientReader, context: str, answer: str) -> AnswerGradient:
        """The gradient of one answer, in a thread of its own."""
        from factory.models.torch.adapters import examples_of

        if self._stopped.is_set():
            raise LetGo
        examples = examples_of(reader.scorer, [(context, answer)])
        if not examples:
            raise RecordFailed(
                "unscored", "the answer has no token of its own among those that are read behind its prompt"
            )
        return AnswerGradient(reader.read(examples[0]), Usage(len(examples[0].ids), 0))

    def _adapted(self, *, keep: bool) -> Adapted:
        from factory.models.torch.adapters import Adapted

        return Adapted(self._learnt, SEED, keep=keep, at_once=self._slots, stopped=self._stopped.is_set)

    def _built(
        self, prepare: Callable[[CausalScorer], None] | None = None, *, trainable: bool = False
    ) -> CausalScorer:
        from factory.models.torch.causal_scoring import CausalScorer

        options = self._options
        try:
            return CausalScorer(
                self._place,
                dtype=options.dtype,
                device=options.device,
                share_threads=self._slots == 1,
                prepare=prepare,
                trainable=trainable,
            )
        except LetGo:
            raise
        except Exception as error:  # transformers lets its own and its transport's errors through
            why = shorten(str(error).split("\n")[0], 160) or type(error).__name__
            raise RecipeError(
                f"the model {options.model!r} cannot be loaded by transformers ({why}): name a folder with a causal "
                "language model and its tokenizer, or its name on the Hugging Face hub"
            ) from error


def _digest(pairs: Sequence[tuple[str, str]]) -> str:
    """What tells one training from another: its examples, and how it goes."""
    from factory.models.torch.training import RECIPE

    return hashlib.sha256(orjson.dumps([RECIPE, pairs])).hexdigest()


def _compute(scorer: CausalScorer, batch: _Batch, most: int) -> list[Read]:
    """What is wanted of each of the batch's texts, in a thread of its own."""
    from factory.models.torch.causal_scoring import Wanted
    from factory.models.torch.shared_prefix import read_groups

    groups = [[Wanted(job.ids, job.start) for job in group] for group in batch.groups]
    with scorer.computing():
        if batch.shared:
            return [read for group in read_groups(scorer, groups, most) for read in group]
        return scorer.read_whole(groups[0], ranks=batch.groups[0][0].context is not None)


def _problem(error: Exception, model: str) -> Exception:
    if "out of memory" in str(error).lower():
        return RunStopped(
            f"{model}: there is not enough memory for a batch: set a smaller `batch_tokens`, or another `device`"
        )
    return RecordFailed("call_failed", f"{model}: {type(error).__name__}: {shorten(str(error), 160)}")
