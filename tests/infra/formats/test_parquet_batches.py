"""Parquet in batches, and batches as Parquet with the same bytes for the same rows."""

from __future__ import annotations

import hashlib
import io
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core.sections import Source
from homeostat.errors import DataError
from homeostat.infra.formats import parquet
from homeostat.infra.formats.parquet import parquet_batches, write_batches
from homeostat.infra.formats.read import path_batches
from homeostat.infra.sources import read

SECTION = Source(source="x.parquet")


@pytest.mark.parametrize(("rows", "groups"), [(1, 5), (7, 5), (7, 100), (1000, 7)])
def test_batches_are_the_whole(tmp_path: Path, rows: int, groups: int) -> None:
    frame = pl.DataFrame({"a": range(50), "b": [f"x{i % 3}" for i in range(50)], "c": [None, 1.5] * 25})
    frame.write_parquet(tmp_path / "x.parquet", row_group_size=groups)
    found = list(parquet_batches(tmp_path / "x.parquet", "name", rows))
    assert all(0 < each.frame.height <= rows for each in found)
    joined = pl.concat([each.frame for each in found])
    assert joined.drop("_source", "_line").equals(frame, null_equal=True)
    assert joined["_line"].to_list() == list(range(1, 51))
    assert joined["_source"].unique().to_list() == ["name"]
    assert joined.equals(read(tmp_path / "x.parquet", SECTION).frame.with_columns(pl.lit("name").alias("_source")), null_equal=True)


def test_a_reader_that_stops_early_leaves_nothing_hanging(tmp_path: Path) -> None:
    pl.DataFrame({"a": range(100_000)}).write_parquet(tmp_path / "x.parquet", row_group_size=1000)
    for _ in range(5):
        reads = path_batches(tmp_path / "x.parquet", "parquet", SECTION, "x", 500)
        assert next(reads).frame.height == 500
        reads.close()  # type: ignore[attr-defined]


def test_a_damaged_page_is_told_when_it_is_met(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": [f"{i * 7919 % 10007} text" for i in range(50_000)]}).write_parquet(path, row_group_size=5000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = b"\xff" * 2000
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"HS209.*damaged"):
        list(parquet_batches(path, "x.parquet", 5000))


@settings(max_examples=50)
@given(st.lists(st.integers(0, 40), max_size=6), st.integers(1, 50))
def test_the_bytes_depend_on_the_rows_alone(cuts: list[int], group: int) -> None:
    frame = pl.DataFrame({"a": range(40), "b": ["x", None] * 20}, schema={"a": pl.Int64, "b": pl.String})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "GROUP_ROWS", group)
        digests = set()
        for edges in ([0, 40], [0, *sorted(cuts), 40]):
            file = io.BytesIO()
            pieces = [frame[a:b] for a, b in pairwise(edges)]
            assert write_batches(pieces, file) == 40
            assert pl.read_parquet(file.getvalue()).equals(frame, null_equal=True)
            digests.add(hashlib.sha256(file.getvalue()).hexdigest())
    assert len(digests) == 1


def test_no_rows_keep_their_schema() -> None:
    file = io.BytesIO()
    assert write_batches([pl.DataFrame(schema={"a": pl.Date})], file) == 0
    assert pl.read_parquet(file.getvalue()).schema == {"a": pl.Date}


def test_what_frames_or_the_file_raise_comes_through() -> None:
    def frames() -> object:
        yield pl.DataFrame({"a": range(300_000)})
        raise ZeroDivisionError("in the source")

    with pytest.raises(ZeroDivisionError, match="in the source"):
        write_batches(frames(), io.BytesIO())  # type: ignore[arg-type]

    class Full(io.BytesIO):
        def write(self, content: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_batches([pl.DataFrame({"a": range(300_000)})], Full())
