from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.errors import DataError, RequestError
from homeostat.graph.decode import RowDecoder, decode_columns, decode_frame, decode_rows
from homeostat.graph.fields import parse_timestamp
from homeostat.graph.plan import Input, block_columns

NAN = math.nan
NUMBER, CITY, OPEN, WHEN = (
    Input("size", "number"),
    Input("city", "category", ("1", "true", "Oslo")),
    Input("open", "boolean"),
    Input("when", "timestamp"),
)
INPUTS = (CITY, NUMBER, WHEN, OPEN)
ROW = {"size": 2.5, "city": "Oslo", "open": True, "when": "1970-01-02"}


def one(field: Input, value: object) -> float:
    numbers, codes, _ = decode_rows([field], [{field.name: value}])
    return float((codes if field.kind == "category" else numbers)[0, 0])


def test_columns_stand_in_the_order_of_the_inputs_and_have_their_types() -> None:
    numbers, codes, _ = decode_rows(INPUTS, [ROW, ROW | {"open": None, "city": "Rome"}])
    np.testing.assert_array_equal(numbers, [[2.5, 86_400.0, 1.0], [2.5, 86_400.0, NAN]])
    assert codes.tolist() == [[3], [4]]
    assert (numbers.dtype, codes.dtype) == (np.float64, np.int64)


@pytest.mark.parametrize("inputs", [(), (NUMBER,), (CITY,), INPUTS])
def test_no_rows_give_empty_arrays_of_the_right_width(inputs: tuple[Input, ...]) -> None:
    widths = (sum(each.kind != "category" for each in inputs), sum(each.kind == "category" for each in inputs))
    frame = pl.DataFrame({each.name: [] for each in inputs})
    for numbers, codes, _ in (
        decode_rows(inputs, []),
        decode_frame(inputs, frame),
        decode_columns(inputs, {each.name: [] for each in inputs}),
    ):
        assert (numbers.shape, codes.shape) == ((0, widths[0]), (0, widths[1]))


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (NUMBER, 3, 3.0), (NUMBER, -0.5, -0.5), (NUMBER, Decimal("1.25"), 1.25), (NUMBER, 2**60, float(2**60)),
        (OPEN, False, 0.0), (OPEN, 1, 1.0), (OPEN, 0.0, 0.0),
        (CITY, 1, 1), (CITY, 1.0, 1), (CITY, "1", 1), (CITY, True, 2), (CITY, "true", 2), (CITY, "Oslo", 3), (CITY, "oslo", 4),
        (CITY, "", 4), (CITY, None, 0), (CITY, NAN, 0), (CITY, date(2011, 1, 1), 4),
        (WHEN, "1970-01-01T00:00:01", 1.0), (WHEN, "1970-01-01 00:00:01.5Z", 1.5), (WHEN, "1970-01-01T02:00+02:00", 0.0),
        (WHEN, "1970-01-01T02:00+0200", 0.0), (WHEN, "1969-12-31", -86_400.0), (WHEN, "1970-01-01T00:00:00.123456789Z", 0.123456),
        (WHEN, date(1970, 1, 3), 172_800.0), (WHEN, datetime(1970, 1, 1, 1), 3_600.0), (WHEN, datetime(1970, 1, 1, 1, tzinfo=UTC), 3_600.0),
        (WHEN, datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), 0.0), (WHEN, 12, 12.0), (WHEN, 12.5, 12.5),
    ],
)  # fmt: skip
def test_what_is_accepted(field: Input, value: object, expected: float) -> None:
    assert one(field, value) == expected


@pytest.mark.parametrize("field", [NUMBER, OPEN, WHEN])
@pytest.mark.parametrize("value", [None, NAN])
def test_null_and_nan_are_nan(field: Input, value: object) -> None:
    assert math.isnan(one(field, value))


