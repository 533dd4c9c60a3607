"""Thrift's compact protocol: what was read is written again byte for byte, and no bytes do harm."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.infra.formats.compact import (
    BINARY,
    BYTE,
    DOUBLE,
    FALSE,
    I16,
    I32,
    I64,
    LIST,
    MAP,
    STRUCT,
    TRUE,
    Typed,
    read_struct,
    write_struct,
)


def typed() -> st.SearchStrategy[Typed]:
    numbers = st.integers(-(2**63), 2**63 - 1)
    plain: st.SearchStrategy[Any] = st.one_of(
        st.builds(Typed, st.sampled_from([I16, I32, I64]), numbers),
        st.builds(Typed, st.just(BINARY), st.binary(max_size=300)),
        st.builds(Typed, st.just(DOUBLE), st.binary(min_size=8, max_size=8)),
        st.builds(Typed, st.just(BYTE), st.integers(0, 255)),
        st.sampled_from([Typed(TRUE, True), Typed(FALSE, False)]),
        st.builds(lambda each: Typed(LIST, each, I64), st.lists(numbers, max_size=40)),
        st.builds(
            lambda each: Typed(MAP, each, BINARY << 4 | I32 if each else 0), st.lists(st.tuples(st.binary(max_size=5), numbers), max_size=4)
        ),
    )
    return st.recursive(
        plain,
        lambda inner: st.one_of(
            st.builds(lambda each: Typed(STRUCT, each), st.dictionaries(st.integers(1, 40), inner, max_size=4)),
            st.builds(lambda each: Typed(LIST, each, STRUCT), st.lists(st.dictionaries(st.integers(1, 9), inner, max_size=3), max_size=20)),
        ),
        max_leaves=12,
    )


@given(st.dictionaries(st.integers(1, 30_000), typed(), max_size=6))
def test_what_is_written_is_read(fields: dict[int, Typed]) -> None:
    assert read_struct(write_struct(fields)) == fields


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        found = read_struct(content)
    except ValueError:
        return
    assert isinstance(found, dict)


def test_structures_without_end_are_refused() -> None:
    with pytest.raises(ValueError, match="too deep"):
        read_struct(bytes([0x1C]) * 100)


def test_a_footer_comes_out_as_it_was(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pl.DataFrame({"a": [1.5, None], "b": ["x", "y"], "c": [[1], None]}).write_parquet(buffer, row_group_size=1)
    content = buffer.getvalue()
    footer = content[-8 - int.from_bytes(content[-8:-4], "little") : -8]
    assert write_struct(read_struct(footer)) == footer
