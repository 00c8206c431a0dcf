"""How fast the rules of `clean` go through rows on one core, what each takes, and how much memory, beside peers.

    python tests/bench/bench_clean.py                  # 100,000 rows of 300 words (Chinese: characters) on average
    python tests/bench/bench_clean.py --rows 10000

Rows are made of sentences in English (six in ten), Chinese (three) and programs (one); one in twenty has a fault. They
are made as they are looked at, so that memory shows what the rules hold; the making is not counted. Times are CPU
seconds of this process. Where datatrove is installed, its Gopher (quality and repetition), C4 and FineWeb filters read
the same answers; where data-juicer is, its word, character-repetition and special-character filters. Neither looks at
prompts, finds places, or does what the rules about voice do: what is beside is the cost of a pass, not the same work.
"""

from __future__ import annotations

import argparse
import importlib
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator

from factory.data.record import Event, Record, new_record
from factory.data.text import word_count
from factory.steps.clean.clean import Clean
from factory.steps.clean.cleaning.cleaner import Cleaner
from factory.steps.clean.cleaning.tally import count, new_tally
from factory.steps.clean.rules.view import View

WORDS = 300
LINKS = ("of the", "and a", "with the", "in this", "for her", "that is", "but not", "from our", "which has")
ZH_LINKS = ("的", "了", "和", "在", "是", "也", "把", "为")
FAULTS = (
    "It&#39;s &quot;here&quot;.",
    "I'm sorry, but I can't help with that.",
    "<p>Some text.</p>",
    "抱歉，我无法回答。",
    "As of my last update, it was so.",
    "cafÃ©\u200b",
)


def made(rows: int, seed: int = 0) -> Iterator[Record]:
    """Rows, one by one: the same for the same seed."""
    draw = random.Random(seed)
    for number in range(rows):
        kind = number % 10
        wanted = min(4 * WORDS, 30 + draw.expovariate(1 / (WORDS - 50)))
        sentence = english if kind < 6 else chinese if kind < 9 else program
        parts: list[str] = []
        words = 0
        while words < wanted:
            parts.append(sentence(draw))
            words += word_count(parts[-1])
        if number % 20 == 7:
            parts.insert(draw.randrange(len(parts)), draw.choice(FAULTS))
        asked = (
            "为什么会这样？请详细说明。"
            if sentence is chinese
            else f"Explain row {number} to a friend in detail."
        )
        blank = "" if sentence is chinese else "\n" if sentence is program else " "
        language = "zh" if sentence is chinese else "en"
        paragraphs = (blank.join(parts[at : at + 6]) for at in range(0, len(parts), 6))
        yield new_record(asked, output="\n\n".join(paragraphs), source=f"source {kind}", lang=language)


def word(draw: random.Random) -> str:
    """A word of a few thousand, the short ones often."""
    syllables = 1 + int(draw.expovariate(1.2))
    return "".join(
        draw.choice("bdfgklmnprst") + draw.choice("aeiou") for _ in range(syllables)
    ) + draw.choice("nrst")


def english(draw: random.Random) -> str:
    said = " ".join(f"{word(draw)} {draw.choice(LINKS)} {word(draw)}" for _ in range(draw.randrange(3, 7)))
    return f"The {said} in {draw.randrange(1900, 2020)}."


def chinese(draw: random.Random) -> str:
    pieces = [
        chr(draw.randrange(0x4E00, 0x5200)) + draw.choice(["", *ZH_LINKS])
        for _ in range(draw.randrange(8, 24))
    ]
    return f"{''.join(pieces)}，{''.join(pieces[:5])}{draw.randrange(90)}个。"


def program(draw: random.Random) -> str:
    name, other = word(draw), word(draw)
    return (
        f"def {name}_{draw.randrange(99)}({other}):\n    if {other} > {draw.randrange(99)}:\n"
        f"        return [{other}, '{name}']\n    return {other}"
    )


