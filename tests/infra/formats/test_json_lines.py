"""JSON lines: exact numbers, keys in order of first appearance, nested values as text, broken lines handed back."""

from __future__ import annotations

import io
import json
from datetime import date
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core.sections import Source
from homeostat.errors import DataError
from homeostat.infra.formats.json_lines import json_batches

if TYPE_CHECKING:
    from homeostat.infra.formats.reads import SourceRead

SECTION = Source(source="x.jsonl")


def batches(content: bytes, rows: int = 1000, block: int = 1000) -> list[SourceRead]:
    return list(json_batches(io.BytesIO(content), SECTION, "x.jsonl", rows, block))


def test_values() -> None:
    lines = [
        '{"id": 9007199254740993, "price": 1.50, "ok": true, "when": "2024-01-31", "tags": ["a", {"b": 1.10}]}',
        "",
        '{"price": 2, "id": -1, "later": "x", "code": "007", "when": null}',
        '{"id": 1, "ok": false, "tags": {}, "code": "", "price": 1e3}',
    ]
    (found,) = batches("\n".join(lines).encode())
    assert found.frame.drop("_source").to_dict(as_series=False) == {
        "id": [9007199254740993, -1, 1],
        "price": [1.5, 2.0, 1000.0],
        "ok": [True, None, False],
        "when": [date(2024, 1, 31), None, None],
        "tags": ['["a", {"b": 1.10}]', None, "{}"],
        "later": [None, "x", None],
        "code": [None, "007", None],
        "_line": [1, 3, 4],
    }
    assert found.encoding == "utf-8"


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        (["1", '"1"'], pl.String, ["1", "1"]),
        (['"1"', '"2"'], pl.String, ["1", "2"]),
        (["true", "1"], pl.String, ["true", "1"]),
        (["123456789012345678901"], pl.String, ["123456789012345678901"]),
        (["9007199254740993", "0.5"], pl.String, ["9007199254740993", "0.5"]),
        (['"2024-01-31"', "20240131"], pl.String, ["2024-01-31", "20240131"]),
        (['"true"'], pl.String, ["true"]),
        (["[1]", '"x"'], pl.String, ["[1]", "x"]),
        (['"\\u00e9\\n"'], pl.String, ["é\n"]),
        (["null", "null"], pl.String, [None, None]),
    ],
)
def test_a_type_changes_no_value(values: list[str], kind: pl.DataType, read: list[object]) -> None:
    (found,) = batches("".join(f'{{"x": {value}}}\n' for value in values).encode())
    assert found.frame.schema["x"] == kind
    assert found.frame["x"].to_list() == read


def test_broken_lines() -> None:
    (found,) = batches(b'{"a": 1}\n{"a": 2\n[1]\n{"a": NaN}\n{"a": 3}\n"x"\n')
    assert found.frame["a"].to_list() == [1, 3]
    assert found.broken["_line"].to_list() == [2, 3, 4, 6]
    assert found.broken["_text"].to_list() == ['{"a": 2', "[1]", '{"a": NaN}', '"x"']
    assert all(reason.startswith("not a JSON object: ") for reason in found.broken["_reason"])


VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3) | st.just([1])
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
LINES = OBJECTS.map(json.dumps) | st.sampled_from(["", "{", "7"])


@settings(max_examples=200)
@given(st.lists(LINES, max_size=12), st.integers(1, 4), st.integers(1, 60))
def test_batches_of_any_size_are_the_whole(lines: list[str], rows: int, block: int) -> None:
    content = "".join(line + "\n" for line in lines).encode()
    try:
        whole = batches(content, 1000, 1 << 20)
    except DataError as error:
        with pytest.raises(DataError, match=error.code):
            batches(content, rows, block)
        assert not any(line.strip() for line in lines)
        return
    found = batches(content, rows, block)
    assert pl.concat([each.frame for each in found]).equals(pl.concat([each.frame for each in whole]), null_equal=True)
    assert pl.concat([each.broken for each in found]).equals(pl.concat([each.broken for each in whole]))
    objects = [json.loads(line) for line in lines if line.startswith("{") and line != "{"]
    assert sum(each.frame.height for each in found) == len(objects)
    first_seen = list(dict.fromkeys(key for each in objects for key in each))
    assert found[0].frame.columns == [*first_seen, "_source", "_line"]


def test_no_rows_and_reserved_names() -> None:
    with pytest.raises(DataError, match="HS202"):
        batches(b"\n\n")
    with pytest.raises(DataError, match=r"HS205.*'_line'"):
        batches(b'{"_line": 1}\n')
