"""Encodings by lookup, texts, selection and components: what a fitted preparation gives, and what a learner trains on."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import PowerTransformer

from homeostat.core import sections
from homeostat.graph.decode import decode_frame
from homeostat.graph.interpret import transform
from homeostat.graph.onnx import compile_plan
from homeostat.graph.plan import Plan, Preparation
from homeostat.preparation.categories import ENOUGH_ROWS, FOLDS, PRIOR_ROWS, cross_fitted, frequency, ordinal, target_means
from homeostat.preparation.decide import decide
from homeostat.preparation.fit import Flavour, fit
from homeostat.preparation.telling import most_telling
from homeostat.preparation.terms import terms_in

TASK = sections.Task(type="regression", target="y")
FLAVOURS: tuple[Flavour, ...] = ("tree", "linear")
PHRASES = ["Check out my NEW song", "please, love this video!", "so much fun \u2764", "subscribe now: http://x.org", "nobody knows why"]


def section(**given: Any) -> sections.Preparation:
    return sections.Preparation.model_validate(given)


def rows(count: int = 600, seed: int = 0) -> pl.DataFrame:
    """Numbers, a skewed one, categories of few and many texts, a text; y follows some of them."""
    rng = np.random.default_rng(seed)
    many = rng.integers(0, 60, count)
    x, income = rng.normal(size=count), np.exp(2 * rng.normal(size=count))
    said = [None if i % 11 == 0 else " ".join(rng.choice(PHRASES, 5)) for i in range(count)]
    return pl.DataFrame(
        {
            "y": x + 0.5 * np.log1p(income) + np.sin(many) + 0.3 * rng.normal(size=count),
            "x": pl.Series(x).set(pl.Series(np.arange(count) % 13 == 0), None),
            "income": income,
            "noise": rng.normal(size=count),
            "few": rng.choice(["a", "b", "c"], count),
            "many": [f"m{k:02d}" for k in many],
            "said": pl.Series(said, dtype=pl.String),
        }
    )


def served(made: Preparation, frame: pl.DataFrame) -> np.ndarray:
    return transform(made, *decode_frame(made.inputs, frame))


def column(made: Preparation, frame: pl.DataFrame, name: str) -> np.ndarray:
    return served(made, frame)[:, made.features.index(name)]


def in_onnx(made: Preparation, frame: pl.DataFrame) -> np.ndarray:
    plan = Plan("regression", "y", made.inputs, made.nodes)
    session = onnxruntime.InferenceSession(compile_plan(plan), providers=["CPUExecutionProvider"])
    given = decode_frame(made.inputs, frame)._asdict()
    return session.run(["score"], {each.name: given[each.name] for each in session.get_inputs()})[0]


def test_ordinal_follows_values_where_texts_are_numbers_and_names_otherwise() -> None:
    np.testing.assert_array_equal(ordinal("c", ("10", "2", "9.5")).values[:, 0], [np.nan, 2, 0, 1, np.nan])
    np.testing.assert_array_equal(ordinal("c", ("b", "c", "a")).values[:, 0], [np.nan, 1, 2, 0, np.nan])


def test_frequency_is_the_share_of_training_rows() -> None:
    table = frequency("c", 2, np.array([0, 1, 1, 1, 2, 3, 3, 3]))
    assert table.values[:, 0].tolist() == [1 / 8, 3 / 8, 1 / 8, 0.0], "rare texts are as good as never seen"


@pytest.mark.parametrize("classes", [(), ("no", "yes"), ("a", "b", "c")])
def test_cross_fitted_rows_do_not_see_their_own_target(classes: tuple[str, ...]) -> None:
    """Changing one row's target changes the encoding of other rows of its text only."""
    rng = np.random.default_rng(0)
    codes = rng.integers(1, 31, 400)
    y = rng.integers(0, max(2, len(classes)), 400).astype(float)
    before = cross_fitted(30, codes, y, classes)
    assert before.shape == (400, len(classes) if len(classes) > 2 else 1)
    for row in range(0, 400, 37):
        other = y.copy()
        other[row] = (other[row] + 1) % max(2, len(classes))
        after = cross_fitted(30, codes, other, classes)
        np.testing.assert_array_equal(after[row], before[row])
        assert not np.array_equal(after, before)


def test_cross_fitted_means_are_those_of_the_other_parts() -> None:
    rng = np.random.default_rng(1)
    codes, y = rng.integers(1, 11, 300), rng.normal(size=300)
    found = cross_fitted(10, codes, y, ())[:, 0]
    means = {value for row in range(300) for value in [found[row]] if codes[row] == 3}
    assert 2 <= len(means) <= FOLDS, "one mean a part"
    for row in np.flatnonzero(codes == 3):
        same = [at for at in range(300) if found[at] == found[row] and codes[at] == 3]
        others = [at for at in range(300) if at not in same and codes[at] == 3]
        rest = (y[others].sum() + PRIOR_ROWS * y.mean()) / (len(others) + PRIOR_ROWS)
        assert found[row] == pytest.approx(rest, abs=0.05), "up to the overall mean, which is that of the other parts too"


