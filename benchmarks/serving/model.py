"""The model as a bundle, and its graph for the peers: what the pipeline learned, written as a plan.

``bundle.zip``; ``model.onnx``, its graph of numbers and codes; ``vocabularies.json``, which text has which code; ``texts.onnx``, the same
graph with the texts themselves as an input. The pipeline is fitted by `benchmarks.serving.peers.fit`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.serving.rows import BOOLEAN, CATEGORIES, NUMBERS, TIME, training_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from homeostat.graph.plan import Plan

NAME, CLASSES = "customers", ("no", "yes")


def write_model(folder: Path) -> None:
    """Write our bundle and the graphs for the peers beside the fitted pipeline."""
    import polars as pl

    from homeostat.serving.bundle import build, pack

    sample = pl.DataFrame(training_rows()[0], infer_schema_length=None)
    bundle = build(plan_of(folder), name=NAME, sample=sample, ignored=(), facts={}, created="")
    (folder / "bundle.zip").write_bytes(pack(bundle))
    (folder / "model.onnx").write_bytes(bundle.graph)
    vocabularies = {each.name: each.vocabulary for each in bundle.inputs() if each.kind == "category"}
    (folder / "vocabularies.json").write_text(json.dumps(vocabularies))
    (folder / "texts.onnx").write_bytes(text_graph(bundle.graph, vocabularies))


def plan_of(folder: Path) -> Plan:
    """The plan that means what the pipeline in the folder means."""
    import lightgbm

    from homeostat.graph.plan import Concat, Impute, Indicator, Input, Link, Lookup, Numbers, Pick, Plan, Scale
    from homeostat.learning.learners.lightgbm import trees_of

    learned = json.loads((folder / "fitted.json").read_text())
    known = [[text for text in each if text != learned["null"]] for each in learned["categories"]]
    kinds = {BOOLEAN: "boolean", TIME: "timestamp"}
    inputs = (
        *(Input(name, kinds.get(name, "number")) for name in NUMBERS),  # type: ignore[arg-type]
        *(Input(name, "category", tuple(texts)) for name, texts in zip(CATEGORIES, known, strict=True)),
    )
    nodes: list[Any] = [
        Numbers("raw", tuple(range(len(NUMBERS)))),
        Impute("filled", "raw", np.array(learned["medians"])),
        Indicator("all gone", "raw"),
        Pick("gone", "all gone", tuple(learned["indicated"])),
        Concat("numbers and gone", ("filled", "gone")),
        Scale("scaled", "numbers and gone", np.array(learned["means"]), np.array(learned["spreads"])),
    ]
    for at, (name, texts) in enumerate(zip(CATEGORIES, learned["categories"], strict=True)):
        codes = [learned["null"], *known[at]]
        table = np.zeros((len(codes) + 1, len(texts)))
        for code, text in enumerate(codes):
            table[code, texts.index(text)] = 1.0
        nodes.append(Lookup(name, at, table))
    nodes.append(Concat("features", ("scaled", *CATEGORIES)))
    trees = trees_of(lightgbm.Booster(model_file=folder / "trees.txt").dump_model(), "features")
    nodes += [trees, Link("score", trees.out, "sigmoid")]
    return Plan("binary", "bought", inputs, tuple(nodes), CLASSES)


def text_graph(graph: bytes, vocabularies: Mapping[str, Sequence[str]]) -> bytes:
    """The graph with ``texts`` (n, 6), the empty text for null, in place of ``codes``; its output is ``probability`` (n,)."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_from_string(graph)
    front = [helper.make_node("Split", ["texts"], [f"text {name}" for name in CATEGORIES], axis=1, num_outputs=len(CATEGORIES))]
    for name in CATEGORIES:
        texts = vocabularies[name]
        keys = {"keys_strings": ["", *texts], "values_int64s": list(range(len(texts) + 1)), "default_int64": len(texts) + 1}
        front.append(helper.make_node("LabelEncoder", [f"text {name}"], [f"code {name}"], domain="ai.onnx.ml", **keys))
    front.append(helper.make_node("Concat", [f"code {name}" for name in CATEGORIES], ["codes"], axis=1))
    back = [helper.make_node("Gather", ["score", "which probability"], ["probability"], axis=1)]
    model.graph.initializer.append(helper.make_tensor("which probability", TensorProto.INT64, [], [1]))
    nodes = [*front, *model.graph.node, *back]
    _replace(model.graph.node, nodes)
    numbers = next(each for each in model.graph.input if each.name == "numbers")
    _replace(model.graph.input, [numbers, helper.make_tensor_value_info("texts", TensorProto.STRING, ["n", len(CATEGORIES)])])
    _replace(model.graph.output, [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, ["n"])])
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _replace(held: Any, others: Sequence[Any]) -> None:
    del held[:]
    held.extend(others)
