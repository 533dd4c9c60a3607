"""Bytes to lines of UTF-8, in blocks: the encoding is given or found and holds for the whole file; no byte is replaced or dropped."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from homeostat.errors import DataError

BLOCK = 16 << 20
"""How many bytes are read at once."""
LONGEST_LINE = 64 << 20
"""A line longer than this is no line of a table."""
SAMPLE = 1 << 18
_STEP = 1 << 20
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# Of encodings that read a sample equally well the first is taken.
_CANDIDATES = ("cp1250", "iso8859_2", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1252", "cp932", "euc_jp", "gb18030", "big5", "euc_kr")
# What is beyond ASCII in Western European text; if nearly all that is beyond ASCII reads as these, no statistics are needed.
_WESTERN = frozenset("äöüÄÖÜßéèêëàâáãçñíîóôõúûœæøåÅÉÀÂÁÇÑØ€£§°\u2019\u2018\u201c\u201d\u201e\u2013\u2014…«»¿¡\xa0")

_PACKED = (
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3\0", "a SQLite database"),
)
_NOT_OF_FILES = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})


@dataclass(frozen=True, slots=True)
class Block:
    r"""Whole lines as UTF-8, each ended by ``\n``; ``last`` says that none follow."""

    text: bytes
    last: bool


def settle_encoding(file: BinaryIO, name: str, given: str | None) -> str:
    """The encoding the whole file can be read in, strictly: the given one, that of its byte-order mark, UTF-8, or one found from its bytes.

    The file is read once and left at its start.

    Raises:
        DataError: HS205, no such encoding, or a byte that the encoding does not have; HS209, no text at all but a file of another kind.
    """
    start = file.read(SAMPLE)
    marked = next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)
    encoding = _known(given, name) if given else marked or _unmarked_utf16(start) or "utf-8"
    fault = _fault(file, encoding)
    if fault and encoding == "utf-8" and not given:
        encoding = _found(file)
        fault = _fault(file, encoding)
    if fault:
        packed = next((kind for mark, kind in _PACKED if start.startswith(mark)), None)
        if packed:
            raise DataError("HS209", f"got {packed}, whatever its name says", place=name, next_step="deliver it as text, or as Parquet")
        line, byte = fault
        step = "correct data.encoding" if given else "save it as UTF-8, or name its encoding in data.encoding"
        label = "UTF-8" if encoding.startswith("utf-8") else encoding
        raise DataError("HS205", f"got the byte 0x{byte}, which is not {label}", place=f"{name}:{line}", next_step=step)
    return encoding


def text_blocks(file: BinaryIO, encoding: str, name: str, size: int = BLOCK) -> Iterator[Block]:
    r"""The file's text as blocks of whole lines; ``\r\n`` and ``\r`` become ``\n``, a byte-order mark goes, the last line gets its end.

    Args:
        file: read from its start, which must be readable in the encoding.
        encoding: what ``settle_encoding`` said.
        name: the file's name, for messages.
        size: how many bytes to read at once; a block holds about as many.

    Raises:
        DataError: HS205, a line is longer than ``LONGEST_LINE``.
    """
    rest = b""
    for piece, last in _normalized(_utf8(file, encoding, size)):
        text = rest + piece
        cut = len(text) if last else text.rfind(b"\n") + 1
        rest = text[cut:]
        if len(rest) > LONGEST_LINE:
            raise DataError("HS205", f"a line is longer than {LONGEST_LINE >> 20} MiB", place=name, next_step="is this a table of lines?")
        if cut and text[:cut][-1:] != b"\n":
            yield Block(text + b"\n", last)
        elif cut or last:
            yield Block(text[:cut], last)


def _utf8(file: BinaryIO, encoding: str, size: int) -> Iterator[tuple[bytes, bool]]:
    """The file's text as UTF-8 without a byte-order mark, in pieces cut anywhere, and whether a piece is the last."""
    file.seek(0)
    if encoding in {"utf-8", "utf-8-sig"}:
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            file.seek(0)
        piece = file.read(size)
        while following := file.read(size):
            yield piece, False
            piece = following
        yield piece, True
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    raw = file.read(size)
    while following := file.read(size):
        yield decoder.decode(raw).encode(), False
        raw = following
    yield decoder.decode(raw, final=True).encode(), True


def _normalized(pieces: Iterator[tuple[bytes, bool]]) -> Iterator[tuple[bytes, bool]]:
    held = b""  # a carriage return at the end of a piece may be half of a line end
    for piece, last in pieces:
        text = held + piece
        held = b"\r" if text.endswith(b"\r") and not last else b""
        text = text.removesuffix(b"\r") if held else text
        yield text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text, last


def _known(given: str, name: str) -> str:
    try:
        found = codecs.lookup(given).name
        "".encode(found)  # an encoding of text, not one such as base64
    except (LookupError, UnicodeError):
        found = ""
    if not found or found in _NOT_OF_FILES:
        raise DataError(
            "HS205", f"data.encoding is {given!r}, which is no known encoding of files", place=name, next_step="such as utf-8 or cp1252"
        )
    return "utf-8-sig" if found == "utf-8" else found


def _unmarked_utf16(start: bytes) -> str | None:
    """UTF-16 of mostly Latin text without a mark: every other byte is zero."""
    if not start:
        return None
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if max(even, odd) < len(start) * 0.2 or min(even, odd) > len(start) * 0.02:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _fault(file: BinaryIO, encoding: str) -> tuple[int, str] | None:
    """The first byte that is not of the encoding, and its line."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    try:
        while raw := file.read(_STEP):
            line += decoder.decode(raw).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += error.object[: error.start].count(b"\n")
        return line, error.object[error.start : error.start + 1].hex()
    except UnicodeError:  # as UTF-16 without its mark: no single byte is at fault
        file.seek(0)
        return line, file.read(1).hex()
    finally:
        file.seek(0)
    return None


def _found(file: BinaryIO) -> str:
    """The most likely encoding, judged on the lines that are not plain ASCII."""
    from charset_normalizer import from_bytes

    file.seek(0)
    telling = bytearray()
    while len(telling) < SAMPLE and (lines := file.readlines(_STEP)):
        telling += b"".join(line for line in lines if not line.isascii())[:SAMPLE]
    read = [letter for letter in telling.decode("cp1252", errors="replace") if not letter.isascii()]
    if sum(letter in _WESTERN for letter in read) >= 0.95 * len(read):
        return "cp1252"
    matches = from_bytes(bytes(telling), cp_isolation=list(_CANDIDATES))
    ranked = [
        (match.chaos, -match.coherence, _CANDIDATES.index(same), same)
        for match in matches
        for same in {match.encoding, *match.could_be_from_charset}
        if same in _CANDIDATES
    ]
    return min(ranked)[-1] if ranked else "utf-8"