def test_a_frequent_text_is_encoded_as_it_is_served() -> None:
    codes = np.repeat([1, 2], [ENOUGH_ROWS, ENOUGH_ROWS - 1])
    y = np.random.default_rng(0).normal(size=len(codes))
    plain = target_means("c", 2, codes, y, ()).values[codes]
    found = cross_fitted(2, codes, y, ())
    np.testing.assert_array_equal(found[codes == 1], plain[codes == 1])
    assert (found[codes == 2] != plain[codes == 2]).all()
    assert cross_fitted(2, codes[:3], y[:3], ()).shape == (3, 1), "too few rows to cut parts"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_learner_trains_on_cross_fitted_means_and_all_else_as_served(flavour: Flavour) -> None:
    frame = rows()
    made, trained = fit(frame, TASK, section(max_categories=100), flavour, ())
    equal = [np.array_equal(*pair, equal_nan=True) for pair in zip(trained.T, served(made, frame).T, strict=True)]
    assert [name for name, same in zip(made.features, equal, strict=True) if not same] == ["many mean"]
    assert np.corrcoef(trained[:, made.features.index("many mean")], column(made, frame, "many mean"))[0, 1] > 0.8
    assert np.isnan(trained).any() == (flavour == "tree")


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("encode", ["one_hot", "ordinal", "frequency", "target"])
def test_every_encoding_can_be_asked_for(encode: str, flavour: Flavour) -> None:
    frame = rows()
    made, _ = fit(frame, TASK, section(columns={"many": {"encode": encode}}, max_categories=100), flavour, ())
    names = [name for name in made.features if name.startswith("many")]
    assert len(names) == (60 if encode == "one_hot" else 1)
    odd = frame.head(4).with_columns(many=pl.Series(["m07", "never", None, "m08"]))
    block = served(made, odd)[:, [made.features.index(name) for name in names]]
    assert np.isnan(block).any() == (encode == "ordinal" and flavour == "tree")
    np.testing.assert_allclose(in_onnx(made, odd), served(made, odd), rtol=1e-12, atol=1e-12)
    if flavour == "linear" and encode in ("ordinal", "frequency"):
        assert abs(column(made, frame, names[0]).mean()) < 1e-12
        assert abs(column(made, frame, names[0]).std() - 1) < 1e-12


def test_a_skewed_number_is_straightened_as_scikit_learn_does() -> None:
    frame = rows().drop("many").with_columns(debt=-pl.col("income").reverse())
    choices = {"income": {"transform": "log", "clip": False}, "debt": {"transform": "yeo_johnson", "clip": False}}
    made, trained = fit(frame, TASK, section(columns=choices), "linear", ())
    log = np.log1p(frame["income"].to_numpy())
    np.testing.assert_allclose(column(made, frame, "income"), (log - log.mean()) / log.std(), rtol=1e-9)
    theirs = PowerTransformer("yeo-johnson").fit_transform(frame["debt"].to_numpy()[:, None])[:, 0]
    np.testing.assert_allclose(column(made, frame, "debt"), theirs, atol=2e-3)
    np.testing.assert_array_equal(trained, served(made, frame))
    wild = frame.head(3).with_columns(income=pl.Series([None, -5.0, 1e12]))
    assert np.isfinite(served(made, wild)).all()


def test_a_tree_does_only_what_the_charter_asks_for() -> None:
    frame = rows()
    plain, _ = fit(frame, TASK, section(), "tree", ())
    np.testing.assert_array_equal(column(plain, frame, "x"), frame["x"].to_numpy())
    np.testing.assert_array_equal(column(plain, frame, "income"), frame["income"].to_numpy())
    assert "x is null" not in plain.features
    asked = section(columns={"x": {"impute": "zero", "indicator": True}, "income": {"clip": True}})
    made, _ = fit(frame, TASK, asked, "tree", ())
    np.testing.assert_array_equal(column(made, frame, "x"), frame["x"].fill_null(0).to_numpy())
    np.testing.assert_array_equal(column(made, frame, "x is null"), frame["x"].is_null().cast(float).to_numpy())
    assert column(made, frame, "income").max() == pytest.approx(np.quantile(frame["income"], 0.999))
    np.testing.assert_array_equal(column(made, frame, "noise"), frame["noise"].to_numpy())


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_text_becomes_the_tfidf_of_scikit_learn(flavour: Flavour) -> None:
    frame = rows().drop("many", "few", "noise", "income", "x")
    made, trained = fit(frame, TASK, section(text_terms=12), flavour, ())
    known = frame["said"].drop_nulls().to_list()
    pattern = "[0-9a-z\u00c0-\U0010ffff]+"
    theirs = TfidfVectorizer(vocabulary=made.inputs[0].vocabulary, sublinear_tf=True, token_pattern=pattern)
    theirs.fit(known)
    expected = theirs.transform(frame["said"].fill_null("").to_list()).toarray()
    np.testing.assert_allclose(trained[:, :12], expected, atol=1e-15)
    assert made.features[12:] == ("said is null",)
    np.testing.assert_array_equal(trained[:, 12], frame["said"].is_null().cast(float).to_numpy())
    odd = pl.DataFrame({"said": [None, "", " !?", "\U0001f600 never seen", "SONG song " * 50_000]})
    np.testing.assert_allclose(in_onnx(made, odd), served(made, odd), atol=1e-14)
    assert not served(made, odd)[1:4].any()


