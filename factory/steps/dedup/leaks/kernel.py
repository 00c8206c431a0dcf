"""The compiled loops of `find_leaks`: shared n-grams, alignments, short items. Importing it loads numba.

The n-grams of the benchmark items are looked up by a rolling hash; each hit is checked token by token.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from factory.statistics.compiled import compiled, compiled_at_once
from factory.steps.dedup.leaks.tokens import (
    FACTOR,
    Alphabet,
    Codes,
    Flags,
    Grams,
    Ints,
    Items,
    Room,
    Words,
    alphabet_type,
    codes_type,
    grams_type,
    hash_of,
    ints_type,
    items_type,
    mix,
    power,
    room_type,
    slot_of,
    tokenise,
)

TEXT, ITEM, RULE, PART, START, END, COVERED, OF, RUN, EDITS, FROM = range(11)
"""Columns of what `scan` finds. START, END: characters of the text; FROM: the place of the run in the item."""
COLUMNS = 11
BY_WORDS, BY_EDITS, BY_WHOLE = range(3)
NOWHERE = -(1 << 60)
WIDE = 16  # allowed edits from which on the stretches where an item was compared are remembered
TWICE = 3  # allowed edits from which on an item is compared only where two seeds of it stand in line


class Rules(NamedTuple):
    """When words in common are a leak: a run of so many tokens, or this share of the item's own."""

    run: int
    coverage: float


@compiled
def edits(
    item: Words,
    values: Words,
    wild: Flags,
    text: Words,
    text_values: Words,
    diagonal: int,
    most: int,
    any_number: bool,
    room: Room,
) -> tuple[int, int, int]:
    """The least number of tokens to insert, delete or replace that makes `item` a part of `text`.

    To delete or replace a token where `wild` is 1 costs nothing. A number in place of another one is replaced, but
    with `any_number` the same.

    Looks at places where item token q stands within 3/2 `most` of text token diagonal + q. Returns the
    number, and where in the text the part begins and ends; more than `most` where there is no such part.
    Sellers (1980), in a band.
    """
    band = most + most // 2 + 1
    width = 2 * band + 1
    far = most + 1
    row, start, above, above_start = room.row, room.start, room.above, room.above_start
    for k in range(width):
        t = diagonal - band + k
        above[k] = 0 if 0 <= t <= len(text) else far
        above_start[k] = t
    for q in range(1, len(item) + 1):
        least = far
        price = 1 - int(wild[q - 1])
        for k in range(width):
            t = diagonal + q - band + k
            best, begin = far, t
            if 0 <= t <= len(text):
                if t > 0 and above[k] < far:
                    same = item[q - 1] == text[t - 1] and (any_number or values[q - 1] == text_values[t - 1])
                    best = above[k] + (0 if same else price)
                    begin = above_start[k]
                if k + 1 < width and above[k + 1] + price < best:
                    best = above[k + 1] + price
                    begin = above_start[k + 1]
                if k > 0 and row[k - 1] + 1 < best:
                    best = row[k - 1] + 1
                    begin = start[k - 1]
            best = min(best, far)
            row[k] = best
            start[k] = begin
            least = min(least, best)
        if least > most:
            return far, 0, 0
        row, above = above, row
        start, above_start = above_start, start
    best, begin, end = far, 0, 0
    for k in range(width):
        if above[k] < best:
            best = above[k]
            begin = above_start[k]
            end = diagonal + len(item) - band + k
    return best, begin, end


@compiled
def touch(item: int, stamp: int, touched: int, room: Room) -> int:
    """Begin the state of an item for a new text; how many items the text has touched."""
    if room.stamp[item] == stamp:
        return touched
    room.stamp[item] = stamp
    room.touched[touched] = item
    room.cover[2 * item] = room.cover[2 * item + 1] = room.run[item] = room.until[item] = 0
    room.diagonal[2 * item] = room.diagonal[2 * item + 1] = NOWHERE
    room.pending[2 * item] = room.pending[2 * item + 1] = NOWHERE
    return touched + 1


