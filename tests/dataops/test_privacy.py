"""Pseudonyms and what is dropped: equal values stay equal, nothing in clear is left, twice is once."""

from __future__ import annotations

import hashlib
import hmac
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.sections import Privacy
from homeostat.core.targets import text_of
from homeostat.dataops.contract import ColumnRule, Contract
from homeostat.dataops.privacy import pseudonym, pseudonyms, row_shield, shield, shield_contract, withhold

KEY = bytes(range(32))
PRIVACY = Privacy(never_store=("ssn",), pseudonymise=("mail",), never_log=("age",))


def test_it_is_hmac_sha256_by_the_definition() -> None:
    expected = hmac.new(KEY, b"ada@example.org", hashlib.sha256).hexdigest()[:32]
    assert pseudonym("ada@example.org", KEY) == f"p_{expected}"
    assert pseudonym("ada@example.org", KEY) != pseudonym("ada@example.org", KEY[::-1])


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([7, None, 8]),
        pl.Series([7.0, None, 8.0]),
        pl.Series([7.0, float("nan"), 8.0]),
        pl.Series(["7", None, "8"]),
        pl.Series([7, None, 8], dtype=pl.UInt8),
        pl.Series([Decimal(7), None, Decimal(8)]),
        pl.Series(["7", None, "8"], dtype=pl.Categorical),
    ],
    ids=str,
)
def test_equal_values_of_any_carrier_have_one_pseudonym(column: pl.Series) -> None:
    assert pseudonyms(column, KEY).to_list() == [pseudonym("7", KEY), None, pseudonym("8", KEY)]


@given(st.lists(st.none() | st.text() | st.integers().map(str) | st.sampled_from([pseudonym("x", KEY)]), max_size=30))
def test_pseudonyms_are_equal_where_values_are_and_twice_is_once(values: list[str | None]) -> None:
    made = pseudonyms(pl.Series(values, dtype=pl.String), KEY)
    assert made.to_list() == [None if value is None else pseudonym(value, KEY) for value in values]
    assert made.n_unique() == len(set(values))
    assert pseudonyms(made, KEY).to_list() == made.to_list()
    assert made.drop_nulls().str.len_chars().is_in([34]).all()


def test_frames_lose_what_is_never_stored_and_keep_the_rest() -> None:
    frame = pl.DataFrame({"ssn": [1, 2], "mail": ["a", None], "age": [3, 4], "_source": "f", "_line": [2, 3]})
    stored = shield(frame, PRIVACY, KEY)
    assert stored.columns == ["mail", "age", "_source", "_line"]
    assert stored["mail"].to_list() == [pseudonym("a", KEY), None]
    assert shield(stored, PRIVACY, KEY).equals(stored)
    assert shield(frame, Privacy(), KEY).equals(frame)
    assert shield(frame.select("age"), PRIVACY, KEY).equals(frame.select("age"))


def test_text_of_broken_lines_is_withheld_but_can_be_recognised() -> None:
    broken = pl.DataFrame({"_line": [4], "_text": ["123-45,ada"], "_reason": ["got 2 fields, expected 3"]})
    kept = withhold(broken, PRIVACY, KEY)
    assert kept["_text"][0] == f"hmac-sha256 {hmac.new(KEY, b'123-45,ada', hashlib.sha256).hexdigest()}"
    assert kept["_reason"][0].startswith("got 2 fields, expected 3; its text is withheld")
    assert kept["_line"].to_list() == [4]
    assert withhold(broken, Privacy(never_log=("age",)), KEY).equals(broken)


def test_the_contract_of_shielded_rows() -> None:
    rules = (
        ColumnRule("ssn", "integer", required=True),
        ColumnRule("mail", "integer", required=True, unique=True, minimum=1, maximum=9),
        ColumnRule("age", "integer", minimum=0),
    )
    shielded = shield_contract(Contract("c", "1", rules), PRIVACY)
    assert shielded.columns == (ColumnRule("mail", "string", required=True, unique=True), rules[2])


@given(
    st.dictionaries(
        st.sampled_from(["ssn", "mail", "age", "x"]), st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    )
)
def test_served_rows_are_shielded_as_frames_are(row: dict[str, Any]) -> None:
    found = row_shield(PRIVACY, KEY)
    assert found is not None
    (taken,) = found.taken([row])
    (logged,) = found.logged([taken])
    assert taken == {
        name: pseudonym(text_of(value), KEY) if name == "mail" and value is not None else value
        for name, value in row.items()
        if name != "ssn"
    }
    assert logged == {name: value for name, value in taken.items() if name != "age"}
    if isinstance(row.get("mail"), str | float) and "mail" in taken:
        assert pseudonyms(pl.Series([row["mail"]]), KEY).to_list() == [taken["mail"]]


def test_without_clauses_there_is_no_shield_and_lists_are_left_for_the_decoder() -> None:
    assert row_shield(Privacy(never_use=("x",)), KEY) is None
    found = row_shield(PRIVACY, KEY)
    assert found is not None
    assert found.taken([{"mail": [1]}]) == [{"mail": [1]}]


def test_dates_have_the_pseudonym_of_their_text() -> None:
    assert pseudonyms(pl.Series([date(2024, 1, 2)]), KEY)[0] == pseudonym("2024-01-02", KEY)
