"""IFD and perplexity: the papers' formulas over the same tokens, and what has no score."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from step_context import scripted_context

from factory.data.record import Message, Record, new_record
from factory.data.text import estimate_tokens
from factory.errors import RecordFailed, RunStopped
from factory.models.base import ScoredText
from factory.step import Context, PerRecord
from factory.steps.score.ifd import IFD
from factory.steps.score.likelihood.contexts import cherry_contexts, superfiltering_contexts
from factory.steps.score.likelihood.passes import Scored, Unscored, align, characters_of
from factory.steps.score.perplexity import Perplexity

Tokenizer = Callable[[str], list[str]]


def words(text: str) -> list[str]:
    """A token for each word with the white space after it, and for each Chinese character."""
    return re.findall(r"(?:[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+)\s*|^\s+", text)


class Reader:
    """A model that scores texts: a token's log-probability depends on the token and on how much precedes it."""

    name = "reader"

    def __init__(self, tokenizer: Tokenizer = words, *, bos: bool = False, context: int = 10**9) -> None:
        self.tokenizer, self.bos, self.context = tokenizer, bos, context
        self.texts: list[str] = []

    async def score_text(self, text: str) -> ScoredText:
        if not text:
            return ScoredText((), (), self.name, ())
        self.texts.append(text)
        tokens = [*(["<s>"] if self.bos else []), *self.tokenizer(text)]
        if len(tokens) > self.context:
            raise RecordFailed("context_length", "the text does not fit the model's context")
        logprobs = [-(1.0 + len(token.strip()) / 8) / (1 + at / 4) for at, token in enumerate(tokens)]
        return ScoredText(tuple(tokens), (None, *logprobs[1:]), self.name, (f"call-{len(self.texts)}",))


def run(step: PerRecord, record: Record, reader: Any, context: Context | None = None) -> Record:
    def no_embedder(name: str) -> Any:
        raise AssertionError("this step asks no embedding model")

    if context is None:
        context = Context(step="01-ifd", seed=0, get_chat=lambda name: reader, get_embedder=no_embedder)
    context = replace(context, get_chat=lambda name: reader)

    async def collect() -> list[Record]:
        return [made async for made in step.process(record, context)]

    (done,) = asyncio.run(collect())
    return done


def losses(reader: Reader, context: str, answer: str) -> list[float]:
    """Losses of the answer's tokens but the first, by the definition."""
    whole = asyncio.run(reader.score_text(context + answer))
    count = len(reader.tokenizer(answer)) - 1
    return [-value for value in whole.logprobs[-count:] if value is not None]


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def test_superfiltering_is_the_ratio_of_perplexities_over_the_same_tokens() -> None:
    record = new_record("Name a city", input="in France", output="Paris is the city")
    reader = Reader()
    done = run(IFD(), record, reader)
    given = mean(losses(Reader(), "Name a city\nin France\n", "Paris is the city"))
    alone = mean(losses(Reader(), "", "Paris is the city"))
    assert done.scores == {"ifd": pytest.approx(math.exp(given) / math.exp(alone))}
    assert reader.texts == ["Name a city\nin France\nParis is the city", "Paris is the city"]
    assert done.notes == {}
    assert (done.events[-1].model, done.events[-1].calls) == ("reader", ("call-1", "call-2"))


def test_cherry_is_the_ratio_of_losses_after_the_alpaca_prompt_and_after_the_heading_alone() -> None:
    record = new_record("Name {input} {instruction}", input="in France", output=" Paris is")
    reader = Reader()
    done = run(IFD(method="cherry"), record, reader)
    contexts = cherry_contexts(record)
    assert (
        "### Instruction:\nName {input} {instruction}\n\n### Input:\nin France\n\n### Resp"
        in contexts.conditioned
    )
    # Here the first token counts too: in both passes the heading comes before it.
    given, alone = (
        [-value for value in asyncio.run(Reader().score_text(context + " Paris is")).logprobs[-2:] if value]
        for context in contexts
    )
    assert done.scores == {"ifd.cherry": pytest.approx(mean(given) / mean(alone))}
    assert "### Input" not in cherry_contexts(new_record("a", output="b")).conditioned


