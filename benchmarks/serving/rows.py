"""The rows: 12 numbers, a boolean, a time and 6 categories, with nulls, and in the requests with values never seen in training.

Both our own environment and those of the peers read this; it needs NumPy only. Equal seeds give equal rows everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Row = dict[str, Any]

MEASURES: Mapping[str, tuple[float, float, int]] = {
    "age": (44.0, 13.0, 0),
    "income": (52_000.0, 21_000.0, 2),
    "tenure_months": (31.0, 18.0, 0),
    "balance": (1_250.0, 2_700.0, 2),
    "visits_30d": (6.0, 3.5, 0),
    "spend_30d": (184.0, 96.0, 2),
    "spend_365d": (1_930.0, 820.0, 2),
    "discount_share": (0.21, 0.12, 4),
    "days_since_last": (23.0, 17.0, 1),
    "latency_score": (0.0, 1.0, 6),
    "latitude": (48.2, 4.1, 5),
    "longitude": (9.6, 6.3, 5),
}
"""Mean, spread and decimals of each number."""
BOOLEAN, TIME = "returning", "signed_up"
CATEGORIES: Mapping[str, int] = {"region": 16, "channel": 5, "product": 40, "device": 4, "plan": 3, "referrer": 120}
"""How many values each category has in training."""

NUMBERS = (*MEASURES, BOOLEAN, TIME)
NAMES = (*NUMBERS, *CATEGORIES)
TRAINED, ASKED = 20_000, 2_000
FIRST, LAST = 1_420_070_400, 1_735_689_600  # 2015 to 2024, in seconds since 1970


def training_rows() -> tuple[list[Row], list[int]]:
    """The rows to fit on, and whether each is positive."""
    draw = np.random.default_rng(5)
    rows = _rows(draw, TRAINED, nulls=0.05, unseen=0.0)
    return rows, (_leaning(rows) + draw.logistic(size=TRAINED) > 0).astype(int).tolist()


def asked_rows() -> list[Row]:
    """The rows that every server is asked by turns."""
    return _rows(np.random.default_rng(55), ASKED, nulls=0.06, unseen=0.04)


def _rows(draw: np.random.Generator, count: int, *, nulls: float, unseen: float) -> list[Row]:
    columns: dict[str, list[Any]] = {}
    for name, (mean, spread, decimals) in MEASURES.items():
        values = np.round(draw.normal(mean, spread, count), decimals)
        columns[name] = [int(value) if decimals == 0 else float(value) for value in values]
    columns[BOOLEAN] = (draw.random(count) < 0.4).tolist()
    columns[TIME] = draw.integers(FIRST, LAST, count).tolist()
    for name, size in CATEGORIES.items():
        common = np.minimum(draw.geometric(3.0 / (size + 3.0), count) - 1, size - 1)
        columns[name] = [f"{name}-{value:03d}" for value in np.where(draw.random(count) < unseen, size + 7, common)]
    names, gone = list(columns), draw.random((count, len(columns))) < nulls
    return [
        {name: None if lost else value for name, value, lost in zip(names, values, lost_of, strict=True)}
        for values, lost_of in zip(zip(*columns.values(), strict=True), gone.tolist(), strict=True)
    ]


def _leaning(rows: list[Row]) -> Any:
    """A score that leans on all columns, with steps and products for the trees to find."""
    said = np.zeros(len(rows))
    for at, (name, (mean, spread, _)) in enumerate(MEASURES.items()):
        z = np.array([0.0 if row[name] is None else (row[name] - mean) / spread for row in rows])
        said += (0.5, -0.4, 0.3)[at % 3] * (np.tanh(z) if at % 2 else np.maximum(z, -0.3))
    for name, size in CATEGORIES.items():
        said += [0.4 if row[name] is None else 1.6 * (int(row[name][-3:]) * 7 % size) / size - 0.8 for row in rows]
    known = np.array([FIRST if row[TIME] is None else row[TIME] for row in rows], dtype=np.float64)
    said += 0.8 * np.sin((known - FIRST) / (LAST - FIRST) * 9.0)
    return said + np.array([0.6 if row[BOOLEAN] else 0.0 for row in rows]) * np.sign(said)