@compiled
def by_words(
    count: int,
    items: Items,
    grams: Grams,
    rules: Rules,
    stamp: int,
    lineage: int,
    room: Room,
    out: Ints,
    found: int,
    hits: int,
) -> tuple[int, int]:
    """Find the items whose own n-grams stand in the text; how many rows `out` holds then, and how many `room.hits`."""
    size = grams.size[0]
    tokens = room.tokens
    lead = power(size)
    touched = 0
    g = np.uint64(0)
    for t in range(count):
        g = g * FACTOR + tokens[t]
        if t + 1 < size:
            continue
        if t >= size:
            g -= tokens[t - size] * lead
        slot = slot_of(grams, mix(g))
        if slot < 0:
            continue
        at = t + 1 - size
        # Of a family of items each has the n-gram at a place of its own.
        for place in grams.places[grams.first[slot] : grams.first[slot] + grams.counts[slot]]:
            same = 0
            while same < size and items.tokens[place + same] == tokens[at + same]:
                same += 1
            if same < size:
                continue
            item = items.item_of[place]
            touched = touch(item, stamp, touched, room)
            first, end = items.first[item], items.first[item + 1]
            for p in range(place, place + size):
                if room.covered[p] != stamp:
                    room.covered[p] = stamp
                    room.cover[2 * item] += 1
                    if items.core[2 * item] <= p - first < items.core[2 * item + 1]:
                        room.cover[2 * item + 1] += 1
            if room.seen[place] != lineage:
                room.seen[place] = lineage
                room.hits[hits] = (place << 32) | lineage
                hits += 1
            if at < room.until[item] and room.diagonal[2 * item] == at - place:
                continue
            a, p = at, place
            while a > 0 and p > first and tokens[a - 1] == items.tokens[p - 1]:
                a -= 1
                p -= 1
            b = at + size
            while b < count and place + b - at < end and tokens[b] == items.tokens[place + b - at]:
                b += 1
            room.until[item] = b
            room.diagonal[2 * item] = at - place
            if b - a > room.run[item]:
                room.run[item] = b - a
                room.run_text[item] = a
                room.run_item[item] = p
    for k in range(touched):
        item = room.touched[k]
        part = 0
        for other in range(2):
            own, best = items.own[2 * item + other], max(1, items.own[2 * item + part])
            if own > 0 and room.cover[2 * item + other] / own > room.cover[2 * item + part] / best:
                part = other
        of = items.own[2 * item + part]
        covered = room.cover[2 * item + part]
        size_of_part = items.first[item + 1] - items.first[item]
        if part == 1:
            size_of_part = items.core[2 * item + 1] - items.core[2 * item]
        enough = covered > rules.coverage * of and covered >= min(rules.run, size_of_part)
        if room.run[item] >= rules.run or enough:
            a = room.run_text[item]
            row = out[found]
            row[ITEM], row[RULE], row[PART] = item, BY_WORDS, part
            row[START], row[END] = room.starts[a], room.ends[a + room.run[item] - 1]
            row[COVERED], row[OF], row[RUN], row[EDITS] = covered, of, room.run[item], 0
            row[FROM] = room.run_item[item]
            found += 1
    return found, hits


@compiled
def by_edits(count: int, items: Items, seeds: Grams, stamp: int, room: Room, out: Ints, found: int) -> int:
    """Find the items that stand in the text with few edits; how many rows `out` holds then."""
    size = seeds.size[0]
    text = room.masked[:count]
    lead = power(size)
    touched = 0
    g = np.uint64(0)
    for t in range(count):
        g = g * FACTOR + text[t]
        if t + 1 < size:
            continue
        if t >= size:
            g -= text[t - size] * lead
        slot = slot_of(seeds, mix(g))
        if slot < 0:
            continue
        for place in seeds.places[seeds.first[slot] : seeds.first[slot] + seeds.counts[slot]]:
            item = items.item_of[place]
            touched = touch(item, stamp, touched, room)
            first = items.first[item]
            for part in range(2):
                most = items.most[2 * item + part]
                a = first + (items.core[2 * item] if part == 1 else 0)
                b = first + items.core[2 * item + 1] if part == 1 else items.first[item + 1]
                if most < 0 or place < a or place + size > b:
                    continue
                diagonal = t + 1 - size - (place - a)
                if abs(diagonal - room.diagonal[2 * item + part]) <= most // 2:
                    continue
                cell, mark = -1, 0
                if most >= WIDE:
                    # A long item repeats itself: without this it is compared anew at each turn between two places.
                    window = diagonal // (most // 2)
                    cell = a + window % (b - a)
                    mark = -2 - ((stamp << 24) + 2 * window + part)
                    if cell < len(room.covered) and room.covered[cell] == mark:
                        continue
                if most >= TWICE and abs(diagonal - room.pending[2 * item + part]) > most // 2:
                    room.pending[2 * item + part] = diagonal
                    continue
                room.diagonal[2 * item + part] = diagonal
                if 0 <= cell < len(room.covered):
                    room.covered[cell] = mark
                item_part, values, wild = items.tokens[a:b], items.values[a:b], items.wild[a:b]
                numbers = room.values[:count]
                distance, begin, end = edits(
                    item_part, values, wild, text, numbers, diagonal, most, False, room
                )
                if distance > most and items.loose[2 * item + part] >= 0:
                    # Much the same words with other numbers.
                    least = items.loose[2 * item + part]
                    distance, begin, end = edits(
                        item_part, values, wild, text, numbers, diagonal, least, True, room
                    )
                    distance = most + 1 if distance > least else distance
                if distance <= most and end > begin:
                    row = out[found]
                    row[ITEM], row[RULE], row[PART] = item, BY_EDITS, part
                    row[START], row[END] = room.masked_starts[begin], room.masked_ends[end - 1]
                    row[COVERED], row[OF], row[RUN] = b - a - distance, b - a, 0
                    row[EDITS], row[FROM] = distance, a
                    room.diagonal[2 * item + part] = diagonal
                    if found + 2 < len(out):
                        found += 1
    return found


