"""Durations as people write them: ``90d``, ``6h``, ``30m``, ``45s``, ``2w``."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
LONGEST = timedelta(weeks=5_218)
"""A hundred years: longer spans mean nothing to a charter, and moments moved by them leave the calendar."""
PATTERN = r"^\d+(\.\d+)?[smhdw]$"


def parse_duration(text: str) -> timedelta:
    """The duration a text such as ``"14d"`` stands for.

    Raises:
        ValueError: the text is not a number followed by one of s, m, h, d, w, or is longer than a hundred years.

    >>> parse_duration("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if not re.fullmatch(PATTERN, text, re.ASCII):
        raise ValueError(f"got {text!r}; write a number and a unit, such as 30m, 6h, 14d or 2w")
    seconds = float(text[:-1]) * UNITS[text[-1]]
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"got {text!r}; write at most {format_duration(LONGEST)} (a hundred years)")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """The shortest text that ``parse_duration`` reads back as the same duration.

    >>> format_duration(timedelta(days=14))
    '2w'
    """
    seconds = value.total_seconds()
    for unit in ("w", "d", "h", "m"):
        if seconds >= UNITS[unit] and seconds % UNITS[unit] == 0:
            return f"{int(seconds // UNITS[unit])}{unit}"
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"