def test_the_score_is_of_one_scale_whether_the_tokenizer_puts_a_token_of_its_own_before_a_text() -> None:
    """The first token of an answer has a probability behind such a token alone: it counts in neither case."""
    record = new_record("Say it", output="yes indeed, we do")
    context, _ = scripted_context(lambda ask: "")
    done = run(IFD(), record, Reader(bos=True), context)
    given = asyncio.run(Reader(bos=True).score_text("Say it\nyes indeed, we do")).logprobs[-3:]
    alone = asyncio.run(Reader(bos=True).score_text("yes indeed, we do")).logprobs[-3:]
    assert done.scores["ifd"] == pytest.approx(math.exp(-sum(given) / 3 + sum(alone) / 3))  # type: ignore[arg-type]
    assert context.facts["first_tokens_left_out"] == 1
    context, _ = scripted_context(lambda ask: "")
    run(IFD(), record, Reader(), context)
    assert context.facts["first_tokens_left_out"] == 0
    for bos in (False, True):
        single = run(IFD(), new_record("Say", output="yes"), Reader(bos=bos))
        assert single.scores == {}
        assert "single token" in single.missing["ifd"].reason


class Bigram(Reader):
    """A token's log-probability depends on the token before it alone, so that only what is counted can differ."""

    async def score_text(self, text: str) -> ScoredText:
        scored = await super().score_text(text)
        if not scored.tokens:
            return scored
        before = ["", *scored.tokens[:-1]]
        logprobs = [-(1.0 + len(a) + 2 * len(b)) / 8 for a, b in zip(before, scored.tokens, strict=True)]
        return replace(scored, logprobs=(None, *logprobs[1:]))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(["a", "bcd", "efghi", "问", "答"]), min_size=2, max_size=8))
def test_a_tokenizers_own_first_token_changes_no_score_where_it_tells_the_model_nothing(
    parts: list[str],
) -> None:
    record = new_record("Say it", output=" ".join(parts))
    for step in (IFD(), Perplexity(), Perplexity(of="text")):
        one, other = (run(step, record, Bigram(bos=bos)) for bos in (False, True))
        assert one.scores == pytest.approx(other.scores)


@pytest.mark.parametrize(
    ("step", "name", "template"),
    [
        (IFD(), "ifd", "bare"),
        (IFD(template="alpaca"), "ifd.alpaca", "alpaca"),
        (IFD(method="cherry"), "ifd.cherry", "alpaca"),
        (IFD(method="cherry", template="bare"), "ifd.cherry.bare", "bare"),
        (Perplexity(), "perplexity", "bare"),
        (Perplexity(template="alpaca"), "perplexity.alpaca", "alpaca"),
        (Perplexity(template="alpaca", score="ppl.0"), "ppl.0", "alpaca"),
    ],
)
def test_the_template_is_an_option_and_scores_of_two_templates_never_share_a_name(
    step: PerRecord, name: str, template: str
) -> None:
    reader = Reader()
    done = run(step, new_record("Name a city", input="in France", output="Paris is the city"), reader)
    assert list(done.scores) == [name]
    assert ("### Instruction:\nName a city" in reader.texts[0]) == (template == "alpaca")
    assert reader.texts[0].startswith("Name a city\nin France\nParis") == (template == "bare")


def test_a_token_that_straddles_prompt_and_answer_counts_in_neither_pass() -> None:
    def merging(text: str) -> list[str]:
        return re.findall(r"\n+a|[^\n]|\n+", text)

    scored = Scored(
        asyncio.run(Reader(merging).score_text("q\nabc")),
        asyncio.run(Reader(merging).score_text("abc")),
        0,
        False,
    )
    assert scored.conditioned.tokens == ("q", "\na", "b", "c")
    passes = align(scored, 100)
    assert passes.conditioned == scored.conditioned.logprobs[2:]
    assert passes.direct == scored.direct.logprobs[1:]