@compiled
def by_whole(count: int, lines: int, items: Items, whole: Grams, room: Room, out: Ints, found: int) -> int:
    """Find the short items and cores that are a line of the text, or all of it; how many rows `out` holds then."""
    begin = 0
    longest = whole.size[0]
    for line in range(lines + 1):
        if line == lines:
            if lines < 2:
                break
            begin = 0
        end = room.lines[line] if line < lines else count
        if end - begin <= longest:
            slot = slot_of(whole, hash_of(room.tokens[begin:end]))
            if slot >= 0:
                place = whole.places[whole.first[slot]]
                item = items.item_of[place]
                if whole.counts[slot] == end - begin:
                    row = out[found]
                    row[ITEM], row[RULE], row[PART] = item, BY_WHOLE, 0
                    row[START], row[END] = room.starts[begin], room.ends[end - 1]
                    row[COVERED] = row[OF] = row[RUN] = end - begin
                    row[EDITS], row[FROM] = 0, place
                    if found + 2 < len(out):
                        found += 1
        begin = end
    return found


_rows = types.int64[:, ::1]
_rules = types.NamedTuple([types.int64, types.float64], Rules)  # type: ignore[no-untyped-call]
_three = types.UniTuple(types.int64, 3)  # type: ignore[no-untyped-call]


_arrays = (alphabet_type, items_type, items_type, grams_type, grams_type, grams_type)


@compiled_at_once(
    _three(codes_type, ints_type, ints_type, types.int64, types.int64, *_arrays, _rules, room_type, _rows)
)
def scan(
    codes: Codes,
    offsets: Ints,
    lineages: Ints,
    begin: int,
    stamp: int,
    alphabet: Alphabet,
    items: Items,
    masked: Items,
    grams: Grams,
    seeds: Grams,
    whole: Grams,
    rules: Rules,
    room: Room,
    out: Ints,
) -> tuple[int, int, int]:
    """Look for the items in the texts from `begin` on; text i is codes[offsets[i]:offsets[i + 1]].

    Stops early when `out` or `room.hits` might not hold what the next text gives. Returns the rows found, the next
    text, and how many hits there are.

    lineages: a number for each text, the same for all texts that one seed gave; below 2**31
    stamp: a number that no text before had; the texts take the numbers from there, two each
    """
    found = hits = 0
    text = begin
    while text < len(offsets) - 1:
        # A text adds each place once at most.
        if found + 2 * len(items.first) + 64 > len(out) or hits + len(items.tokens) > len(room.hits):
            break
        before = found
        count, masks, lines = tokenise(codes[offsets[text] : offsets[text + 1]], alphabet, room)
        found, hits = by_words(
            count, items, grams, rules, stamp + 2 * (text - begin), lineages[text], room, out, found, hits
        )
        found = by_edits(masks, masked, seeds, stamp + 2 * (text - begin) + 1, room, out, found)
        found = by_whole(count, lines, items, whole, room, out, found)
        for row in range(before, found):
            out[row, TEXT] = text
        text += 1
    return found, text, hits