BAD = [
    (NUMBER, "3"), (NUMBER, True), (NUMBER, math.inf), (NUMBER, -math.inf), (NUMBER, 10**400), (NUMBER, [1]), (NUMBER, {}), (NUMBER, 1j),
    (OPEN, "true"), (OPEN, 2), (OPEN, 0.5), (OPEN, math.inf), (OPEN, []),
    (CITY, []), (CITY, {"a": 1}), (CITY, math.inf), (CITY, b"x"), (CITY, np.zeros(2)),
    (WHEN, "yesterday"), (WHEN, ""), (WHEN, "2011-13-01"), (WHEN, "2011-02-29"), (WHEN, "20110101"),
    (WHEN, "2011-W01-1"), (WHEN, "2011-01-01T24:00"),
    (WHEN, "2011-01-01T25"), (WHEN, "0000-01-01"), (WHEN, True), (WHEN, math.inf), (WHEN, 1_300_000_000_000), (WHEN, [2011]),
    (WHEN, "٢٠١١-01-01"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), BAD)
def test_what_is_refused_names_field_got_and_allowed(field: Input, value: object) -> None:
    with pytest.raises(RequestError) as refused:
        one(field, value)
    assert refused.value.code == "HS502"
    assert refused.value.status == 422
    (entry,) = refused.value.fields
    assert (entry["row"], entry["field"]) == (0, field.name)
    assert "null" in str(entry["allowed"])
    assert json.dumps(entry)  # it can be sent


def test_every_bad_field_of_every_row_is_told() -> None:
    rows = [ROW, {"size": "x", "city": "Oslo", "open": 1}, ROW | {"sise": 1}, 7, ROW]
    with pytest.raises(RequestError) as refused:
        decode_rows(INPUTS, rows)  # type: ignore[arg-type]
    assert [(each["row"], each["field"], each["got"]) for each in refused.value.fields] == [
        (1, "when", "missing"),
        (1, "size", '"x"'),
        (2, "sise", "unknown field"),
        (3, "", "7"),
    ]
    assert "city, size, when, open" in str(refused.value.fields[2]["allowed"])
    assert "and 3 more" in str(refused.value)


def test_the_list_is_limited_and_the_count_told() -> None:
    with pytest.raises(RequestError, match="and 99 more") as refused:
        decode_rows([NUMBER], [{"size": "x" * 500}] * 100)
    assert len(refused.value.fields) == 20
    assert len(str(refused.value.fields[0]["got"])) <= 60


def test_ignored_fields_may_be_there_and_other_ones_may_not() -> None:
    decoder = RowDecoder(INPUTS, ignore={"id"})
    assert decoder.rows([ROW | {"id": 7}])[0].shape == (1, 3)
    with pytest.raises(RequestError, match="id"):
        decode_rows(INPUTS, [ROW | {"id": 7}])


def test_columns_follow_the_same_rules() -> None:
    columns = {"size": [1, None], "city": ["Oslo", None], "open": [True, False], "when": ["1970-01-01", 5], "id": [1, 2]}
    numbers, codes, _ = decode_columns(INPUTS, columns, ignore={"id"})
    np.testing.assert_array_equal(numbers, [[1.0, 0.0, 1.0], [NAN, 5.0, 0.0]])
    assert codes.tolist() == [[3], [0]]
    with pytest.raises(RequestError) as refused:
        decode_columns(INPUTS, columns | {"size": [1, "x"]}, ignore={"id"})
    assert refused.value.fields[0]["row"] == 1
    for wrong in (columns | {"size": [1]}, {"size": [1]}, columns):
        with pytest.raises(RequestError, match="HS502"):
            decode_columns(INPUTS, wrong)
    with pytest.raises(RequestError, match="1 values") as uneven:
        decode_columns(INPUTS, columns | {"size": [1]}, ignore={"id"})
    assert [each["field"] for each in uneven.value.fields] == ["size"]


def test_ignored_columns_may_have_another_length() -> None:
    assert decode_columns([NUMBER], {"size": [1.0], "id": []}, ignore={"id"})[0].tolist() == [[1.0]]


IN_A_COLUMN = [(field, value) for field, value in BAD if isinstance(value, str | float | int) and value != 10**400]


