"""How many answers a second `verify` holds against their constraints by checkers in code, on one core.

    python tests/bench/bench_verify.py                  # 20,000 answers of about 60 words, 3 constraints each
    python tests/bench/bench_verify.py --words 300

Half of the answers are English, half Chinese; constraints are drawn from the registry as `constrain` draws them. Times
are CPU seconds of one thread: of the checkers alone, and of the whole step with reading the constraints, scores,
verdicts and history.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import time
from collections.abc import Callable

from factory.data.gc_pause import RARELY
from factory.data.record import Record, new_record
from factory.step import Context
from factory.steps.agents.ladder.choose import next_checked
from factory.steps.agents.ladder.words import CHINESE, ENGLISH
from factory.steps.judging.constraints.constraint import CATEGORIES, About, Checked, Constraint
from factory.steps.judging.constraints.registry import checked_kinds
from factory.steps.judging.constraints.stated import Stated, with_constraints
from factory.steps.judging.constraints.strictness import Variants, follows
from factory.steps.judging.verify import Verify

WANTED = 20_000
COMMON = ("the", "of", "and", "to", "in", "is", "that", "it", "for", "was", "with", "as")


def answer(language: str, words: int, chance: random.Random) -> str:
    """Prose of about so many words, in sentences and paragraphs, here and there a list or a word in capitals."""
    # As in prose, every other English word is one that the language cannot do without.
    pool, joint, stop = (CHINESE, "", "。") if language == "zh" else (ENGLISH + COMMON * 4, " ", ". ")
    sentences, left = [], words
    while left > 0:
        size = min(left, chance.randint(5, 15))
        said = [chance.choice(pool) for _ in range(size)]
        sentences.append(joint.join(said).capitalize() + stop)
        left -= size
    marks = ("", "", "", "\n\n", "\n- ", " NASA ", " 42 ")
    return "".join(sentence + chance.choice(marks) for sentence in sentences).strip()


def records(number: int, words: int) -> list[Record]:
    """Answered records with three constraints each."""
    kinds, made = list(checked_kinds().values()), []
    for at in range(number):
        chance = random.Random(at)
        language = "en" if at % 2 else "zh"
        about = About(language, "Say what you think.", ENGLISH if language == "en" else CHINESE)
        have: list[Constraint] = []
        for category in chance.choices(CATEGORIES, k=12):
            added = next_checked(kinds, category, have, about, chance)
            have += [added] if added is not None and len(have) < 3 else []
        record = new_record(
            about.instruction, output=answer(language, words, chance), lang=language, occurrence=at
        )
        made.append(with_constraints(record, [Stated(one, one.wording(language)) for one in have]))
    return made


def checkers(made: list[Record], constraints: list[list[Checked]]) -> int:
    """How many constraints are met."""
    met = 0
    for record, several in zip(made, constraints, strict=True):
        variants = Variants(record.output)
        met += sum(follows(one, variants) for one in several)
    return met


async def step(made: list[Record]) -> int:
    """The same by the whole step, with its figures."""

    def no_model(name: str) -> object:
        raise AssertionError("no model is asked")

    verify = Verify()
    context = Context("02-verify", 0, no_model, no_model)  # type: ignore[arg-type]
    for record in made:
        async for _ in verify.process(record, context):
            pass
    verify.finish(context)
    return sum(kind["met"] for kind in context.facts["by_kind"])


def timed(run: Callable[[], int]) -> tuple[int, float]:
    """What a run gives, and the CPU seconds of the best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.thread_time()
        given = run()
        best = min(best, time.thread_time() - began)
    return given, best


def main() -> None:
    gc.set_threshold(*RARELY)  # as the command line does
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--answers", type=int, default=20_000)
    parser.add_argument("--words", type=int, default=60)
    options = parser.parse_args()
    made = records(options.answers, options.words)
    from factory.steps.judging.constraints.stated import stated_constraints

    constraints = [
        [one.constraint for one in stated_constraints(record) if isinstance(one.constraint, Checked)]
        for record in made
    ]
    characters = sum(len(record.output) for record in made) / len(made)
    print(f"{len(made):,} answers of {characters:.0f} characters, {sum(map(len, constraints)):,} constraints")
    checkers(made[:2000], constraints[:2000])  # the language model is read, patterns are compiled
    for name, run in (
        ("checkers alone", lambda: checkers(made, constraints)),
        ("the whole step", lambda: asyncio.run(step(made))),
    ):
        met, seconds = timed(run)
        rate = len(made) / seconds
        print(
            f"{name}: {rate:>9,.0f} answers/s ({rate / WANTED:.2f} of what is wanted), {met:,} constraints met"
        )


if __name__ == "__main__":
    main()
