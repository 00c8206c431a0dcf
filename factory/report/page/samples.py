"""Rows of a run as a page shows them: kept ones evenly spaced, dropped ones spread over their reasons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from factory.data.record import Record
from factory.data.text import shorten, turn_text
from factory.report.page.markup import Html, h, join, language
from factory.report.plain import clip, named
from factory.report.run_files.rows import evenly, open_rows, rows_at

ROWS = 12
TEXT_CHARACTERS = 3000
EARLIER_CHARACTERS = 600
MOST_TAGS = 8
MOST_OPERATIONS = 8


def kept_sample(path: Path) -> list[Record]:
    """A dozen records of a file, evenly spaced."""
    return rows_at(path, evenly(open_rows(path).metadata.num_rows, ROWS))


def dropped_sample(path: Path) -> list[Record]:
    """A dozen records that were let go, each kind of reason in turn, by step; evenly spaced within a kind."""
    kinds: dict[tuple[str, str], list[int]] = {}
    start = 0
    for batch in open_rows(path).iter_batches(batch_size=1 << 14, columns=["dropped"]):
        drops = batch.column("dropped")
        pairs = zip(drops.field("step").to_pylist(), drops.field("kind").to_pylist(), strict=True)
        for at, pair in enumerate(pairs, start=start):
            kinds.setdefault(pair, []).append(at)
        start += batch.num_rows
    shares = dict.fromkeys(sorted(kinds, key=lambda kind: (kind[0] or "", kind[1] or "")), 0)
    while sum(shares.values()) < min(ROWS, start):
        for kind in shares:
            if shares[kind] < len(kinds[kind]) and sum(shares.values()) < ROWS:
                shares[kind] += 1
    chosen = [kinds[kind][at] for kind, share in shares.items() for at in evenly(len(kinds[kind]), share)]
    return rows_at(path, chosen)


def row_card(record: Record) -> Html:
    """A record as a card: what is asked, what is answered, and what is known about it."""
    drop = record.dropped
    verdict = join()
    if drop is not None:
        numbers = ", ".join(f"{name} {value:g}" for name, value in drop.numbers.items())
        verdict = h(
            "p",
            h(
                "span",
                h("b", drop.step),
                f" {drop.kind}",
                class_=f"chip {'failed' if drop.failed else 'dropped'}",
            ),
            h("span", shorten(drop.reason, 600), dir="auto"),
            h("span", f" ({numbers})", class_="soft") if numbers else "",
            class_="verdict",
        )
    asked = [
        _text(turn.role, turn_text(turn), EARLIER_CHARACTERS) for turn in record.messages[: record.last_user]
    ]
    asked += [_text("instruction", record.instruction)]
    asked += [_text("input", record.input)] if record.input else []
    answered = _text("output", record.output) if record.output else _none("output")
    turns = h(
        "div", h("div", *asked, class_="ask"), h("div", answered), class_="turns", lang=language(record.lang)
    )
    return h("article", verdict, turns, _about(record), class_="card row")


def chain(record: Record) -> list[str]:
    """A record's way in short: "seed", "deepen", "respond"; what was done again at once is counted."""
    steps: list[tuple[str, int]] = [("seed", 1)]
    for event in record.events:
        if event.operation == steps[-1][0]:
            steps[-1] = (event.operation, steps[-1][1] + 1)
        else:
            steps.append((event.operation, 1))
    names = [name if number == 1 else f"{name} ×{number}" for name, number in steps]
    if len(names) > MOST_OPERATIONS:
        names = [*names[: MOST_OPERATIONS // 2], "…", *names[-MOST_OPERATIONS // 2 :]]
    return [shorten(name, 40) for name in names]


def _text(name: str, text: str, characters: int = TEXT_CHARACTERS) -> Html:
    return join(h("p", name, class_="name"), h("div", clip(text, characters), class_="text", dir="auto"))


def _none(name: str) -> Html:
    return join(h("p", name, class_="name"), h("div", "none", class_="soft"))


def _about(record: Record) -> Html:
    tags = [
        h(
            "span",
            shorten(tag.name, 60),
            class_="chip",
            dir="auto",
            title=shorten(tag.explanation, 200) or None,
        )
        for tag in record.tags[:MOST_TAGS]
    ]
    lacking = record.lacking.items()
    scores = [
        h(
            "span",
            f"{shorten(name, 40)} ",
            h("b", value),
            class_="chip",
            title=shorten(note, 300) or None,
        )
        for name, value, note in [
            *((name, f"{n:.4g}", record.notes.get(name, "")) for name, n in sorted(record.scores.items())),
            *((name, "missing", f"{why.kind}: {why.reason}".removeprefix(": ")) for name, why in lacking),
        ]
    ]
    facts = " · ".join(shorten(fact, 60) for fact in (record.task, record.lang, record.source) if fact)
    parts = [
        h("span", *_arrows(chain(record)), class_="chain"),
        h("span", facts, dir="auto") if facts else "",
        h("span", named(record), class_="id"),
        h("div", *tags, *scores, class_="chips") if tags or scores else "",
    ]
    return h("div", *parts, class_="about")


def _arrows(names: list[str]) -> Iterator[Html]:
    for at, name in enumerate(names):
        if at:
            yield h("span", " → ")
        yield h("span", name, class_="step")
