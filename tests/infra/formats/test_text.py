"""Encodings: found or given, held for the whole file, never guessed over; and blocks of whole lines."""

from __future__ import annotations

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.errors import DataError
from homeostat.infra.formats import text as under_test
from homeostat.infra.formats.text import settle_encoding, text_blocks

GERMAN = "id;straße;größe\n1;Müller Straße;schön\n2;Bäcker Allee;größer\n"
RUSSIAN = "город;страна\nМосква;Россия\nСанкт-Петербург;Россия\n"  # noqa: RUF001
POLISH = "miasto;święto\nŁódź;żółć\nKraków;ślęża\n"


def whole(content: bytes, encoding: str, size: int = 1000) -> str:
    return b"".join(block.text for block in text_blocks(io.BytesIO(content), encoding, "x", size)).decode()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (GERMAN.encode(), "utf-8"),
        (GERMAN.encode("utf-8-sig"), "utf-8-sig"),
        (GERMAN.encode("utf-16"), "utf-16"),
        (b"\xfe\xff" + GERMAN.encode("utf-16-be"), "utf-16"),
        (GERMAN.encode("utf-32"), "utf-32"),
        (GERMAN.encode("utf-16-le"), "utf-16-le"),
        (GERMAN.encode("utf-16-be"), "utf-16-be"),
        (GERMAN.encode("cp1252"), "cp1252"),
        (("Preis\n5 €\n„so“ \u2013 ja\n").encode("cp1252"), "cp1252"),
        (GERMAN.encode("latin-1"), "cp1252"),
        (RUSSIAN.encode("cp1251"), "cp1251"),
        (POLISH.encode("cp1250"), "cp1250"),
        ("año\nniño\n".encode("cp1252"), "cp1252"),
        (b"a,b\n" + b"1,2\n" * 400_000 + "3,é\n".encode("cp1252"), "cp1252"),
        (b"", "utf-8"),
    ],
)
def test_found(content: bytes, expected: str) -> None:
    file = io.BytesIO(content)
    assert settle_encoding(file, "x", None) == expected
    assert file.tell() == 0
    text = whole(content, expected)
    assert text.lstrip("\ufeff") == text
    if content and expected not in {"cp1252"}:
        assert text == {"cp1251": RUSSIAN, "cp1250": POLISH}.get(expected, GERMAN)


def test_a_given_encoding_holds() -> None:
    content = GERMAN.encode("cp1250")
    assert settle_encoding(io.BytesIO(content), "x", "cp1250") == "cp1250"
    assert whole(content, "cp1250") == GERMAN
    assert settle_encoding(io.BytesIO(content), "x", "latin1") == "iso8859-1"


@pytest.mark.parametrize(
    ("content", "given_encoding", "words"),
    [
        (b"a\n1\n\xff\n", "utf-8", "x:3: got the byte 0xff, which is not UTF-8"),
        (b"a\n\x81\n", "cp1252", "x:2: got the byte 0x81, which is not cp1252"),
        (b"a\n", "klingon", "data.encoding is 'klingon', which is no known encoding"),
        (b"a\n", "base64", "which is no known encoding"),
        (b"a\n", "idna", "which is no known encoding"),
        (b"a\n", "unicode_escape", "which is no known encoding"),
        (b"a,b\n", "utf-16", "got the byte 0x61, which is not utf-16"),
        ("a\nb\n".encode("utf-16")[:-1], None, "which is not utf-16"),
    ],
)
def test_a_byte_that_does_not_fit_is_told(content: bytes, given_encoding: str | None, words: str) -> None:
    with pytest.raises(DataError, match="HS205") as caught:
        settle_encoding(io.BytesIO(content), "x", given_encoding)
    assert words in caught.value.line()


@given(st.text(st.sampled_from("ab\r\né\u2028"), max_size=40), st.integers(1, 12), st.sampled_from(["utf-8", "utf-16", "cp1252"]))
def test_blocks_are_whole_lines_whatever_the_line_ends(text: str, size: int, encoding: str) -> None:
    text = text.replace("\u2028", "") if encoding == "cp1252" else text
    blocks = list(text_blocks(io.BytesIO(text.encode(encoding)), encoding, "x", size))
    joined = "".join(block.text.decode() for block in blocks)
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    assert joined == (plain if not plain or plain.endswith("\n") else plain + "\n")
    assert [block.last for block in blocks] == [False] * (len(blocks) - 1) + [True]
    assert all(block.text.endswith(b"\n") for block in blocks if block.text)


def test_a_line_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "LONGEST_LINE", 100)
    with pytest.raises(DataError, match=r"HS205.*a line is longer"):
        list(text_blocks(io.BytesIO(b"a\n" + b"x" * 300), "utf-8", "x", 50))


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (gzip.compress(b"a,b\n" * 1000, mtime=0), "a gzip file"),
        (b"PK\x03\x04" + bytes(range(256)), "a ZIP archive or a spreadsheet"),
        (b"PAR1" + bytes(range(256)), "a Parquet file"),
    ],
)
def test_a_file_of_another_kind_is_told_by_its_kind(packed: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        settle_encoding(io.BytesIO(packed), "x.csv", None)
    assert caught.value.code == "HS209"
