"""HTTP documents: whole or not at all, asked again when the server stumbles, without their secrets."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from homeostat.core.sections import Source
from homeostat.errors import DataError, Unreachable
from homeostat.infra.raw import RawZone
from homeostat.infra.sources import open_source, read_batches
from homeostat.infra.sources import web as under_test
from homeostat.testing.servers import Document, Web

BODY = b"a,b\n" + b"1,2\n" * 300_000


def test_a_document_is_copied_and_its_mark_says_whether_it_changed(web: Web, tmp_path: Path) -> None:
    document = web.documents["/deep/x.csv"] = Document(BODY, {"ETag": '"one"'})
    section = Source(source=f"{web.address.replace('//', '//ann:hunter2@')}/deep/x.csv?token=hunter3")
    source = open_source(section, tmp_path)
    (part,) = source.parts()
    assert part.name == f"{web.address.replace('//', '//ann:***@')}/deep/x.csv"
    assert part.bytes == len(BODY)
    assert source.parts() == [part]
    assert document.asked == ["HEAD", "HEAD"]
    raw = source.fetch(part, RawZone(tmp_path / "raw"))
    assert raw.path.read_bytes() == BODY
    assert sum(read.frame.height for read in read_batches(raw, section, part.name)) == 300_000
    document.headers["ETag"] = '"two"'
    assert source.parts() != [part]


def test_without_a_mark_the_content_says_whether_it_changed(web: Web, tmp_path: Path) -> None:
    document = web.documents["/x.csv"] = Document(b"a\n1\n")
    no_head = web.documents["/y.csv"] = Document(b"a\n1\n", head=False)
    for path, each in (("/x.csv", document), ("/y.csv", no_head)):
        source = open_source(Source(source=web.address + path), tmp_path)
        before = source.parts()
        assert source.parts() == before
        each.body = b"a\n2\n"
        assert source.parts() != before


def test_the_type_says_the_format_where_the_name_does_not(web: Web, tmp_path: Path) -> None:
    web.documents["/export"] = Document(b'{"a": 1}\n', {"Content-Type": "application/x-ndjson; charset=utf-8", "ETag": "1"})
    web.documents["/page"] = Document(b"<html>", {"Content-Type": "text/html", "ETag": "1"})
    zone = RawZone(tmp_path / "raw")
    source = open_source(Source(source=f"{web.address}/export?x=1"), tmp_path)
    assert source.fetch(source.parts()[0], zone).format == "jsonl"
    page = open_source(Source(source=f"{web.address}/page"), tmp_path)
    with pytest.raises(DataError, match="HS209"):
        page.fetch(page.parts()[0], zone)


@pytest.mark.parametrize("fault", [503, 429, "truncate", "reset"])
def test_a_server_that_stumbles_is_asked_again(web: Web, tmp_path: Path, fault: int | str) -> None:
    waits: list[float] = []
    document = web.documents["/x.csv"] = Document(BODY, {"ETag": "1"})
    source = open_source(Source(source=f"{web.address}/x.csv"), tmp_path, sleep=waits.append)
    (part,) = source.parts()
    document.faults = [fault, fault]
    raw = source.fetch(part, RawZone(tmp_path / "raw"))
    assert raw.path.read_bytes() == BODY
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("fault", "words"), [(502, "HTTP 502"), ("truncate", f"it broke off after {len(BODY) // 2} of {len(BODY)} bytes"), ("reset", "tried 3")]
)
def test_a_server_that_keeps_failing_is_told_and_leaves_nothing(web: Web, tmp_path: Path, fault: int | str, words: str) -> None:
    document = web.documents["/x.csv"] = Document(BODY, {"ETag": "1"})
    address = web.address.replace("//", "//ann:hunter2@") + "/x.csv?token=hunter3"
    source = open_source(Source(source=address), tmp_path, retries=2, sleep=lambda _: None)
    (part,) = source.parts()
    document.faults = [fault] * 3
    with pytest.raises(Unreachable, match="HS804") as caught:
        source.fetch(part, RawZone(tmp_path / "raw"))
    assert words in caught.value.line()
    assert "hunter" not in caught.value.line()
    assert [path for path in (tmp_path / "raw").rglob("*") if path.is_file()] == []


def test_a_server_that_is_slow_is_not_waited_for(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "TIMEOUT_S", 0.2)
    web.documents["/x.csv"] = Document(BODY, {"ETag": "1"}, faults=["slow"])
    with pytest.raises(Unreachable, match=r"HS804.*timed out"):
        open_source(Source(source=f"{web.address}/x.csv"), tmp_path, retries=0).parts()


def test_no_server(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"HS804.*Connection refused") as caught:
        open_source(Source(source="http://ann:hunter2@127.0.0.1:1/x.csv"), tmp_path, retries=1, sleep=lambda _: None).parts()
    assert "hunter2" not in caught.value.line()
    assert "ann:***@127.0.0.1:1/x.csv" in caught.value.line()


@pytest.mark.parametrize(("status", "code"), [(404, "HS201"), (410, "HS201"), (401, "HS216"), (403, "HS216")])
def test_a_server_that_refuses(web: Web, tmp_path: Path, status: int, code: str) -> None:
    web.documents["/x.csv"] = Document(BODY, {"ETag": "1"}, faults=[status, status])
    with pytest.raises(DataError, match=f"{code}.*HTTP {status}"):
        open_source(Source(source=f"{web.address}/x.csv"), tmp_path).parts()


def test_who_asks(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password pa:ss/wörd\n", encoding="utf-8")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    document = web.documents["/x.csv"] = Document(b"a\n1\n", {"ETag": "1"})
    for before in ("", "ann@", "bob:secret@", "bob@"):
        open_source(Source(source=f"{web.address.replace('//', f'//{before}')}/x.csv"), tmp_path).parts()
    known = [base64.b64encode(text.encode()).decode() for text in ("ann:pa:ss/wörd", "bob:secret", "bob")]
    assert document.authorized == [f"Basic {known[0]}", f"Basic {known[0]}", f"Basic {known[1]}", f"Basic {known[2]}"]


def test_a_redirect_to_a_file_is_not_followed(web: Web, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")

    web.documents["/x.csv"] = Document(b"", {"Location": secret.as_uri()}, status=302)
    with pytest.raises((DataError, Unreachable)) as caught:
        open_source(Source(source=f"{web.address}/x.csv"), tmp_path, retries=0).parts()
    assert caught.value.code in {"HS216", "HS804"}


def test_a_download_with_a_transformation_leaves_no_trace_of_what_is_dropped(web: Web, tmp_path: Path) -> None:
    web.documents["/x.csv"] = Document(b"id,name\n1,Ann Secret\n2,Bob Secret\n", {"ETag": "1"})
    section = Source(source=f"{web.address}/x.csv")
    source = open_source(section, tmp_path, transform=lambda frame: frame.drop("name"))
    (part,) = source.parts()
    raw = source.fetch(part, RawZone(tmp_path / "raw"))
    (found,) = read_batches(raw, section, part.name)
    assert found.frame.select("id", "_line").rows() == [(1, 2), (2, 3)]
    assert b"Secret" not in raw.path.read_bytes()