@pytest.mark.parametrize("output", ["yes", "好"])
def test_an_answer_of_one_token_has_no_score_and_says_why(output: str) -> None:
    done = run(IFD(), new_record("Say", output=output), Reader())
    assert done.scores == {}
    assert done.missing["ifd"].kind == "unscored"
    assert "single token" in done.missing["ifd"].reason
    assert done.dropped is None
    kept = run(IFD(keep="< 1"), new_record("Say", output=output), Reader())  # type: ignore[arg-type]
    assert kept.dropped is not None
    assert (kept.dropped.kind, kept.dropped.failed) == ("no_score", True)


@pytest.mark.parametrize("output", ["", "  \n "])
def test_an_empty_answer_costs_nothing_and_has_no_score(output: str) -> None:
    for step in (IFD(), Perplexity()):
        reader = Reader()
        done = run(step, new_record("Say", output=output), reader)
        assert done.scores == {}
        assert list(done.missing.values()) == [("no_answer", "there is no answer to score")]
        assert reader.texts == []


def test_chinese_is_scored_like_english() -> None:
    done = run(IFD(), new_record("法国的首都是哪里？", output="法国的首都是巴黎。"), Reader())
    assert 0 < done.scores["ifd"] < 1


@pytest.mark.parametrize("text", ["word " * 50_000, "字" * 50_000])
def test_a_conversation_of_fifty_thousand_tokens_is_cut_and_the_rest_is_not_sent(text: str) -> None:
    reader = Reader()
    done = run(IFD(), new_record("Go on", output=text), reader)
    assert max(len(sent) for sent in reader.texts) < 10_000
    assert "ifd" in done.scores
    assert "first 1,024 tokens" in done.notes["ifd"]


def test_a_text_that_was_cut_has_the_score_of_the_same_tokens_uncut() -> None:
    record = new_record("Go on", output="word another third " * 2_000)
    done = run(IFD(max_length=50), record, Reader())
    whole, alone = (
        asyncio.run(Reader().score_text(text)) for text in ("Go on\n" + record.output, record.output)
    )
    passes = align(Scored(whole, alone, 0, False), 50)
    assert len(passes.conditioned) == 50 - 2 - 1  # the prompt's two, and the answer's first
    assert done.scores["ifd"] == pytest.approx(
        math.exp(-mean(list(passes.conditioned)) + mean(list(passes.direct)))
    )


def test_a_prompt_that_fills_all_that_is_read_leaves_nothing_to_score() -> None:
    done = run(IFD(), new_record("word " * 50_000, output="yes indeed"), Reader())
    assert done.scores == {}
    assert done.missing["ifd"].kind == "unscored"
    exact = run(IFD(max_length=4), new_record("a b c d e", output="yes indeed"), Reader())
    assert exact.missing["ifd"].reason == "the prompt fills all of the 4 tokens that are read"


def test_an_answer_that_was_not_sent_for_a_long_prompt_is_not_called_a_single_token() -> None:
    # By the estimate 2,250 tokens, by this model one.
    done = run(IFD(), new_record("-" * 9_000, output="yes indeed"), Reader())
    assert done.scores == {}
    assert (
        done.missing["ifd"].reason
        == "the prompt leaves no room for the answer in the 1024 tokens that are read"
    )


def test_a_model_with_a_smaller_context_is_sent_less() -> None:
    done = run(IFD(), new_record("Go on", output="word " * 5_000), Reader(context=700))
    assert "ifd" in done.scores
    assert "first" in done.notes["ifd"]


def test_a_text_that_cannot_be_scored_is_noted_and_the_run_goes_on() -> None:
    class Failing(Reader):
        async def score_text(self, text: str) -> ScoredText:
            raise RecordFailed("call_failed", "no reply after 6 tries")

    done = run(IFD(), new_record("Say", output="yes indeed"), Failing())
    assert done.scores == {}
    assert done.missing["ifd"] == ("call_failed", "no reply after 6 tries")


def test_a_server_without_log_probabilities_stops_the_run() -> None:
    class Without(Reader):
        async def score_text(self, text: str) -> ScoredText:
            raise RunStopped("it does not tell them")

    with pytest.raises(RunStopped):
        run(IFD(), new_record("Say", output="yes indeed"), Without())


