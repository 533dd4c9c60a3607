"""Text as terms, by one rule that is simple enough for every target to find the same ones.

A term is a longest run of word characters. Word characters are the ASCII letters and digits, and every character from U+00C0 on but
the signs U+00D7 and U+00F7, general punctuation (U+2000-U+206F), CJK punctuation (U+3000-U+303F), variation selectors
(U+FE00-U+FE0F), U+FEFF and full-width punctuation (U+FF00-U+FF0F). So an emoji is a word, and so is a whole clause of a script without
spaces. Upper case becomes lower case in ASCII, Latin-1 (U+00C0-U+00DE), Greek (U+0391-U+03A9) and Cyrillic (U+0410-U+042F), each by adding
32 to the code point, and in U+0400-U+040F by adding 80; no other character changes.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from homeostat.graph.plan import Floats

    Counts = Mapping[int, int]

UPPER = ((0x41, 0x5A, 32), (0xC0, 0xDE, 32), (0x391, 0x3A9, 32), (0x410, 0x42F, 32), (0x400, 0x40F, 80))
_LOWER = {code: code + shift for first, last, shift in UPPER for code in range(first, last + 1)}
WORDS = (
    (0x30, 0x39), (0x61, 0x7A), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x1FFF), (0x2070, 0x2FFF), (0x3040, 0xFDFF), (0xFE10, 0xFEFE),
    (0xFF10, 0x10FFFF),
)  # fmt: skip
"""The rule as ranges of code points, ends included, for every target: what becomes lower case by which addition; what is of a word."""
_TERM = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in WORDS) + "]+")


def terms_of(text: str) -> list[str]:
    """The terms of a text in their order, lower-cased.

    >>> terms_of("Don't MISS it: \u00c9TUDE no. 5!")
    ['don', 't', 'miss', 'it', '\u00e9tude', 'no', '5']
    """
    lower = text.lower() if text.isascii() else text.translate(_LOWER)
    return _TERM.findall(lower)


def term_counter(vocabulary: tuple[str, ...]) -> Callable[[str], Counts]:
    """The function from a text to how often each term of the vocabulary occurs in it, by the term's place; absent ones are not told."""
    places = {term: place for place, term in enumerate(vocabulary)}

    def count(text: str) -> Counts:
        return Counter(places[term] for term in terms_of(text) if term in places)

    return count


def fill_counts(block: Floats, found: Iterable[Counts | None]) -> None:
    """Write counts into a block of zeros (n, len(vocabulary)), one row each; a null is NaN in every column."""
    for row, counts in enumerate(found):
        if counts is None:
            block[row] = np.nan
            continue
        for place, count in counts.items():
            block[row, place] = count