@pytest.mark.parametrize(("field", "value"), IN_A_COLUMN)
def test_frames_refuse_the_same_values(field: Input, value: object) -> None:
    good = {"city": "Oslo", "size": 1.0, "open": None, "when": None}[field.name]
    values = [None, good, value] if isinstance(good, type(value)) else [None, None, value]
    with pytest.raises(DataError, match=f"HS205.*column '{field.name}'.*in row 2"):
        decode_frame([field], pl.DataFrame({field.name: pl.Series(values)}))


@pytest.mark.parametrize(
    ("field", "dtype"),
    [
        (NUMBER, pl.Date),
        (NUMBER, pl.Duration),
        (OPEN, pl.Date),
        (WHEN, pl.Time),
        (CITY, pl.Time),
        (CITY, pl.List(pl.Int64)),
        (CITY, pl.Binary),
    ],
)
def test_a_column_of_nulls_is_null_whatever_its_type(field: Input, dtype: pl.DataType) -> None:
    numbers, codes, _ = decode_frame([field], pl.DataFrame({field.name: pl.Series([None, None], dtype=dtype)}))
    assert np.isnan(numbers).all()
    assert (codes == 0).all()


def test_a_frame_without_an_input_is_refused() -> None:
    with pytest.raises(DataError, match=r"HS203.*column 'size'"):
        decode_frame(INPUTS, pl.DataFrame({"city": ["a"], "other": [1]}))


def test_column_types_that_values_of_json_do_not_have() -> None:
    frame = pl.DataFrame({
        "city": pl.Series(["Oslo", None], dtype=pl.Categorical),
        "size": pl.Series([Decimal("1.5"), None]),
        "when": pl.Series([datetime(1969, 12, 31, 23, 59, 59, 250_000), None], dtype=pl.Datetime("ns", "Europe/Oslo")),
        "open": pl.Series([1, None], dtype=pl.UInt8),
    })  # fmt: skip
    numbers, codes, _ = decode_frame(INPUTS, frame)
    assert codes.tolist() == [[3], [0]]
    assert numbers[0, 0] == 1.5
    assert numbers[0, 1] == frame["when"].dt.epoch("ms")[0] / 1000
    assert np.isnan(numbers[1]).all()


NUMBERS = st.one_of(st.none(), st.floats(allow_infinity=False))
COLUMNS = {
    "size": st.one_of(
        st.tuples(st.just(pl.Float64), st.lists(NUMBERS, min_size=3, max_size=3)),
        st.tuples(st.just(pl.Float32), st.lists(st.none() | st.floats(allow_infinity=False, width=32), min_size=3, max_size=3)),
        st.tuples(st.just(pl.Int64), st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=3)),
    ),
    "open": st.one_of(
        st.tuples(st.just(pl.Boolean), st.lists(st.none() | st.booleans(), min_size=3, max_size=3)),
        st.tuples(st.just(pl.Float64), st.lists(st.sampled_from([None, 0.0, 1.0, NAN]), min_size=3, max_size=3)),
    ),
    "city": st.one_of(
        st.tuples(st.just(pl.String), st.lists(st.sampled_from([None, "1", "true", "Oslo", "1e-07", "x"]), min_size=3, max_size=3)),
        st.tuples(st.just(pl.Float64), st.lists(st.sampled_from([1.0, -0.0, 1e-7, 1e22, 1e16]) | NUMBERS, min_size=3, max_size=3)),
        st.tuples(st.just(pl.Float32), st.lists(st.none() | st.floats(allow_infinity=False, width=32), min_size=3, max_size=3)),
        st.tuples(st.just(pl.Int64), st.lists(st.none() | st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=3)),
        st.tuples(st.just(pl.Boolean), st.lists(st.none() | st.booleans(), min_size=3, max_size=3)),
        st.tuples(st.just(pl.Date), st.lists(st.none() | st.dates(), min_size=3, max_size=3)),
        st.tuples(st.just(pl.Datetime("us")), st.lists(st.none() | st.datetimes(), min_size=3, max_size=3)),
    ),
    "when": st.one_of(
        st.tuples(st.just(pl.Date), st.lists(st.none() | st.dates(), min_size=3, max_size=3)),
        st.tuples(st.just(pl.Datetime("us")), st.lists(st.none() | st.datetimes(), min_size=3, max_size=3)),
        st.tuples(st.just(pl.Datetime("ms", "UTC")), st.lists(st.none() | st.datetimes(timezones=st.just(UTC)), min_size=3, max_size=3)),
        st.tuples(st.just(pl.String), st.lists(st.none() | st.datetimes().map(datetime.isoformat), min_size=3, max_size=3)),
        st.tuples(st.just(pl.Float64), st.lists(st.none() | st.floats(-6e10, 2e11), min_size=3, max_size=3)),
    ),
}  # fmt: skip