def rates(rows: int, profile: str) -> None:
    """The whole of the step's work on each row, and how memory grows with their number."""
    cleaner = Clean(profile=profile).cleaner
    event = Event("01-clean", "mend")
    tally = new_tally(cleaner.rules, cleaner.actions, profile)
    for record in made(200, seed=1):  # what is compiled or loaded at first
        cleaner.clean(record, event)
    used, words, memory = 0.0, 0, []
    for number, record in enumerate(made(rows), 1):
        words += word_count(record.output)
        begin = time.process_time()
        count(tally, record, cleaner.clean(record, event))
        used += time.process_time() - begin
        if number % max(1, rows // 4) == 0:
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    held = ", ".join(f"{value:,.0f}" for value in memory)
    print(
        f"{profile:<8}{rows:,} rows of {words / rows:.0f} words: {used:.1f} s CPU, {rows / used:,.0f} rows/s, "
        f"{tally['faulty']:,} with a fault; peak memory after each quarter {held} MB"
    )


def shares(rows: int, cleaner: Cleaner) -> None:
    """What each rule takes of the time of all; the first that asks pays for what several share."""
    taken: Counter[str] = Counter()
    for record in made(rows, seed=2):
        view = View(record, cleaner.settings)
        for name, rule in cleaner.rules.items():
            begin = time.process_time()
            list(rule.findings(view))
            taken[name] += time.process_time() - begin
    whole = sum(taken.values())
    for name, seconds in taken.most_common():
        print(f"    {name:<22}{seconds / whole:>7.1%}{1e6 * seconds / rows:>9.1f} us a row")


def peers(rows: int) -> None:
    """The filters of other packages on the same answers."""
    texts = [record.output for record in made(rows)]
    for name, load in (("datatrove", datatrove), ("data-juicer", data_juicer)):
        try:
            filters = load()
        except Exception as error:  # another package's import may fail in any way
            print(f"    {name}: not here ({type(error).__name__}: {str(error)[:80]})")
            continue
        for title, check in filters.items():
            begin = time.process_time()
            kept = sum(bool(check(text)) for text in texts)
            used = time.process_time() - begin
            print(f"    {name} {title:<34}{rows / max(used, 1e-9):>10,.0f} rows/s, {kept:,} of {rows:,} kept")


def datatrove() -> dict[str, Callable[[str], bool]]:
    """datatrove's filters of one text."""
    document = importlib.import_module("datatrove.data").Document
    filters = importlib.import_module("datatrove.pipeline.filters")
    found = {
        "GopherRepetitionFilter": filters.GopherRepetitionFilter(),
        "GopherQualityFilter": filters.GopherQualityFilter(),
        "C4QualityFilter": filters.C4QualityFilter(filter_no_terminal_punct=False),
        "FineWebQualityFilter": filters.FineWebQualityFilter(),
    }

    def run(one: object) -> Callable[[str], bool]:
        return lambda text: one.filter(document(text=text, id="x")) is True  # type: ignore[attr-defined]

    return {title: run(one) for title, one in found.items()}


def data_juicer() -> dict[str, Callable[[str], bool]]:
    """data-juicer's filters of one text."""
    ops = importlib.import_module("data_juicer.ops.filter")
    fields = importlib.import_module("data_juicer.utils.constant").Fields
    names = (
        "CharacterRepetitionFilter",
        "WordRepetitionFilter",
        "SpecialCharactersFilter",
        "AlphanumericFilter",
        "AverageLineLengthFilter",
    )

    def run(one: object) -> Callable[[str], bool]:
        def check(text: str) -> bool:
            rows = {"text": [text], fields.stats: [{}]}
            rows = one.compute_stats_batched(rows)  # type: ignore[attr-defined]
            return bool(next(iter(one.process_batched(rows))))  # type: ignore[attr-defined]

        return check

    return {name: run(getattr(ops, name)()) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    rates(rows, "report")
    rates(max(1, rows // 10), "strict")
    shares(max(1, rows // 20), Clean().cleaner)
    peers(max(1, rows // 20))


if __name__ == "__main__":
    main()
