"""The rule by which texts become terms: as it is written down, character by character, and as scikit-learn counts by it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from homeostat.errors import DataError, RequestError
from homeostat.graph.decode import RowDecoder, decode_columns, decode_frame, decode_rows
from homeostat.graph.plan import Input, widths
from homeostat.graph.terms import term_counter, terms_of

SAID = Input("said", "text", ("a", "check", "\u00e9tude", "\U0001f600", "привет"))
TITLE = Input("title", "text", ("free", "now"))


def by_the_book(text: str) -> list[str]:
    """The rule of the module's docstring, one character at a time, as it would be written in C."""
    found, term = [], ""
    for char in text:
        code = ord(char)
        if 0x41 <= code <= 0x5A or 0xC0 <= code <= 0xDE or 0x391 <= code <= 0x3A9 or 0x410 <= code <= 0x42F:
            code += 32
        elif 0x400 <= code <= 0x40F:
            code += 80
        word = 0x30 <= code <= 0x39 or 0x61 <= code <= 0x7A or (code >= 0xC0 and code not in (0xD7, 0xF7))
        for first, last in ((0x2000, 0x206F), (0x3000, 0x303F), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFF00, 0xFF0F)):
            word = word and not first <= code <= last
        if word:
            term += chr(code)
        elif term:
            found.append(term)
            term = ""
    return [*found, term] if term else found


NEAR_BORDERS = st.sampled_from([chr(border + step) for border in (
    0x30, 0x3A, 0x41, 0x5B, 0x61, 0x7B, 0xC0, 0xD7, 0xDF, 0xF7, 0x391, 0x3AA, 0x400, 0x410, 0x430, 0x2000, 0x2070, 0x3000, 0x3040,
    0xFE00, 0xFE10, 0xFEFF, 0xFF00, 0xFF10, 0x1F600,
) for step in (-1, 0)])  # fmt: skip


@given(st.text(max_size=40) | st.text(NEAR_BORDERS, max_size=20) | st.text("aB 1.\u00c9\u00d7", max_size=20))
def test_terms_follow_the_rule_as_it_is_written(text: str) -> None:
    assert terms_of(text) == by_the_book(text)


def test_terms_of_what_people_write() -> None:
    assert terms_of("Check OUT: http://x.org/a?b=1 \u2014 it\u2019s \u201cfree\u201d\u2026") == [
        "check", "out", "http", "x", "org", "a", "b", "1", "it", "s", "free",
    ]  # fmt: skip
    assert terms_of("\u2764\ufe0f\u200d\U0001f525 \U0001f600\U0001f600") == ["\u2764", "\U0001f525", "\U0001f600\U0001f600"]
    assert terms_of("Привет, ΑΘΗΝΑ! STRASSE Straße") == ["привет", "αθηνα", "strasse", "straße"]
    assert terms_of("") == terms_of(" .,\n\t\u3000!") == []


@given(st.lists(st.text("abc D\u00c9\U0001f600.,!", max_size=30), min_size=1, max_size=8))
def test_counts_are_those_of_scikit_learn_under_the_same_rule(texts: list[str]) -> None:
    vocabulary = ("a", "abc", "b", "d\u00e9", "\U0001f600")
    pattern = "[0-9a-z\u00c0-\U0010ffff]+"
    lower = {0x44: "d", 0xC9: "\u00e9"}
    counter = CountVectorizer(
        vocabulary=vocabulary, lowercase=False, preprocessor=lambda text: text.translate(lower), token_pattern=pattern
    )
    expected = counter.transform(texts).toarray()
    found = decode_rows([Input("said", "text", vocabulary)], [{"said": text} for text in texts]).terms
    np.testing.assert_array_equal(found, expected)


def test_blocks_stand_side_by_side_and_null_is_nan() -> None:
    inputs = (SAID, Input("n", "number"), TITLE)
    assert widths(inputs) == {"numbers": 1, "codes": 0, "terms": 7}
    rows = [{"said": "A check, a CHECK a", "n": 1, "title": None}, {"said": "", "n": 2, "title": "Now now NOW"}]
    decoded = decode_rows(inputs, rows)
    np.testing.assert_array_equal(decoded.terms, [[3, 2, 0, 0, 0, np.nan, np.nan], [0, 0, 0, 0, 0, 0, 3]])
    assert decoded.numbers.tolist() == [[1.0], [2.0]]
    assert decoded.codes.shape == (2, 0)


VALUES = st.lists(st.none() | st.text(max_size=30) | st.text("acheck \u00c9t\u00e9ude\U0001f600", max_size=30), min_size=3, max_size=3)


@given(VALUES, VALUES)
def test_a_frame_counts_as_its_rows_do(said: list[str | None], title: list[str | None]) -> None:
    inputs = (TITLE, SAID)
    frame = pl.DataFrame({"said": pl.Series(said, dtype=pl.String), "title": pl.Series(title, dtype=pl.String)})
    for decoded in (decode_rows(inputs, frame.to_dicts()), decode_columns(inputs, frame.to_dict(as_series=False))):
        for ours, frames in zip(decoded, decode_frame(inputs, frame), strict=True):
            np.testing.assert_array_equal(ours, frames)
            assert ours.dtype == frames.dtype


@pytest.mark.parametrize("dtype", [pl.String, pl.Null, pl.Float64, pl.Date])
def test_a_column_of_nulls_is_null_whatever_its_type(dtype: pl.DataType) -> None:
    assert np.isnan(decode_frame([TITLE], pl.DataFrame({"title": pl.Series([None, None], dtype=dtype)})).terms).all()


def test_nan_is_null_and_other_values_are_refused_in_rows_and_frames_alike() -> None:
    assert np.isnan(decode_rows([TITLE], [{"title": float("nan")}]).terms).all()
    assert np.isnan(decode_frame([TITLE], pl.DataFrame({"title": [float("nan"), None]})).terms).all()
    for value in (1, 1.5, True, ["free"], {"a": 1}, b"free"):
        with pytest.raises(RequestError, match=r"HS502.*a text or null") as refused:
            decode_rows([TITLE], [{"title": value}])
        assert refused.value.fields[0]["field"] == "title"
        with pytest.raises(DataError, match=r"HS205.*in row 1.*a text is a text or null"):
            decode_frame([TITLE], pl.DataFrame({"title": pl.Series([None, value])}))


def test_categoricals_are_texts_and_long_texts_are_counted_whole() -> None:
    assert decode_frame([TITLE], pl.DataFrame({"title": pl.Series(["Free!"], dtype=pl.Categorical)})).terms.tolist() == [[1, 0]]
    assert decode_rows([TITLE], [{"title": "free NOW \u2764 " * 100_000}]).terms.tolist() == [[100_000, 100_000]]


def test_a_counter_tells_only_what_occurs() -> None:
    count = term_counter(("b", "a"))
    assert dict(count("a b a c")) == {1: 2, 0: 1}
    assert not count("")


def test_a_decoder_is_not_changed_by_what_it_decodes() -> None:
    decoder = RowDecoder([TITLE])
    first = decoder.rows([{"title": "free"}]).terms
    decoder.rows([{"title": None}])
    assert first.tolist() == decoder.rows([{"title": "free"}]).terms.tolist() == [[1, 0]]
