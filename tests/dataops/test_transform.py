"""features.sql: rows lead back to their lines, nothing vanishes, nothing gets out, nothing changes from run to run."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.dataops.feature_sql import feature_sql
from homeostat.dataops.transform import Limits, Transformed, transform
from homeostat.errors import DataError

ROWS = pl.DataFrame(
    {
        "shop": ["a", "b", "a", None],
        "price": [2.0, 3.5, None, 1.0],
        "day": [date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3), None],
        "_source": ["x.csv", "x.csv", "x.csv", "y.csv"],
        "_line": [2, 3, 4, 2],
    }
)
SHOPS = pl.DataFrame({"shop": ["a", "b"], "city": ["Bonn", "Köln"]})


def run(text: str, rows: pl.DataFrame = ROWS, **tables: pl.DataFrame) -> Transformed:
    return transform(rows, tables, text)


def refused(text: str, **tables: pl.DataFrame) -> str:
    with pytest.raises(DataError) as error:
        run(text, **tables)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_rows_come_out_in_their_order_with_new_columns_and_provenance_last() -> None:
    done = run(
        "-- features\nSELECT _line, d._source, d.price * 2 AS double, s.city\n"
        "FROM data d LEFT JOIN shops s USING (shop) ORDER BY price DESC;\n",
        shops=SHOPS,
    )
    assert done.frame.columns == ["double", "city", "_source", "_line"]
    assert done.frame["_line"].to_list() == [2, 3, 4, 2]
    assert done.frame["double"].to_list() == [4.0, 7.0, None, 2.0]
    assert done.frame["city"].to_list() == ["Bonn", "Köln", "Bonn", None]
    assert done.dropped.is_empty()


def test_rows_that_are_filtered_out_are_handed_back_whole() -> None:
    done = run("SELECT * FROM data WHERE price > 1.5")
    assert done.frame.equals(ROWS[:2])
    assert done.dropped.equals(ROWS[2:])


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(-3, 3) | st.none(), st.sampled_from("ab")), max_size=30),
    st.integers(-3, 3),
    st.integers(1, 10),
)
def test_every_row_comes_out_or_is_counted_and_batches_give_the_same(values: list[tuple[int | None, str]], limit: int, size: int) -> None:
    rows = pl.DataFrame(values, schema={"x": pl.Int64, "shop": pl.String}, orient="row").with_columns(
        pl.lit("f").alias("_source"), pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias("_line")
    )
    sql = feature_sql(f"SELECT x + 1 AS y, city, _source, _line FROM data JOIN shops USING (shop) WHERE x >= {limit}")  # noqa: S608
    whole = transform(rows, {"shops": SHOPS}, sql)
    assert whole.frame.height + whole.dropped.height == rows.height
    expected = [(x + 1, "Bonn" if shop == "a" else "Köln", n + 2) for n, (x, shop) in enumerate(values) if x is not None and x >= limit]
    assert whole.frame.select("y", "city", "_line").rows() == expected
    assert sql.row_level
    parts = [transform(rows[start : start + size], {"shops": SHOPS}, sql) for start in range(0, rows.height, size)]
    if parts:
        assert pl.concat([part.frame for part in parts]).equals(whole.frame)
        assert pl.concat([part.dropped for part in parts]).equals(whole.dropped)


@pytest.mark.parametrize(
    ("text", "row_level"),
    [
        ("SELECT *, price / 2 AS half FROM data", True),
        ("SELECT d.*, city FROM data d JOIN shops USING (shop) WHERE price > 1", True),
        ("WITH dear AS (SELECT * FROM data WHERE price > 1) SELECT * FROM dear", True),
        ("SELECT *, list_sum(list_transform([price, 1], x -> x + 1)) AS s FROM data", True),
        ("SELECT *, avg(price) OVER (PARTITION BY shop) AS mean FROM data", False),
        ("SELECT * FROM data WHERE price > (SELECT avg(price) FROM shops)", False),
        ("SELECT d.* FROM data d SEMI JOIN data e USING (shop)", False),
        ("SELECT DISTINCT * FROM data", False),
        ("SELECT * FROM data LIMIT 2", False),
        ("SELECT any_value(price) AS p, _source, _line FROM data GROUP BY ALL", False),
        ("SELECT * FROM data UNION ALL SELECT * FROM data", False),
        ("SELECT * FROM data QUALIFY row_number() OVER (ORDER BY price) = 1", False),
    ],
)
def test_a_statement_knows_whether_rows_may_come_in_batches(text: str, row_level: bool) -> None:
    assert feature_sql(text).row_level is row_level


def test_windows_over_all_rows_are_sums_on_one_thread_with_one_result() -> None:
    many = pl.DataFrame({"x": [0.1 * n for n in range(50_000)], "_source": "f", "_line": range(50_000)})
    sql = feature_sql("SELECT *, sum(x) OVER () AS total FROM data")
    assert len({transform(many, {}, sql).frame["total"][0] for _ in range(5)}) == 1


@pytest.mark.parametrize(
    ("expression", "dtype", "value"),
    [
        ("1.25::DECIMAL(10, 2)", pl.Float64, 1.25),
        ("sum(_line) OVER ()", pl.Int64, 11),
        ("7::HUGEINT", pl.Int64, 7),
        ("7::UBIGINT", pl.Int64, 7),
        ("7::UTINYINT", pl.Int64, 7),
        ("1.5::FLOAT", pl.Float64, 1.5),
        ("NULL", pl.String, None),
        ("TIMESTAMPTZ '2024-01-01 02:00:00+02'", pl.Datetime("us"), datetime(2024, 1, 1)),
        ("TIMESTAMP_NS '2024-01-01 00:00:00.000001'", pl.Datetime("us"), datetime(2024, 1, 1, 0, 0, 0, 1)),
        ("DATE '2024-02-29'", pl.Date, date(2024, 2, 29)),
        ("'x'::ENUM('x', 'y')", pl.String, "x"),
        ("TIME '03:04:05'", pl.String, "03:04:05"),
        ("price > 1", pl.Boolean, True),
    ],
)
def test_results_have_the_types_that_contracts_know(expression: str, dtype: Any, value: object) -> None:
    frame = run(f"SELECT {expression} AS v, _source, _line FROM data").frame  # noqa: S608
    assert frame.schema["v"] == dtype
    got = frame["v"][0]
    assert (got.removesuffix(".000000000") if isinstance(got, str) else got) == value


def test_all_types_of_rows_go_in_and_come_back() -> None:
    rows = pl.DataFrame(
        {
            "i": [1, None],
            "f": [float("nan"), None],
            "t": [datetime(2024, 1, 1, 3), None],
            "z": pl.Series([datetime(2024, 1, 1, 3, tzinfo=UTC), None]),
            "n": pl.Series([None, None], dtype=pl.Null),
            "c": pl.Series(["u", None], dtype=pl.Categorical),
            "d": pl.Series([Decimal("1.50"), None]),
            "b": [True, None],
            "_source": ["f", "f"],
            "_line": [2, 3],
        }
    )
    frame = run("SELECT * FROM data", rows).frame
    assert frame.row(1) == (None,) * 8 + ("f", 3)
    assert frame.row(0)[2:8] == (datetime(2024, 1, 1, 3), datetime(2024, 1, 1, 3), None, "u", 1.5, True)


def test_no_rows_in_gives_typed_columns_out() -> None:
    done = run("SELECT price * 2 AS p, _source, _line FROM data", ROWS.clear())
    assert done.frame.schema == {"p": pl.Float64, "_source": pl.String, "_line": pl.Int64}


def test_doubled_rows_are_refused_with_their_number_and_a_way_out() -> None:
    twice = pl.concat([SHOPS, SHOPS])
    told = refused("SELECT d.*, city FROM data d LEFT JOIN shops USING (shop)", shops=twice)
    assert "HS227] features.sql: 3 row(s) came out more than once (the first: x.csv:2, 2 times)" in told
    assert "group it by them first" in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT price FROM data", "HS227] features.sql: the SELECT leaves out _source and _line"),
        ("SELECT price, _source, _line + 1 AS _line FROM data", "HS227] features.sql: 2 row(s) that came out are of no row that went in"),
        ("SELECT *\nFROM data\nWHERE", 'HS226] features.sql:3: syntax error at or near "WHERE"'),
        ("SELECT *,\n  prise\nFROM data", 'HS226] features.sql:2: Referenced column "prise" not found'),
        ("SELECT *,\n nope(price) AS x FROM data", "HS226] features.sql:2: Scalar Function with name nope does not exist"),
        ("SELECT *,\n shop::INT AS n FROM data", "HS226] features.sql:2: Could not convert string 'a' to INT32"),
        ("SELECT * FROM shop", "HS226] features.sql: got the table 'shop'; there are data"),
        ("DELETE FROM data", "HS226] features.sql: got DELETE; allowed: one SELECT"),
        ("SELECT * FROM data; SELECT 1", "HS226] features.sql: got SELECT and SELECT"),
        ("-- nothing", "HS226] features.sql: got nothing"),
        ("SELECT *, price AS p, shop AS p FROM data", "got the column 'p' twice"),
        ("SELECT *, INTERVAL 1 DAY AS i FROM data", "got 'i' of type INTERVAL"),
        ("SELECT *, [price] AS l FROM data", "got 'l' of type DOUBLE[]"),
        ("SELECT *, {'p': price} AS s FROM data", "got 's' of type STRUCT"),
        ("SELECT *, 9223372036854775808::HUGEINT AS h FROM data", "got values in 'h' (HUGEINT) that do not fit"),
        ("SELECT *, DATE 'infinity' AS e FROM data", "got values in 'e' (DATE) that do not fit"),
        ("SELECT *, error('no') AS e FROM data", "HS228] features.sql:1: got error()"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(text: str, said: str) -> None:
    assert said in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT *, random() AS r FROM data",
        "SELECT *, now() AS n FROM data",
        "SELECT *, today() - day AS n FROM data",
        "SELECT *, age(day) AS n FROM data",
        "SELECT *, uuid() AS n FROM data",
        "SELECT *, current_date AS n FROM data",
        "SELECT * FROM data WHERE day < CURRENT_TIMESTAMP",
        "SELECT *, localtime AS n FROM data",
        "SELECT * FROM data USING SAMPLE 2",
        "SELECT * FROM data TABLESAMPLE 50%",
        "SELECT *, (SELECT max(random()) FROM shops) AS r FROM data",
        "SELECT *, list_transform([1], x -> random()) AS r FROM data",
        "SELECT *, current_setting('memory_limit') AS m FROM data",
        "SELECT *, nextval('s') AS m FROM data",
    ],
)
def test_chance_and_clock_are_refused(text: str) -> None:
    assert "HS228] features.sql" in refused(text, shops=SHOPS)


def test_age_between_two_columns_and_a_column_called_user_are_fine() -> None:
    rows = ROWS.with_columns(pl.lit("ada").alias("user"))
    frame = run("SELECT *, date_part('day', age(day, DATE '2023-12-31')) AS days, upper(user) AS who FROM data", rows).frame
    assert frame["days"].to_list() == [1, 2, 3, None]
    assert frame["who"].to_list() == ["ADA"] * 4


@pytest.mark.parametrize(
    "text",
    [
        "SELECT d.* FROM data d, read_csv('{secret}')",
        "SELECT d.* FROM data d, '{secret}'",
        "SELECT d.* FROM data d, read_text('{secret}')",
        "SELECT d.* FROM data d, glob('/*')",
        "SELECT d.* FROM data d, duckdb_settings()",
        "SELECT d.* FROM data d, information_schema.tables",
        "SELECT d.* FROM data d, sniff_csv('{secret}')",
        "SELECT d.* FROM data d, local_frame",
        "SELECT d.* FROM data d, duckdb_tables",
        "COPY data TO '{secret}.out'",
        "ATTACH '{secret}.db'",
        "INSTALL httpfs",
        "SET lock_configuration = false",
        "PRAGMA database_list",
        "DESCRIBE data",
        "CREATE TABLE t AS SELECT 1",
    ],
)
def test_the_statement_reaches_nothing_outside(text: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    local_frame = ROWS
    assert "DataError[HS22" in refused(text.format(secret=secret))
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]
    assert local_frame.height == 4


def test_too_little_memory_is_told_and_a_spill_folder_helps(tmp_path: Path) -> None:
    many = pl.DataFrame({"x": [f"{n * 7919 % 400_000:040d}" for n in range(400_000)], "_source": "f", "_line": range(400_000)})
    sql = feature_sql("SELECT *, row_number() OVER (ORDER BY x) AS place FROM data")
    with pytest.raises(DataError) as error:
        transform(many, {}, sql, Limits(memory_mb=16))
    assert "more memory than it is allowed" in str(error.value)
    done = transform(many, {}, sql, Limits(memory_mb=64, spill=tmp_path / "spill"))
    assert done.frame["place"].sort().to_list() == list(range(1, 400_001))


def test_names_that_differ_by_case_only_are_refused() -> None:
    with pytest.raises(DataError) as error:
        run("SELECT * FROM data", ROWS.with_columns(pl.lit(1).alias("Price")))
    assert "got the columns 'price' and 'Price', which SQL takes for one" in str(error.value)


def test_columns_that_must_never_be_used_are_unseen_by_the_sql_and_stay_with_their_rows() -> None:
    limits = Limits(unseen=("shop", "absent"))
    done = transform(ROWS, {}, feature_sql("SELECT *, price * 2 AS twice FROM data WHERE price <> 2 ORDER BY price"), limits)
    assert done.frame.select("shop", "twice", "_line").rows() == [("b", 7.0, 3), (None, 2.0, 2)]
    assert done.dropped.equals(ROWS[[0, 2]])
    with pytest.raises(DataError, match='Referenced column "shop" not found'):
        transform(ROWS, {}, feature_sql("SELECT *, upper(shop) AS s FROM data"), limits)
    with pytest.raises(DataError, match="keeps apart"):
        transform(ROWS, {}, feature_sql("SELECT *, 'x' AS shop FROM data"), limits)
