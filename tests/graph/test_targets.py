"""The plan in C and in JavaScript means what it means in NumPy: each node, decisions, intervals, and every raw value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homeostat.errors import BundleError, RequestError
from homeostat.graph.c import compile_c, identifier
from homeostat.graph.decode import RowDecoder
from homeostat.graph.interpret import bounds, decide, run
from homeostat.graph.javascript import compile_javascript
from homeostat.graph.plan import (
    Activation,
    Clip,
    Concat,
    Constant,
    Cycle,
    DatePart,
    Decoded,
    Enclosed,
    Foreign,
    Impute,
    Indicator,
    Input,
    Interpolate,
    Interval,
    Linear,
    Link,
    Log,
    Lookup,
    Node,
    Numbers,
    Pick,
    Plan,
    Power,
    Prior,
    Scale,
    Single,
    Tfidf,
    Trees,
)  # fmt: skip
from homeostat.graph.steps import steps_of
from homeostat.testing.programs import CModel, node_answers, node_scores

pytestmark = pytest.mark.usefixtures("gcc", "node")

INPUTS = (
    Input("t", "timestamp"),
    Input("a", "number"),
    Input("c", "category", ("x", "y", "zé?")),
    Input("b", "boolean"),
    Input("model_d", "number"),
)
SAID = Input("said", "text", ("été", "good", "no"))
Rows = Sequence[Mapping[str, Any]]


def rows(count: int = 120, seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    some: list[dict[str, Any]] = []
    for at in range(count):
        row = {
            "t": float(rng.uniform(-6e10, 2.5e11))
            if at % 3
            else f"{rng.integers(1, 9999):04d}-{rng.integers(1, 13):02d}-28T2{at % 4}:59:59.7",
            "a": float(rng.normal() * 3),
            "c": [*INPUTS[2].vocabulary, "never"][rng.integers(0, 4)],
            "b": bool(rng.integers(0, 2)),
            "model_d": float(rng.normal() * 10.0 ** rng.integers(-3, 5)),
            "said": ["Good, GOOD: no!", "", "ÉTÉ été xété", "no" * 40][rng.integers(0, 4)],
        }
        some.append({name: None if rng.random() < 1 / 7 else value for name, value in row.items()})
    return some


def forest(outputs: int, features: int = 2, count: int = 9) -> Trees:
    """Random trees, each third one a lone leaf."""
    rng = np.random.default_rng(5)
    splits: list[list[float]] = []
    leaves: list[tuple[float, int]] = []

    def grow(depth: int) -> int:
        if depth == 0 or (depth < 3 and rng.random() < 0.2):
            leaves.append((rng.normal(), int(rng.integers(0, outputs))))
            return -len(leaves)
        at = len(splits)
        splits.append([rng.integers(0, features), rng.normal(), rng.integers(0, 2), 0, 0])
        splits[at][3:] = [grow(depth - 1), grow(depth - 1)]
        return at

    roots = [grow(0 if number % 3 == 2 else 3) for number in range(count)]
    feature, threshold, null, yes, no = (np.array(column) for column in zip(*splits, strict=True))
    value, target = (np.array(column) for column in zip(*leaves, strict=True))
    whole = [each.astype(np.int64) for each in (feature, yes, no, target)]
    return Trees(
        "trees", "n", np.array(roots), whole[0], threshold, null.astype(bool), whole[1], whole[2], value, whole[3], rng.normal(size=outputs)
    )


N = Numbers("n", (1, 3))
CLEAN = Impute("clean", "n", np.array([0.5, -1.0]))
TABLE = np.arange(10.0).reshape(5, 2) / 3
NODES: dict[str, tuple[Node, ...]] = {
    "numbers": (Numbers("o", (3, 1, 0, 2)),),
    "pick": (N, Pick("o", "n", (1, 1, 0))),
    "lookup": (Lookup("o", 0, TABLE),),
    **{part: (Numbers("n", (0,)), DatePart("o", "n", part)) for part in ("hour", "weekday", "day", "month", "yearday")},  # type: ignore[arg-type]
    "cycle": (N, Cycle("o", "n", 7.0)),
    "impute": (N, Impute("o", "n", np.array([0.1, 1e300]))),
    "indicator": (N, Indicator("o", "n")),
    "scale": (N, Scale("o", "n", np.array([1.0, -2.0]), np.array([3.0, 0.7]))),
    "clip": (N, Clip("o", "n", np.array([-1.0, -5.0]), np.array([2.0, 1.5]))),
    "power": (N, Power("o", "n", np.array([0.0, 2.0]))),
    "power one": (N, Power("o", "n", np.array([1.0, -0.4]))),
    "tfidf": (Tfidf("o", "terms", np.array([1.5, 0.2, 3.0])),),
    "single": (Numbers("n", (0, 1, 3)), Single("o", "n")),
    "concat": (N, Lookup("l", 0, TABLE), Concat("o", ("n", "l", "n"))),
    "linear": (N, CLEAN, Linear("o", "clean", np.array([[1.5, -2.0, 0.3], [0.25, 0.5, 0.1]]), np.array([0.5, 1.0, -1.0]))),
    "relu": (N, CLEAN, Activation("o", "clean", "relu")),
    "silu": (N, CLEAN, Activation("o", "clean", "silu")),
    "trees": (N, forest(3)),
    "lone trees": (N, forest(1, count=3)),
    "constant": (Constant("o", np.array([1.5, -2.5])),),
    "exp": (N, Scale("s", "n", np.zeros(2), np.full(2, 1e4)), Link("o", "s", "exp")),
    "identity": (N, Link("o", "n", "identity")),
    "sigmoid": (Numbers("n", (3,)), Link("o", "n", "sigmoid")),
    "softmax": (N, CLEAN, Linear("l", "clean", np.ones((2, 3)) * [1.0, 2.0, -1.0], np.zeros(3)), Link("o", "l", "softmax")),
    "prior": (
        N, CLEAN, Linear("l", "clean", np.ones((2, 3)) * 0.1, np.arange(3.0)), Link("p", "l", "softmax"),
        Prior("o", "p", np.array([1.0, 0.2, 3.0])),
    ),
    "log": (N, Log("o", "n", 0.01)),
    "interpolate": (N, Interpolate("o", "n", np.array([-1.0, 0.0, 2.0, 3.0]), np.array([0.5, 0.5, -1.0, 7.0]))),
    "one point": (N, Interpolate("o", "n", np.array([1.0]), np.array([4.0]))),
}  # fmt: skip


def told_apart(name: str, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """The nodes with blocks of their own, and behind them one number of the last block, in which each column and each NaN counts."""

    def own(block: str) -> str:
        return block if block in ("numbers", "terms") else f"{name}/{block}"

    renamed: list[Node] = []
    for node in nodes:
        changes: dict[str, Any] = {"out": own(node.out)}
        if hasattr(node, "source"):
            changes["source"] = own(node.source)
        if hasattr(node, "sources"):
            changes["sources"] = tuple(own(each) for each in node.sources)
        renamed.append(replace(node, **changes))
    out = renamed[-1].out
    width = steps_of(Plan("regression", "y", (*INPUTS, SAID), tuple(renamed)), "C").widths[out]
    counted = np.concatenate([np.linspace(0.3, 1.7, width), np.linspace(1e3, 2e3, width)])[:, None]
    after = (
        Indicator(own("gone"), out),
        Impute(own("filled"), out, np.linspace(-1.0, 1.0, width)),
        Concat(own("both"), (own("filled"), own("gone"))),
        Linear(own("number"), own("both"), counted, np.zeros(1)),
    )
    return (*renamed, *after)


@pytest.mark.parametrize("level", ["-O0", "-O2", "-O3"])
def test_each_node_means_the_same(level: str, tmp_path: Path) -> None:
    parts = [told_apart(name, nodes) for name, nodes in NODES.items()]
    every = Concat("score", tuple(part[-1].out for part in parts))
    plan = Plan("multiclass", "y", (*INPUTS, SAID), (*(node for part in parts for node in part), every), tuple(NODES))
    asked = rows()
    with np.errstate(invalid="ignore"):
        wanted = run(plan, *RowDecoder(plan.inputs).rows(asked))
    assert np.isfinite(wanted).all()
    for scores in (CModel(plan, tmp_path, level).scores(asked), node_scores(plan, asked, tmp_path)):
        for at, name in enumerate(NODES):
            np.testing.assert_allclose(scores[:, at], wanted[:, at], rtol=1e-14, atol=1e-11, err_msg=name)


PLANS = {
    "binary": Plan(
        "binary", "y", INPUTS, (N, forest(1), Link("score", "trees", "sigmoid")), ("no", 'y"es?'), 0.45
    ),
    "multiclass": Plan("multiclass", "y", INPUTS, (N, forest(3), Link("score", "trees", "softmax")), ("a", "b", "c")),
    "costs": Plan(
        "multiclass", "y", INPUTS, (N, forest(3), Link("score", "trees", "softmax")), ("a", "b", "c"),
        costs=np.array([[0.0, 5.0, 9.0], [3.0, 0.0, 1.0], [2.0, 5.0, 0.0]]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_decisions_are_the_same(name: str, tmp_path: Path) -> None:
    plan, asked = PLANS[name], [{each.name: row[each.name] for each in INPUTS} for row in rows(400)]
    scores = run(plan, *RowDecoder(plan.inputs).rows(asked))
    wanted = decide(plan, scores)
    assert len(set(wanted.tolist())) > 1
    compiled = CModel(plan, tmp_path)
    np.testing.assert_allclose(compiled.scores(asked), scores, rtol=0, atol=1e-15)
    assert compiled.decisions(asked).tolist() == wanted.tolist()
    answers = node_answers(plan, asked, tmp_path)
    assert [each["prediction"] for each in answers] == [plan.classes[at] for at in wanted]
    np.testing.assert_allclose(node_scores(plan, asked, tmp_path), scores, rtol=0, atol=1e-15)


def test_intervals_are_the_same(tmp_path: Path) -> None:
    ends = (Linear("low", "score", np.array([[0.9]]), np.array([-1.0])), Concat("both", ("low", "score")), Pick("ends", "both", (0, 1)))
    plan = Plan("regression", "y", INPUTS, (N, replace(forest(1), out="score")), interval=Interval(0.9, "test", ends))
    asked = [{each.name: row[each.name] for each in INPUTS} for row in rows()]
    decoded = RowDecoder(plan.inputs).rows(asked)
    wanted = bounds(plan.interval, plan.out, run(plan, *decoded), decoded)  # type: ignore[arg-type]
    np.testing.assert_allclose(CModel(plan, tmp_path).ends(asked), wanted, rtol=1e-14)
    answers = node_answers(plan, asked, tmp_path)
    np.testing.assert_allclose([[each["lower"], each["upper"]] for each in answers], wanted, rtol=1e-14)


NAN, INF = math.nan, math.inf
RAW: dict[str, list[Any]] = {
    "number": [0, -0.0, 3, 2.5, 1e308, 5e-324, -(2**62), 2**53 + 1, None, NAN, INF, -INF, "3", "", True, False],
    "boolean": [True, False, 0, 1, 0.0, 1.0, -0.0, None, NAN, 2, 0.5, -1, INF, "true", "1", ""],
    "timestamp": [
        None, NAN, INF, True, 0, 12.5, -62_135_596_800, -62_135_596_801, 253_402_300_799.5, 253_402_300_800, 1_300_000_000_000,
        "1970-01-01", "1969-12-31", "2000-02-29", "1900-02-29", "2011-02-29", "2024-02-30", "0001-01-01", "0000-01-01", "9999-12-31",
        "2011-13-01", "2011-00-01", "2011-01-00", "2011-04-31", "2011-1-1", "20110101", "2011-W01-1", "yesterday", "", " 2011-01-01",
        "2011-01-01 ", "2011-01-01\n", "2011-01-01T", "2011-01-01T01", "2011-01-01T01:30", "2011-01-01 01:30", "2011-01-01t01:30",
        "2011-01-01T24:00", "2011-01-01T23:60", "2011-01-01T23:59:60", "2011-01-01T23:59:59", "2011-01-01T23:59:59.",
        "2011-01-01T23:59:59.5",
        "2011-01-01T23:59:59.1234567891234", "2011-01-01T00:00:00.0000009", "2011-01-01T01:30Z", "2011-01-01T01:30z",
        "2011-01-01T01:30:00+01",
        "2011-01-01T01:30+0100", "2011-01-01T01:30-01:00", "2011-01-01T01:30+1", "2011-01-01T01:30+01:0", "2011-01-01T01:30+01:00:00",
        "2011-01-01T01:30+23:59", "2011-01-01T01:30+24:00", "2011-01-01T01:30+23:60", "2011-01-01T01:30+01:75", "2011-01-01T01:30-00:00",
        "2011-01-01Z", "2011-01-01+01:00", "0001-01-01T00:00+01:00", "0001-01-01T00:00-01:00", "9999-12-31T23:59:59.9",
        "9999-12-31T23:59-00:01",
        "1969-12-31T23:59:59.25", "1950-06-30T12:00:00.999999+05:30", "٢٠١١-01-01", "2011-01-01T01:30\u22121:00", "\u00e9",
    ],
    "category": [
        None, NAN, INF, -INF, "", "1", 1, 1.0, True, False, "true", "True", "Oslo", "oslo", "Oslo ", "Osl", "Oslo\u00e9", "\u00e9",
        "e\u0301", 0, -0.0, "-0",
        2.5, "2.5", 2.50, 1e-7, "1e-07", "1e-7", 1e16, "1e+16", 1e22, -3, -3.0, "-3", 2**60, 2**62 + 1, str(2**62 + 1), 0.1 + 0.2,
        "nan", "01",
        "a\0b", "a", "\U0001f600", "??/", '"quoted" \\ text\n', "x" * 300,
    ],
    "text": [
        None, NAN, "", "good", "GOOD good-no", "Gööd", "ÉTÉ", "\u00c9t\u00c9 \u00d7 \u00e9t\u00e9", "\u0416\u0401\u0416 \u0391",
        "no\u2014no", "xno nox",
        "\U0001f600no no\U0001f600", "\u3000no\u3000", "\uff10no", "\ufeffno", "\U0001f600", "no" * 500, 3, True, INF,
    ],
}  # fmt: skip
KNOWN = {
    "category": ("", "-3", "0", "1", "1e+16", "1e-07", "2.5", str(2**60), str(2**62 + 1), "Oslo", "\u00e9", "true", "false", "nan", "??/",
                 "a\0b", "\U0001f600", '"quoted" \\ text\n', "0.30000000000000004", "x" * 300),
    "text": ("good", "no", "\u00e9t\u00e9", "\u0436\u0451\u0436", "\u03b1", "\U0001f600", "\U0001f600no", "\uff10no"),
}  # fmt: skip


@pytest.mark.parametrize("kind", RAW)
def test_every_raw_value_is_read_or_refused_alike(kind: str, tmp_path: Path) -> None:
    field = Input("it?", kind, KNOWN.get(kind, ()))  # type: ignore[arg-type]
    decoder = RowDecoder([field])
    width = {"category": 1, "text": len(field.vocabulary)}.get(kind, 1)
    if kind == "category":
        first: Node = Lookup("x", 0, np.arange(len(field.vocabulary) + 2.0)[:, None])
    elif kind == "text":
        first = Pick("x", "terms", tuple(range(width)))
    else:
        first = Numbers("x", (0,))
    powers = np.array([[5.0**at] for at in range(width)])
    nodes = (first, Impute("o", "x", np.full(width, -7e5)), Linear("score", "o", powers, np.zeros(1)))
    plan = Plan("regression", "y", (field,), nodes)
    asked = [{"it?": value} for value in RAW[kind]]
    wanted: list[float | None] = []
    for row in asked:
        try:
            wanted.append(float(run(plan, *decoder.rows([row]))[0, 0]))
        except RequestError as error:
            wanted.append(None if error.fields[0]["field"] == "it?" else math.inf)
    assert None in wanted
    compiled = CModel(plan, tmp_path)
    found, problems = compiled.many(compiled.values(asked), len(asked))
    answers = node_answers(plan, asked, tmp_path)
    for row, want, score, problem, answer in zip(asked, wanted, found["scores"][:, 0], problems, answers, strict=True):
        if want is None:
            assert problem is not None, row
            assert problem[0] == "it?"
            assert "null" in problem[1]
            assert answer["problems"][0]["field"] == "it?", row
            assert problem[1] == answer["problems"][0]["allowed"]
        else:
            assert problem is None, row
            assert score == want, row
            assert float(answer["prediction"]) == want, row  # JavaScript writes a float of whole value as an integer of 17 digits


def test_rows_of_other_shapes_are_refused_in_javascript_by_name(tmp_path: Path) -> None:
    plan = Plan("regression", "y", INPUTS[1:2], (Numbers("score", (0,)),))
    asked: list[Any] = [{"a": 1}, {}, {"a": 1, "b": 2}, 7, None, [1], {"a": "x", "zz": 1}, {"a": 1, "id": "x"}]
    answers = node_answers(plan, asked, tmp_path, ["id"])
    assert answers[0] == answers[7] == {"prediction": 1}
    assert [[each["field"] for each in answer["problems"]] for answer in answers[1:7]] == [["a"], ["b"], [""], [""], [""], ["a", "zz"]]
    assert answers[1]["problems"][0] == {"field": "a", "got": "missing", "allowed": "a finite number or null; null must be written"}


def test_a_row_without_a_finite_score_is_refused(tmp_path: Path) -> None:
    plan = Plan("regression", "y", INPUTS[1:2], (Numbers("n", (0,)), Link("score", "n", "exp")))
    asked = [{"a": 1.0}, {"a": 1e5}, {"a": None}]
    compiled = CModel(plan, tmp_path)
    assert [each and each[0] for each in compiled.many(compiled.values(asked), 3)[1]] == [None, "", ""]
    assert ["problems" in each for each in node_answers(plan, asked, tmp_path)] == [False, True, True]


def test_a_graph_of_another_program_is_refused_by_name() -> None:
    for node in (Enclosed("o", "n", np.zeros(3, dtype=np.uint8), 1), Foreign("o", np.zeros(3, dtype=np.uint8), (), "out", 1)):
        plan = Plan("regression", "y", INPUTS, (N, node))
        for compiler in (compile_c, compile_javascript):
            with pytest.raises(BundleError, match=rf"HS410.*block 'o'.*{type(node).__name__} node.*export it to onnx"):
                compiler(plan)


def test_names_in_c_are_identifiers_and_equal_plans_give_equal_texts() -> None:
    plan = PLANS["binary"]
    files = compile_c(plan, "bike", "what */ \u00e9")
    assert compile_c(plan, "bike", "what */ \u00e9") == files
    assert set(files) == {"bike.c", "bike.h"}
    assert '"model_d"' in files["bike.c"]
    assert "bike_predict" in files["bike.h"]
    assert "MODEL_NULL" not in files["bike.h"]
    assert "BIKE_AT_MODEL_D" in files["bike.h"]
    assert [identifier(text) for text in ("A b-c", "1", "read", "")] == ["a_b_c", "model_1", "model_read", "model"]
    with pytest.raises(ValueError, match="no good"):
        compile_c(plan, "no good")


def test_what_no_answer_depends_on_is_left_out() -> None:
    steps = steps_of(Plan("regression", "y", INPUTS, (N, CLEAN, Numbers("score", (1,)))), "C")
    assert [node.out for node in steps.scores] == ["score"]
    assert Decoded(np.zeros((1, 4)), np.zeros((1, 1), dtype=np.int64), np.zeros((1, 0))).take(slice(0, 0)).numbers.shape == (0, 4)