def test_terms_are_the_most_frequent_of_two_rows_at_least() -> None:
    texts = pl.Series(["b a a a", "b c", "a c once", None, "B"])
    assert terms_in(texts, 10) == ("a", "b", "c")
    assert terms_in(texts, 1) == ("b",), "three rows hold it, however often one of them does"
    assert terms_in(pl.Series(["one", "two"]), 10) == ()
    frame = pl.DataFrame({"y": [1.0, 2.0] * 10, "x": range(0, 40, 2), "id": [f"word{i} other{i} third{i} fourth{i}" for i in range(20)]})
    made, _ = fit(frame, TASK, section(types={"id": "text"}), "tree", ())
    assert [each.name for each in made.inputs] == ["x"], "a text without a repeated term tells nothing"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_selection_keeps_what_tells_and_asks_for_no_other_input(flavour: Flavour) -> None:
    frame = rows(1_500)
    made, trained = fit(frame, TASK, section(select=3, max_categories=100), flavour, ())
    assert set(made.features) == {"x", "income", "many mean"}
    assert {each.name for each in made.inputs} == {"x", "income", "many"}
    assert trained.shape == (1_500, 3)
    whole, every = fit(frame, TASK, section(max_categories=100), flavour, ())
    for at, name in enumerate(made.features):
        np.testing.assert_array_equal(trained[:, at], every[:, whole.features.index(name)])
        np.testing.assert_array_equal(column(made, frame, name), column(whole, frame, name))
    np.testing.assert_allclose(in_onnx(made, frame), served(made, frame), rtol=1e-12, atol=1e-12)
    many, _ = fit(frame, TASK, section(select=500), flavour, ())
    assert len(many.features) == len(fit(frame, TASK, section(), flavour, ())[0].features)


def test_selection_of_a_term_keeps_the_whole_text_as_input() -> None:
    frame = rows(800).with_columns(y=pl.col("said").str.contains("song").fill_null(False).cast(float) * 5 + pl.col("noise") / 10)
    made, _ = fit(frame, TASK, section(select=1), "linear", ())
    assert [each.name for each in made.inputs] == ["said"]
    assert len(made.inputs[0].vocabulary) > 10
    assert len(made.features) == 1
    assert "said has" in made.features[0]


def test_the_most_telling_features_are_found_whatever_their_scale_and_are_the_same_again() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1_000, 8)) * 10.0 ** np.arange(8)
    x[::5, 3] = np.nan
    y = np.where(np.abs(x[:, 1]) > 10, 1.0, 0.0)
    y[:50] = -1
    assert most_telling(x, y, ("no", "yes"), 1).tolist() == [1], "a relation that is no slope"
    assert most_telling(x, y, ("no", "yes"), 4).tolist() == most_telling(x, y, ("no", "yes"), 4).tolist()
    assert most_telling(x, y, ("no", "yes"), 8).tolist() == list(range(8))
    assert most_telling(x, np.floor(np.abs(x[:, 6]) / 1e6).clip(0, 2), ("a", "b", "c"), 1).tolist() == [6]


def test_components_replace_the_features_of_linear_learners_only() -> None:
    frame = rows()
    asked = section(pca=4, max_categories=100)
    made, trained = fit(frame, TASK, asked, "linear", ())
    assert made.features == tuple(f"component {number}" for number in (1, 2, 3, 4))
    assert trained.shape == (600, 4)
    assert np.abs(np.corrcoef(trained.T) - np.eye(4)).max() < 1e-9, "uncorrelated"
    assert (np.diff(trained.std(axis=0)) < 0).all(), "by falling variance"
    np.testing.assert_allclose(in_onnx(made, frame), served(made, frame), atol=1e-12)
    tree, _ = fit(frame, TASK, asked, "tree", ())
    assert tree.features == fit(frame, TASK, section(max_categories=100), "tree", ())[0].features


def test_decisions_taken_elsewhere_are_executed_as_they_are() -> None:
    """A window or fold in which a column happens to be constant or empty still has its features."""
    frame = rows()
    decisions = decide(frame, TASK, section())
    part = frame.head(80).with_columns(noise=pl.lit(1.0), x=pl.lit(None, dtype=pl.Float64))
    for flavour in FLAVOURS:
        made, trained = fit(part, TASK, section(), flavour, (), decisions)
        assert {"noise", "x"} <= set(made.features)
        assert np.isnan(trained).any() == (flavour == "tree")
        assert [each.name for each in fit(part, TASK, section(), flavour, ())[0].inputs] == ["income", "few", "many", "said"]
