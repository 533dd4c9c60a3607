"""Arrow streams in and out; streams that would be large when unpacked are refused before they are."""

from __future__ import annotations

import io
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.app.rest.conftest import ROW, Running, bundle_of, running

from homeostat.app.rest.arrow import table_rows
from homeostat.app.rest.arrow_size import unpacked
from homeostat.app.rest.protocol import Limits
from homeostat.errors import RequestError
from homeostat.infra.prediction_records import find

ARROW = "application/vnd.apache.arrow.stream"
ROWS = [ROW, {**ROW, "temp": None, "season": None, "hr": 1}, {**ROW, "season": "2", "day": None, "holiday": None}]
MEANT = [180.5, 10.25, 80.5]


def stream(frame: pl.DataFrame, compression: Any = "uncompressed", *, old: bool = True) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, compression=compression, compat_level=pl.CompatLevel.oldest() if old else None)
    return buffer.getvalue()


def frame(**columns: Any) -> pl.DataFrame:
    return pl.DataFrame(ROWS).with_columns(pl.col("day").str.to_datetime()).with_columns(**columns)


def post(server: Running, content: bytes, **headers: str) -> Any:
    return server.post(content=content, headers={"content-type": ARROW, **headers})


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
@pytest.mark.parametrize("old", [True, False])
def test_a_table_is_answered_as_json(server: Running, compression: str, old: bool) -> None:
    found = post(server, stream(frame(), compression, old=old))
    assert found.status_code == 200, found.text
    answers = found.json()["predictions"]
    assert [each["prediction"] for each in answers] == MEANT
    server.log.flush()
    kept = find(server.folder, answers[1]["id"])
    assert kept is not None
    assert kept["inputs"] == ROWS[1]


def test_and_as_a_table_when_that_is_accepted(server: Running, tmp_path: Any) -> None:
    found = post(server, stream(frame()), accept=f"{ARROW};q=0.9, */*")
    assert found.headers["content-type"] == ARROW
    table = pl.read_ipc_stream(io.BytesIO(found.content))
    assert table.columns == ["id", "prediction", "version"]
    assert table["version"].to_list() == [1, 1, 1]
    assert table["prediction"].to_list() == MEANT
    with running(tmp_path, bundle_of("multiclass")) as other:
        table = pl.read_ipc_stream(io.BytesIO(post(other, stream(frame()), accept=ARROW).content))
        meant = other.post(json=ROWS).json()["predictions"]
    assert table.drop("id", "prediction", "version").rows() == [tuple(each["probabilities"].values()) for each in meant]
    assert table["prediction"].to_list() == [each["prediction"] for each in meant]


def test_columns_of_every_type_that_has_a_meaning(server: Running) -> None:
    kinds = [pl.Float32, pl.Int8, pl.UInt64, pl.Decimal(10, 2)]
    for kind in kinds:
        found = post(server, stream(frame(temp=pl.lit(2).cast(kind), hr=pl.lit(3).cast(kind))))
        assert [each["prediction"] for each in found.json()["predictions"]] == [132.0, 32.0, 32.0], kind
    coded = frame(season=pl.col("season").cast(pl.Categorical), day=pl.col("day").dt.replace_time_zone("Europe/Oslo"))
    assert [each["prediction"] for each in post(server, stream(coded)).json()["predictions"]] == MEANT
    more = frame(cnt=pl.lit(None), entity=pl.lit(datetime(2011, 5, 1, tzinfo=UTC)), day=pl.col("day").cast(pl.Date))
    found = post(server, stream(more)).json()["predictions"]
    assert [each["prediction"] for each in found] == MEANT


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"temp": pl.lit("hot")}, "temp"),
        ({"temp": pl.lit(float("inf"))}, "temp"),
        ({"hr": pl.concat_list("hr", "hr")}, "hr"),
        ({"season": pl.struct("hr")}, "season"),
        ({"season": pl.lit(b"x")}, "season"),
        ({"season": pl.lit(datetime(2011, 5, 1).time())}, "season"),
        ({"surplus": pl.lit(1)}, "surplus"),
    ],
)
def test_a_wrong_column_is_named(server: Running, columns: dict[str, Any], named: str) -> None:
    found = post(server, stream(frame(**columns)))
    assert found.status_code == 422, found.text
    assert found.json()["error"]["fields"][0]["field"] == named


def limits(size: int = 50_000, rows: int = 200) -> Limits:
    return Limits(size, rows, 1.0)


def refused(content: bytes, bound: Limits) -> RequestError:
    with pytest.raises(RequestError) as caught:
        table_rows(content, bound, ())
    return caught.value


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_stream_that_grows_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch, compression: str) -> None:
    bomb = stream(pl.DataFrame({"season": ["x" * 5_000_000]}), compression)
    assert len(bomb) < 50_000
    assert unpacked(bomb).size > 5_000_000
    monkeypatch.setattr(pl, "read_ipc_stream", lambda _: pytest.fail("it was read"))
    assert refused(bomb, limits()).status == 413
    assert refused(stream(pl.DataFrame({"a": pl.repeat(None, 10_000_000, dtype=pl.Null, eager=True)})), limits()).status == 413
    assert refused(stream(pl.DataFrame({"a": [1.0] * 201})), limits()).status == 413


def test_one_text_in_many_rows_is_refused() -> None:
    text = "x" * 10_000
    for column in (pl.Series("season", [text] * 100, dtype=pl.Categorical), pl.Series("season", [text] * 100)):
        assert refused(stream(column.to_frame(), "zstd", old=False), limits()).status == 413


def test_the_sizes_told_are_those_of_the_buffers() -> None:
    table = pl.DataFrame({"a": range(1000), "b": [0.5] * 1000})
    for compression in ("uncompressed", "lz4", "zstd"):
        size = unpacked(stream(table, compression))
        assert size.rows == 1000
        assert 16_000 <= size.size <= 16_000 + 1_000


@pytest.mark.parametrize("content", [b"", b"x", b"{}", b"ARROW1\0\0", b"\xff" * 64, b"\xff\xff\xff\xff\x10\0\0\0", stream(frame())[:-300]])
def test_what_is_no_stream_is_refused(server: Running, content: bytes) -> None:
    found = post(server, content)
    assert found.status_code in (400, 422)
    assert found.json()["error"]["code"] in ("HS501", "HS502")


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_a_damaged_stream_is_refused_or_read(data: st.DataObject) -> None:
    whole = stream(frame(), data.draw(st.sampled_from(["uncompressed", "lz4", "zstd"])))
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(RequestError):  # anything else is a fault
        table_rows(bytes(content), limits(), ())