def test_an_infinite_loss_is_no_score() -> None:
    text = ScoredText(("a", "b"), (None, -math.inf), "m", ())
    with pytest.raises(Unscored, match="impossible"):
        align(Scored(text, text, 0, False), 10)


def test_keep_drops_a_record_whose_instruction_is_in_the_way() -> None:
    done = run(IFD(keep="< 0.001"), new_record("Say", output="yes indeed it is"), Reader())  # type: ignore[arg-type]
    assert done.dropped is not None
    assert done.dropped.kind == "high_score"


def test_earlier_turns_stand_before_the_instruction() -> None:
    turns = (
        Message("user", "one"),
        Message("assistant", "two"),
        Message("user", "three"),
        Message("assistant", "4"),
    )
    record = Record("x", turns)
    assert superfiltering_contexts(record) == ("one\ntwo\nthree\n", "")
    assert "### Instruction:\none\ntwo\nthree\n\n### Response:" in cherry_contexts(record).conditioned


def test_perplexity_of_an_answer_is_over_the_tokens_that_ifd_counts() -> None:
    record = new_record("Name a city", output="Paris is the city")
    reader = Reader()
    done = run(Perplexity(), record, reader)
    assert done.scores["perplexity"] == pytest.approx(
        math.exp(mean(losses(Reader(), "Name a city\n", record.output)))
    )
    other = Reader()
    run(IFD(), record, other)
    assert reader.texts == other.texts


def test_perplexity_of_the_text_is_over_all_turns_and_can_have_any_name() -> None:
    done = run(
        Perplexity(of="text", score="ppl.1"), new_record("Name a city", output="Paris it is"), Reader()
    )
    scored = asyncio.run(Reader().score_text("Name a city\nParis it is"))
    assert done.scores["ppl.1"] == pytest.approx(math.exp(-sum(scored.logprobs[1:]) / 5))  # type: ignore[arg-type]
    single = run(Perplexity(of="text"), new_record("Name"), Reader())
    assert single.scores == {}
    assert "single token" in single.missing["perplexity"].reason


def test_the_first_token_of_a_text_never_counts_whether_the_tokenizer_begins_with_one_of_its_own() -> None:
    record = new_record("Name a city", output="Paris it is")
    for bos, left_out in ((True, 1), (False, 0)):
        context, _ = scripted_context(lambda ask: "")
        done = run(Perplexity(of="text"), record, Reader(bos=bos), context)
        scored = asyncio.run(Reader(bos=bos).score_text("Name a city\nParis it is"))
        expected = math.exp(-sum(value for value in scored.logprobs[-5:] if value is not None) / 5)
        assert done.scores["perplexity"] == pytest.approx(expected)
        assert context.facts["first_tokens_left_out"] == left_out
    single = run(Perplexity(of="text"), new_record("Name"), Reader(bos=True))
    assert "single token" in single.missing["perplexity"].reason


@pytest.mark.parametrize(
    "text", ["<s> is a tag of HTML", "[INST] do it", "<b>bold", "[A list] of it", "\ufffd<s>"]
)
def test_a_text_that_begins_with_a_control_mark_loses_the_mark_alone(text: str) -> None:
    for bos, left_out in ((True, 1), (False, 0)):
        context, _ = scripted_context(lambda ask: "")
        done = run(Perplexity(of="text"), new_record(text), Reader(bos=bos), context)
        count = len(words(text)) - 1
        assert context.facts.get("first_tokens_left_out", 0) == (left_out if count else 0)
        if count:
            logprobs = asyncio.run(Reader(bos=bos).score_text(text)).logprobs[-count:]
            expected = math.exp(-sum(value for value in logprobs if value is not None) / count)
            assert done.scores["perplexity"] == pytest.approx(expected)


def test_text_is_cut_by_the_estimate_at_a_space_where_one_is_near() -> None:
    text = "several words of text " * 400
    end = characters_of(text, 100)
    assert estimate_tokens(text[:end]) <= 100
    assert end > 350
    assert text[end] == " "
    assert characters_of("short", 100) == 5
    assert estimate_tokens("字" * characters_of("字" * 1000, 70)) == 70
