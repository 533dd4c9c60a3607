"""Every given label is taken or refused with a reason."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.errors import DataError
from homeostat.preparation.label_import import Matched, key_columns, match_labels

ROWS = pl.DataFrame(
    {"id": [1, 2, 3, 4], "y": ["yes", None, None, "no"], "_source": ["a.csv"] * 4, "_line": [2, 3, 4, 5]},
    schema_overrides={"_line": pl.Int64},
)
PLACE = ("_source", "_line")


def match(rows: list[tuple[Any, ...]], classes: set[str] | None = None, **more: Any) -> Matched:
    texts = [[None if cell is None else str(cell) for cell in row] for row in rows]
    given_rows = pl.DataFrame(texts, schema={"_source": pl.String, "_line": pl.String, "y": pl.String}, orient="row")
    frame = given_rows.with_columns(pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias("_given"))
    return match_labels(frame, ROWS, PLACE, "y", classes, **more)


def reasons(found: Matched) -> dict[int, str]:
    return dict(found.refused.select("_given", "_reason").rows())


def test_each_kind_of_wrong_row_gets_its_reason_and_the_rest_is_taken() -> None:
    found = match(
        [
            ("a.csv", 3, "yes"),
            ("a.csv", "3.0", "yes"),
            ("a.csv", 4, None),
            ("a.csv", 4, "maybe"),
            ("b.csv", 4, "no"),
            ("a.csv", "four", "no"),
            ("a.csv", 2, "no"),
            ("a.csv", 5, "no"),
        ],
        {"yes", "no"},
    )
    assert found.taken.select("_line", "_label_text", "_given").rows() == [("3", "yes", 3), ("5", "no", 9)]
    assert (found.empty, found.repeated) == (1, 1)
    assert reasons(found) == {
        5: "got maybe; the classes are no, yes",
        6: "no row of the dataset has this key (_source, _line)",
        7: "the key (_source, _line) is incomplete or unreadable",
        8: "got no; the source itself says yes",
    }


def test_different_labels_for_one_row_are_all_refused() -> None:
    found = match([("a.csv", 3, "yes"), ("a.csv", 3, "no"), ("a.csv", 4, "no")], {"yes", "no"})
    assert found.taken["_line"].to_list() == ["4"]
    assert set(reasons(found).values()) == {"the file says different labels for this key"}


def test_while_no_class_is_known_a_binary_task_takes_the_two_most_frequent() -> None:
    rows = ROWS.with_columns(pl.lit(None, dtype=pl.String).alias("y"))
    frame = pl.DataFrame({"id": ["1", "2", "3", "4"], "y": ["b", "a", "b", "c"], "_given": [2, 3, 4, 5]})
    found = match_labels(frame, rows, ["id"], "y", None, most=2)
    assert found.taken["_label_text"].to_list() == ["b", "a", "b"]
    assert reasons(found) == {5: "got c; the task has 2 classes, and the file more"}


@pytest.mark.parametrize(
    ("values", "given_texts", "taken"),
    [
        ([1.5, None], ["x", "2", "inf", "NaN", "3.50"], ["2", "3.5"]),
        ([1, None], ["1.5", "2.0", "x", "7", "-1"], ["2", "7", "-1"]),
        ([True, None], ["TRUE", "0", "maybe", "false", "1"], ["true", "false", "false", "true"]),
    ],
)
def test_labels_are_values_of_the_targets_type(values: list[Any], given_texts: list[str], taken: list[str]) -> None:
    rows = pl.DataFrame(
        {"id": range(10, 15), "y": [*values[1:], None, None, None, None], "k": 1}, schema_overrides={"y": pl.Series(values).dtype}
    )
    frame = pl.DataFrame({"id": [str(n) for n in range(10, 15)], "y": given_texts, "_given": range(5)})
    found = match_labels(frame, rows, ["id"], "y", None)
    assert found.taken["_label_text"].to_list() == taken
    assert found.taken.height + found.refused.height + found.empty == 5


def test_keys_are_read_as_the_datasets_column() -> None:
    rows = pl.DataFrame({"id": [7, 8], "day": [date(2024, 1, 1), date(2024, 1, 2)], "y": [None, None]}, schema_overrides={"y": pl.String})
    frame = pl.DataFrame(
        {"id": ["7.0", "8", "8"], "day": ["2024-01-01", "2024-01-02", "1/2/24"], "y": ["a", "b", "c"], "_given": [2, 3, 4]}
    )
    found = match_labels(frame, rows, ["id", "day"], "y", None)
    assert found.taken.select("id", "day", "_label_text").rows() == [("7", "2024-01-01", "a"), ("8", "2024-01-02", "b")]
    assert reasons(found) == {4: "the key (id, day) is incomplete or unreadable"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a.csv", "b.csv", None]), st.sampled_from([None, 2, 3, 4, 9]), st.sampled_from(["yes", "no", "hm", None])
        ),
        max_size=15,
    )
)
def test_nothing_given_is_lost_and_no_row_has_two_labels(rows: list[tuple[Any, ...]]) -> None:
    found = match(rows, {"yes", "no"})
    assert found.taken.height + found.refused.height + found.empty + found.repeated == len(rows)
    assert not found.taken.select(PLACE).is_duplicated().any()
    for source, line, label in found.taken.select("_source", "_line", "_label_text").rows():
        assert {text for s, n, text in rows if (s, str(n)) == (source, line) and text in ("yes", "no")} == {label}
    assert found.refused["_reason"].null_count() == 0


def test_the_key_is_the_place_or_the_entity() -> None:
    assert key_columns(["_source", "_line", "id", "y"], ["id"], "y") == PLACE
    assert key_columns(["id", "y"], ["id"], "y") == ("id",)
    for columns, entity, said in ((["id"], ["id"], "HS204"), (["x", "y"], ["id"], "HS230"), (["_line", "y"], [], "HS230")):
        with pytest.raises(DataError) as error:
            key_columns(columns, entity, "y")
        assert error.value.code == said
