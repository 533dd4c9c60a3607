"""Buckets: real S3 requests against a server on loopback; globs as on a disk; refusals and breaks told, nothing half copied."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.sections import Source
from homeostat.errors import DataError, Unreachable
from homeostat.infra.raw import RawZone
from homeostat.infra.sources import open_source, read_batches
from homeostat.infra.sources.bucket import glob_pattern
from homeostat.testing.servers import Document, Web

KEYS = ("data/a.csv", "data/b.jsonl", "data/deep/c.csv", "data/deep/er/d.CSV", "data/.hidden/e.csv", "data/notes.txt", "database/f.csv")


@pytest.fixture
def client(s3_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of the S3 server; the bucket ``shop`` holds ``KEYS``."""
    import boto3

    for name, value in s3_variables.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="shop")
    for key in KEYS:
        s3.put_object(Bucket="shop", Key=key, Body=b'{"a": 1}\n' if key.endswith("jsonl") else b"a\n1\n")
    yield s3
    for entry in s3.list_objects_v2(Bucket="shop").get("Contents", []):
        s3.delete_object(Bucket="shop", Key=entry["Key"])
    s3.delete_bucket(Bucket="shop")
    s3.close()


def names(source: str) -> list[str]:
    return [part.name.removeprefix("s3://shop/") for part in open_source(Source(source=source), Path()).parts()]


@pytest.mark.usefixtures("client")
def test_which_objects_a_source_names() -> None:
    below = ["data/a.csv", "data/b.jsonl", "data/deep/c.csv", "data/deep/er/d.CSV"]
    assert names("s3://shop/data") == below
    assert names("s3://shop/data/") == below
    assert names("s3://shop") == [*below, "database/f.csv"]
    assert names("s3://shop/data/a.csv") == ["data/a.csv"]
    assert names("s3://shop/data/*.csv") == ["data/a.csv"]
    assert names("s3://shop/data/**/*.csv") == ["data/a.csv", "data/deep/c.csv"]
    assert names("s3://shop/*/[af].csv") == ["data/a.csv", "database/f.csv"]
    assert names("s3://shop/data/.hidden/*.csv") == ["data/.hidden/e.csv"]
    for source in ("s3://shop/none", "s3://shop/*.parquet", "s3://shop/data/none.csv", "s3://none/x.csv", "s3://none/"):
        with pytest.raises(DataError, match="HS201"):
            names(source)
    with pytest.raises(DataError, match=r"there is no bucket 'none'.*data.source"):
        names("s3://none/")


def test_an_object_is_copied_and_its_mark_says_whether_it_changed(client: Any, tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": range(400_000), "b": [str(i * 7919 % 10007) for i in range(400_000)]})
    frame.write_parquet(tmp_path / "x.parquet")
    client.upload_file(str(tmp_path / "x.parquet"), "shop", "big/x.parquet")
    section = Source(source="s3://shop/big")
    source = open_source(section, tmp_path)
    (part,) = source.parts()
    assert part.name == "s3://shop/big/x.parquet"
    assert part.bytes == (tmp_path / "x.parquet").stat().st_size
    raw = source.fetch(part, RawZone(tmp_path / "raw"))
    found = pl.concat([read.frame for read in read_batches(raw, section, part.name, rows=150_000)])
    assert found.drop("_source", "_line").equals(frame)
    assert source.parts() == [part]
    client.put_object(Bucket="shop", Key="big/x.parquet", Body=b"other")
    assert source.parts() != [part]


def test_an_object_that_vanishes_between_leaves_nothing(client: Any, tmp_path: Path) -> None:
    source = open_source(Source(source="s3://shop/data/a.csv"), tmp_path)
    (part,) = source.parts()
    client.delete_object(Bucket="shop", Key="data/a.csv")
    with pytest.raises(DataError, match=r"HS201.*s3://shop/data/a.csv: there is no such object"):
        source.fetch(part, RawZone(tmp_path / "raw"))
    assert [path for path in (tmp_path / "raw").rglob("*") if path.is_file()] == []


@pytest.fixture
def stumbling(web: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    """A server that answers as S3 does for one object, or fails as it is told."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", web.address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    headers = {"ETag": '"one"', "Last-Modified": "Tue, 02 Jan 2024 10:00:00 GMT"}
    web.documents["/shop/x.csv"] = Document(b"a\n" + b"1\n" * 2_000_000, headers)
    return web


@pytest.mark.parametrize("fault", [503, "truncate", "reset"])
def test_a_bucket_that_stumbles_is_asked_again(stumbling: Web, tmp_path: Path, fault: int | str) -> None:
    waits: list[float] = []
    source = open_source(Source(source="s3://shop/x.csv"), tmp_path, sleep=waits.append)
    (part,) = source.parts()
    document = stumbling.documents["/shop/x.csv"]
    document.faults = [fault]
    assert source.fetch(part, RawZone(tmp_path / "raw")).path.read_bytes() == document.body
    assert len(waits) == 1
    document.faults = [fault] * 4
    document.body += b"2\n"
    with pytest.raises(Unreachable, match=r"HS804.*tried 4 times") as caught:
        source.fetch(part, RawZone(tmp_path / "raw"))
    assert "hunter2" not in caught.value.line()
    assert len([path for path in (tmp_path / "raw").rglob("*") if path.is_file()]) == 1


def test_a_bucket_that_refuses(stumbling: Web, tmp_path: Path) -> None:
    stumbling.documents["/shop/x.csv"].faults = [403]
    with pytest.raises(DataError, match=r"HS216.*s3://shop/x.csv: the bucket refuses to be read; see that AWS_ACCESS_KEY_ID"):
        open_source(Source(source="s3://shop/x.csv"), tmp_path).parts()


def test_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "hunter2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Unreachable, match="HS804") as caught:
        open_source(Source(source="s3://shop/x.csv"), tmp_path, retries=1, sleep=lambda _: None).parts()
    assert "hunter2" not in caught.value.line()
    assert "\n" not in caught.value.line()


PATHS = st.lists(st.sampled_from(["a", "ab", "b.csv", "a.csv", "-"]), min_size=1, max_size=3).map("/".join)
GLOBS = st.lists(st.sampled_from(["*", "a*", "?b", "**", "[ab]", "[!a]*", "*.csv", "b.csv", "[-a]"]), min_size=1, max_size=3).filter(
    lambda parts: parts[-1] != "**"
)


@given(st.lists(PATHS, min_size=1, max_size=6), GLOBS.map("/".join))
def test_a_glob_means_over_keys_what_it_means_on_a_disk(tmp_path_factory: pytest.TempPathFactory, paths: list[str], glob: str) -> None:
    folder = tmp_path_factory.mktemp("tree")
    for path in paths:
        if not (folder / path).exists() and not any((folder / parent).is_file() for parent in Path(path).parents):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    expected = {path.relative_to(folder).as_posix() for path in folder.glob(glob) if path.is_file()}
    assert {path for path in files if re.fullmatch(glob_pattern(glob), path)} == expected
    assert os.sep == "/"
