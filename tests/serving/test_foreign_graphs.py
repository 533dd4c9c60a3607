"""Foreign ONNX graphs behind our inputs answer every row as they do alone, in our graph and in the interpreter."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from onnx import TensorProto, helper, numpy_helper

from homeostat.errors import LearningError
from homeostat.graph.decode import decode_frame
from homeostat.graph.encode import dump_plan, load_plan
from homeostat.graph.interpret import run
from homeostat.graph.plan import Foreign
from homeostat.serving.adopt import Asked, Wrapped, wrap
from homeostat.serving.bundle import build, pack, unpack
from homeostat.serving.parity import parity, stress_frame
from homeostat.serving.predictor import Predictor


def rows(count: int = 300) -> pl.DataFrame:
    rng = np.random.default_rng(3)
    a, city, k = rng.normal(size=count), rng.choice(["Oslo", "Rome", "Bonn"], count), rng.integers(0, 3, count)
    y = np.where(a + (city == "Rome") + rng.normal(0, 0.3, count) > 0.5, "yes", "no")
    return pl.DataFrame({"a": a, "b": rng.normal(size=count), "city": city, "k": k, "y": y})


FRAME = rows()
YES_NO = Asked("binary", "y", ("a", "b"), ("no", "yes"))


def converted(model: Any, example: Any, **options: Any) -> bytes:
    skl2onnx = pytest.importorskip("skl2onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytes(skl2onnx.to_onnx(model, example, **options).SerializeToString())


def logistic(**options: Any) -> bytes:
    from sklearn.linear_model import LogisticRegression

    x = FRAME.select("a", "b").to_numpy().astype(np.float32)
    return converted(LogisticRegression().fit(x, FRAME["y"].to_list()), x, **options)


def forest_of_several() -> bytes:
    from sklearn.ensemble import RandomForestClassifier

    x = FRAME.select("a", "b").to_numpy().astype(np.float32)
    return converted(RandomForestClassifier(8, max_depth=4, random_state=0).fit(x, FRAME["k"].to_list()), x)


def pipeline() -> bytes:
    """Numbers and texts, an input each, as a whole scikit-learn pipeline is converted."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    given = pd.DataFrame({name: FRAME[name].to_list() for name in ("a", "b", "city")})
    prepared = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["city"]), (StandardScaler(), ["a", "b"]))
    fitted = make_pipeline(prepared, RandomForestClassifier(8, max_depth=4, random_state=0)).fit(given, FRAME["y"].to_list())
    return converted(fitted, given[:1])


def whole_numbers() -> bytes:
    from sklearn.linear_model import LinearRegression

    x = FRAME.select("k").to_numpy()
    return converted(LinearRegression().fit(x, FRAME["b"].to_numpy()), x)


CASES = {
    "a list of maps": (logistic, YES_NO),
    "a matrix": (lambda: logistic(options={"zipmap": False}), YES_NO),
    "classes in another order": (logistic, Asked("binary", "y", ("a", "b"), ("yes", "no"))),
    "several classes": (forest_of_several, Asked("multiclass", "k", ("a", "b"), ("0", "1", "2"))),
    "an input for each column": (pipeline, Asked("binary", "y", ("a", "b", "city", "k"), ("no", "yes"))),
    "whole numbers": (whole_numbers, Asked("regression", "b", ("k",))),
    "nulls filled": (whole_numbers, Asked("regression", "b", ("k",), fill=True)),
}


def stressed(wrapped: Wrapped) -> pl.DataFrame:
    return pl.concat([FRAME, stress_frame(FRAME, wrapped.plan.inputs, 0)], how="diagonal_relaxed")


@pytest.mark.parametrize(("content", "asked"), CASES.values(), ids=CASES)
def test_every_row_is_answered_as_the_graph_alone_answers_it(content: Callable[[], bytes], asked: Asked) -> None:
    wrapped = wrap(content(), FRAME, asked)
    tried = stressed(wrapped)
    bundle = build(wrapped.plan, name="m", sample=FRAME, ignored=[], facts={}, created="")
    wanted = wrapped.oracle(tried)
    found = parity(bundle, tried, wanted)
    assert (found.flips, found.max_difference) == (0, 0.0)
    again = load_plan(dump_plan(wrapped.plan))
    np.testing.assert_array_equal(run(again, *decode_frame(again.inputs, tried)), wanted)
    assert Predictor(unpack(pack(bundle))).predict_frame(FRAME).shape == (FRAME.height, len(wrapped.plan.classes) or 1)


def test_the_models_bytes_are_kept_as_they_came() -> None:
    content = logistic()
    (foreign,) = (node for node in wrap(content, FRAME, YES_NO).plan.nodes if isinstance(node, Foreign))
    assert foreign.model.tobytes() == content


def test_a_null_where_a_whole_number_is_wanted_has_no_answer_unless_it_is_filled() -> None:
    frame = FRAME.with_columns(k=pl.lit(None, dtype=pl.Int64))
    assert np.isnan(wrap(whole_numbers(), FRAME, CASES["whole numbers"][1]).oracle(frame)).all()
    assert np.isfinite(wrap(whole_numbers(), FRAME, CASES["nulls filled"][1]).oracle(frame)).all()


def test_texts_that_only_the_graph_knows_are_asked_as_they_are() -> None:
    seen = FRAME.filter(pl.col("city") != "Bonn")
    wrapped = wrap(pipeline(), seen, CASES["an input for each column"][1])
    (city,) = (each for each in wrapped.plan.inputs if each.name == "city")
    assert city.vocabulary == ("Bonn", "Oslo", "Rome")
    bundle = build(wrapped.plan, name="m", sample=seen, ignored=[], facts={}, created="")
    np.testing.assert_array_equal(Predictor(bundle).predict_frame(FRAME), wrapped.oracle(FRAME))


def network(width: int, *, named: str = "p") -> bytes:
    """A softmax over as many columns, with no word about classes."""
    value = helper.make_tensor_value_info
    weights = numpy_helper.from_array(np.arange(2 * width, dtype=np.float32).reshape(2, width) / 5, "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], [named], axis=1)]
    given = [value("x", TensorProto.FLOAT, ["N", 2])]
    body = helper.make_graph(nodes, "g", given, [value(named, TensorProto.FLOAT, ["N", width])], [weights])
    return bytes(helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


def test_classes_that_nothing_names_must_be_said() -> None:
    with pytest.raises(LearningError, match=r"HS378.*nothing says which classes"):
        wrap(network(2), FRAME, YES_NO)
    said = wrap(network(2), FRAME, Asked("binary", "y", ("a", "b"), ("no", "yes"), named=("yes", "no")))
    alone = wrap(network(2), FRAME, Asked("binary", "y", ("a", "b"), ("yes", "no"), named=("yes", "no")))
    np.testing.assert_array_equal(said.oracle(FRAME), alone.oracle(FRAME)[:, ::-1])


def test_a_softmax_of_three_is_no_answer_to_a_binary_question() -> None:
    with pytest.raises(LearningError, match="HS378"):
        wrap(network(3), FRAME, Asked("binary", "y", ("a", "b"), ("no", "yes"), named=("no", "yes", "perhaps")))
