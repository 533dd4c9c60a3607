"""Files made of the pages of others hold the same rows for every reader, whoever wrote the pages."""

from __future__ import annotations

import io
from pathlib import Path

import duckdb
import polars as pl
import pytest

from homeostat.errors import DataError
from homeostat.infra.formats.parquet_pages import join, read_footer, widen

COUNT = 1_000


def frame() -> pl.DataFrame:
    """Rows of all kinds of types, with nulls."""
    at = range(COUNT)
    return pl.DataFrame(
        {
            "number": [None if n % 5 == 0 else n / 3 for n in at],
            "text": [None if n % 7 == 0 else f"t{n % 11}" for n in at],
            "list": [None if n % 3 == 0 else [n, None] for n in at],
            "struct": [{"u": n, "v": ["a"] * (n % 3)} for n in at],
            "moment": pl.Series(at).cast(pl.Datetime("us", "Europe/Berlin")),
            "exact": pl.Series(at).cast(pl.Decimal(10, 2)),
            "bytes": [b"a" * (n % 4) for n in at],
            "_line": list(at),
        }
    )


def parquet(rows: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("writer", ["polars", "duckdb", "uncompressed"])
def test_columns_are_added_and_files_joined(tmp_path: Path, writer: str) -> None:
    given, path = frame(), tmp_path / "in.parquet"
    if writer == "duckdb":
        given = given.drop("moment")  # its time zones want a package that is not there
        duckdb.from_arrow(given.to_arrow()).write_parquet(str(path), row_group_size=256, compression="gzip")
    else:
        given.write_parquet(path, row_group_size=300, compression="zstd" if writer == "polars" else "uncompressed")
    given = pl.read_parquet(path)
    footer = read_footer(path)
    assert footer.copied
    assert sum(footer.group_rows) == COUNT
    new = pl.DataFrame({"said": [f"p{n % 2}" for n in range(COUNT)], "sure": [n / COUNT for n in range(COUNT)]})
    wanted = given.hstack(new).drop("_line")
    starts = [sum(footer.group_rows[:at]) for at in range(len(footer.group_rows))]
    blocks = [parquet(new[at : at + rows]) for at, rows in zip(starts, footer.group_rows, strict=True)]
    with (tmp_path / "wide.parquet").open("wb") as out:
        assert widen((path, footer), range(len(blocks)), {"_line"}, blocks, parquet(wanted.clear()), out) == COUNT
    back = pl.read_parquet(tmp_path / "wide.parquet")
    assert back.schema == wanted.schema
    assert back.equals(wanted)
    with (tmp_path / "one.parquet").open("wb") as out:
        last = range(len(blocks) - 1, len(blocks))
        assert widen((path, footer), last, {"_line"}, blocks[-1:], parquet(wanted.clear()), out) == footer.group_rows[-1]
    with (tmp_path / "all.parquet").open("wb") as out:
        assert (
            join([tmp_path / "wide.parquet", tmp_path / "one.parquet", tmp_path / "wide.parquet"], out) == 2 * COUNT + footer.group_rows[-1]
        )
    whole = pl.concat([wanted, wanted[starts[-1] :], wanted])
    assert pl.read_parquet(tmp_path / "all.parquet").equals(whole)
    assert pl.scan_parquet(tmp_path / "all.parquet").filter(pl.col("sure") > 0.5).collect().equals(whole.filter(pl.col("sure") > 0.5))
    told = duckdb.sql(f"SELECT count(*), sum(number), sum(sure), count(text) FROM '{tmp_path}/all.parquet' WHERE said = 'p1'").fetchall()  # noqa: S608
    some = whole.filter(pl.col("said") == "p1")
    assert told[0] == pytest.approx((some.height, some["number"].sum(), some["sure"].sum(), some["text"].count()))


def test_damage_is_told(tmp_path: Path) -> None:
    whole = parquet(frame())
    for name, content in (("short", whole[:-20]), ("none", b""), ("zeros", whole[:-30] + b"\xff" * 22 + whole[-8:])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="HS209"):
            read_footer(tmp_path / name)


def test_files_of_other_layouts_are_not_joined(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(parquet(frame()))
    (tmp_path / "b").write_bytes(parquet(frame().drop("text")))
    with (tmp_path / "c").open("wb") as out, pytest.raises(DataError, match=r"HS209\] b: "):
        join([tmp_path / "a", tmp_path / "b"], out)
    with (tmp_path / "d").open("wb") as out, pytest.raises(ValueError, match="no file"):
        join([], out)
