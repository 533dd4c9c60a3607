"""Raw rows that a model in another language is checked with: drawn from the manifest alone, so the same bundle gives the same rows.

Each input by turns is null, unseen or extreme, then one row is all null, and the rest is drawn from what the sample held, with some of
the same in it. Every value is one that JSON can say.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.fields import parse_timestamp
from homeostat.graph.steps import amounts_of

if TYPE_CHECKING:
    from homeostat.serving.manifest import Field, Manifest

COUNT = 1_000
ODD_SHARE, NULL_SHARE, MOST_TURNS = 0.04, 0.08, 0.4
"""Of the values that are drawn, and the most rows that have one odd value by turns."""
DIGITS = 6
TWO_YEARS_S = 2 * 365 * 86_400
SOME_TIME = 1_500_000_000.0
MOST_CHOICES = 200
"""Of a vocabulary that odd values are made of."""

Row = dict[str, Any]


def parity_rows(manifest: Manifest, count: int = COUNT) -> list[Row]:
    """So many rows of named fields that the model accepts; some may have no finite score."""
    rng = np.random.default_rng(int(manifest.graph_sha256[:12] or "0", 16))
    odd = {each.name: [None, *odd_values(each)] for each in manifest.inputs}
    turns = [(name, value) for name, values in odd.items() for value in values]
    kept = min(len(turns), int(count * MOST_TURNS))
    chosen = [turns[at] for at in np.linspace(0, len(turns) - 1, kept).astype(int)]
    rows = [_ordinary(manifest, rng) | {name: value} for name, value in chosen]
    rows.append({each.name: None for each in manifest.inputs})
    while len(rows) < count:
        row = _ordinary(manifest, rng)
        for name, values in odd.items():
            if rng.random() < ODD_SHARE:
                row[name] = values[rng.integers(len(values))]
        rows.append(row)
    return rows[:count]


def _ordinary(manifest: Manifest, rng: np.random.Generator) -> Row:
    return {each.name: None if rng.random() < NULL_SHARE else usual_value(each, rng) for each in manifest.inputs}


def usual_value(field: Field, rng: np.random.Generator) -> Any:
    """A value as the sample held them."""
    if field.kind == "boolean":
        return bool(rng.random() < 0.5) if rng.random() < 0.8 else int(rng.integers(2))
    if field.kind == "category":
        return _known(field, rng) if field.vocabulary else "never seen"
    if field.kind == "timestamp":
        return _moment(_around(field) + float(rng.uniform(-TWO_YEARS_S, TWO_YEARS_S)), int(rng.integers(6)))
    if field.kind == "text":
        known = field.vocabulary or ("word",)
        said = [known[rng.integers(len(known))] for _ in range(int(rng.integers(0, 12)))]
        return " ".join(word.upper() if rng.random() < 0.2 else word for word in said)
    low, high = _ends(field)
    drawn = rng.uniform(low, high)
    return round(drawn) if type(field.example) is int else float(f"{drawn:.{DIGITS}g}")


def _known(field: Field, rng: np.random.Generator) -> Any:
    """A known category; one that spells a whole number by turns as that number."""
    text = field.vocabulary[rng.integers(len(field.vocabulary))]
    (amount,) = amounts_of([text])
    return int(amount) if amount is not None and amount.is_integer() and abs(amount) < 2**53 and rng.random() < 0.5 else text


def odd_values(field: Field) -> list[Any]:
    """Values that the sample did not hold, or hardly."""
    if field.kind == "boolean":
        return [0, 1, True, False]
    if field.kind == "category":
        longest = max(field.vocabulary, key=len, default="")
        some = field.vocabulary[:: max(1, len(field.vocabulary) // MOST_CHOICES)]
        return ["", " ", f"{longest}?", "\N{SNOWMAN}", "null", "x" * 500, 0.5, -7, True, 1e300, *(f" {text}" for text in some[:2])]
    if field.kind == "timestamp":
        texts = ["1700-01-01T23:59:59", "2000-02-29", "9999-12-31T23:59:59.999", "0001-01-01", "2011-03-01 08:30:00.5+01:00"]
        return [*texts, 0, 951_868_799, -1.5, 253_402_300_799]
    if field.kind == "text":
        known = field.vocabulary[0] if field.vocabulary else "word"
        return ["", " .,!? ", "\N{SNOWMAN}\N{GRINNING FACE}", f"{known.upper()} {known}-{known}", f"{known} never seen \u00c9 " * 50]
    low, high = _ends(field)
    beyond = 10 * (high - low)
    return [low, high, low - beyond, high + beyond, 0, -1e12, 1e12, -1e-12, 2**53]


def _ends(field: Field) -> tuple[float, float]:
    low = -1.0 if field.minimum is None else field.minimum
    high = low + 2.0 if field.maximum is None else field.maximum
    return (low, high) if high > low else (low - 1.0, low + 1.0)


def _around(field: Field) -> float:
    """The moment that the example tells."""
    if isinstance(field.example, str):
        try:
            return parse_timestamp(field.example)
        except ValueError:
            return SOME_TIME
    return float(field.example) if field.example else SOME_TIME


def _moment(seconds: float, form: int) -> str | int | float:
    """A moment in one of the forms that callers may send."""
    held = min(max(seconds, -6e10), 2.5e11)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(held))
    forms = (
        moment.date().isoformat(),
        moment.isoformat().replace("+00:00", "Z"),
        moment.replace(tzinfo=None).isoformat(" "),
        moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat(),
        int(held),
        round(held, 3),
    )
    return forms[form]