def texts_of(values: list[object]) -> tuple[str, ...]:
    from homeostat.core.targets import text_of

    return tuple(sorted({text_of(value) for value in values[:2] if value is not None and value == value}))  # noqa: PLR0124  # NaN


@given(st.fixed_dictionaries(COLUMNS))
def test_a_frame_decodes_as_its_rows_do(columns: dict[str, tuple[pl.DataType, list[object]]]) -> None:
    frame = pl.DataFrame({name: pl.Series(name, values, dtype=dtype) for name, (dtype, values) in columns.items()})
    rows = frame.to_dicts()
    vocabulary = ("1", "true", "Oslo", *(text for text in texts_of([row["city"] for row in rows]) if text not in {"1", "true", "Oslo"}))
    inputs = (Input("city", "category", vocabulary), NUMBER, WHEN, OPEN)
    for decoded in (decode_rows(inputs, rows), decode_columns(inputs, frame.to_dict(as_series=False))):
        for ours, frames in zip(decoded, decode_frame(inputs, frame), strict=True):
            np.testing.assert_array_equal(ours, frames)
            assert ours.dtype == frames.dtype


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.timezones() | st.just(UTC)))
def test_iso_texts_mean_what_datetime_says(moment: datetime) -> None:
    offset = moment.utcoffset()
    if offset is not None and offset.total_seconds() % 60:
        return  # an offset of broken minutes, before time zones, is not of the form
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    assert parse_timestamp(moment.isoformat()) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 253402300800, datetime.max],
    ids=str,
)
def test_a_time_outside_the_years_1_to_9999_is_refused_in_rows_and_frames(moment: object) -> None:
    with pytest.raises(RequestError, match="years 1 to 9999"):
        decode_rows([WHEN], [{WHEN.name: moment}])
    with pytest.raises(DataError, match="years 1 to 9999"):
        decode_frame([WHEN], pl.DataFrame({WHEN.name: [moment]}))


def test_decoding_rows_loads_no_data_frame_library() -> None:
    code = (
        "import sys; from homeostat.graph.decode import decode_rows; from homeostat.graph.plan import Input;"
        "decode_rows([Input('a', 'category', ('x',)), Input('t', 'timestamp')], [{'a': 1.0, 't': '2011-01-01'}]);"
        "print([m for m in ('polars', 'pandas', 'sklearn', 'onnx', 'pyarrow', 'scipy', 'lightgbm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_block_columns_say_where_each_input_is_decoded_to() -> None:
    inputs = (
        Input("t", "text", ("x", "y")),
        Input("a", "number"),
        Input("c", "category", ("u",)),
        Input("w", "text", ("z",)),
        Input("b", "boolean"),
    )
    frame = pl.DataFrame({"t": ["x y y", None], "a": [1.5, 2.0], "c": ["u", "v"], "w": ["z", ""], "b": [True, None]})
    decoded = decode_frame(inputs, frame)
    found = {name: getattr(decoded, block)[:, columns].tolist() for name, (block, columns) in block_columns(inputs).items()}
    assert found["a"] == [[1.5], [2.0]]
    assert found["c"] == [[1], [2]]
    assert found["w"] == [[1.0], [0.0]]
    assert found["t"][0] == [1.0, 2.0]
    assert [found["b"][0], len(found["b"][1])] == [[1.0], 1]
