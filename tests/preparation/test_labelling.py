"""Rules vote, weak labels teach with less weight and judge nothing."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.records import Split
from homeostat.core.sections import Labelling, LabelRule, Task
from homeostat.core.targets import text_of
from homeostat.errors import DataError
from homeostat.preparation.labelling import LABEL, labels_as, vote, weigh, with_weak

DAY = datetime(2024, 1, 1)


def rules(*given: tuple[str, str, Any]) -> Labelling:
    return Labelling(rules=tuple(LabelRule(name=name, when=when, label=label) for name, when, label in given))


conditions = st.sampled_from(["x > 1", "x < 0", "x IS NULL", "s = 'a'", "s IN ('a', 'b') AND x > 0", "x BETWEEN -1 AND 1"])


def holds(when: str, x: int | None, s: str | None) -> bool:
    known = x is not None
    checks = {
        "x > 1": known and x > 1,
        "x < 0": known and x < 0,
        "x IS NULL": not known,
        "s = 'a'": s == "a",
        "s IN ('a', 'b') AND x > 0": s in ("a", "b") and known and x > 0,
        "x BETWEEN -1 AND 1": known and -1 <= x <= 1,
    }
    return bool(checks[when])


@given(
    st.lists(st.tuples(st.none() | st.integers(-3, 3), st.none() | st.sampled_from("abc"), st.none() | st.sampled_from("yn")), max_size=20),
    st.lists(st.tuples(conditions, st.sampled_from("yn")), max_size=5),
)
def test_the_majority_counts_and_the_report_is_what_a_loop_counts(
    rows: list[tuple[Any, Any, Any]], given_rules: list[tuple[str, str]]
) -> None:
    frame = pl.DataFrame(rows, schema={"x": pl.Int64, "s": pl.String, "y": pl.String}, orient="row")
    section = rules(*((f"r{n}", when, label) for n, (when, label) in enumerate(given_rules)))
    votes = vote(frame.drop("y"), frame["y"], section)
    expected, ties = [], 0
    for x, s, _ in rows:
        counts = Counter(label for when, label in given_rules if holds(when, x, s)).most_common()
        tied = len(counts) > 1 and counts[0][1] == counts[1][1]
        ties += tied
        expected.append(counts[0][0] if counts and not tied else None)
    assert votes.labels.to_list() == expected
    assert votes.ties == ties
    for (when, label), report in zip(given_rules, votes.rules, strict=True):
        on = [row for row in rows if holds(when, row[0], row[1])]
        known = [row for row in on if row[2] is not None]
        against = [row for row in on if any(holds(w, row[0], row[1]) and other != label for w, other in given_rules)]
        assert (report.covered, report.labelled, report.conflicts) == (len(on), len(known), len(against))
        assert report.accuracy == (pytest.approx(sum(row[2] == label for row in known) / len(known)) if known else None)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("x >", "got 'x >', which cannot be asked of the rows"),
        ("nope > 1", 'unable to find column "nope"'),
        ("x + 1", "which gives Int64; a condition is true or false"),
        ("random() > 0.5", "unsupported function 'random'"),
    ],
)
def test_a_rule_that_cannot_be_asked_is_told(when: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        vote(pl.DataFrame({"x": [1]}), pl.Series(["y"]), rules(("odd", when, "y")))
    assert error.value.code == "HS231"
    assert "labelling.rules 'odd'" in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("labels", "dtype", "values"),
    [
        (["yes", None], pl.String(), ["yes", None]),
        (["1", "2.5", "x"], pl.Float64(), [1.0, 2.5, None]),
        (["1", "2.5", None], pl.Int64(), [1, None, None]),
        (["true", "1", "no"], pl.Boolean(), [True, True, None]),
    ],
)
def test_label_texts_become_values_of_the_target(labels: list[str | None], dtype: Any, values: list[Any]) -> None:
    made = labels_as(pl.Series(labels, dtype=pl.String), dtype)
    assert made.dtype == dtype
    assert made.to_list() == values
    assert [text_of(value) for value in made.drop_nulls().to_list()] == [text_of(value) for value in values if value is not None]


def part(*hours: int, origin: str = "source", shop: str = "a") -> pl.DataFrame:
    return pl.DataFrame(
        {"t": [DAY + timedelta(hours=hour) for hour in hours], "y": 1.0, "shop": shop, LABEL: origin},
        schema_overrides={"t": pl.Datetime("us")},
    )


def test_weak_rows_teach_only_where_they_are_older_than_what_judges() -> None:
    parts = Split(part(1, 3, 5), part(7), part(9))
    task = Task(type="regression", target="y", time="t")
    made = with_weak(parts, part(0, 4, 5, 6, 8, 10, origin="rule"), task)
    assert [moment.hour for moment in made.train["t"]] == [0, 1, 3, 4, 5, 5]
    assert made.train[LABEL].to_list() == ["rule", "source", "source", "rule", "source", "rule"]
    assert made.validation.equals(parts.validation)
    assert made.holdout.equals(parts.holdout)


def test_weak_rows_of_a_group_that_judges_stay_out() -> None:
    parts = Split(part(1, shop="a"), part(2, shop="b"), part(3, shop="c"))
    weak = pl.concat([part(1, origin="rule", shop=shop) for shop in "abcd"])
    made = with_weak(parts, weak, Task(type="regression", target="y"), "shop")
    assert made.train["shop"].to_list() == ["a", "a", "d"]


def test_weights_of_age_and_of_weak_labels_multiply() -> None:
    frame = pl.concat([part(1, 2), part(3, origin="rule")])
    assert weigh(frame, None, 0.5) is not None
    np.testing.assert_array_equal(weigh(frame, None, 0.5), [1, 1, 0.5])  # type: ignore[arg-type]
    np.testing.assert_array_equal(weigh(frame, np.array([0.25, 0.5, 1.0]), 0.5), [0.25, 0.5, 0.5])  # type: ignore[arg-type]
    assert weigh(part(1, 2), None, 0.5) is None
    assert weigh(frame.drop(LABEL), None, 0.5) is None
