from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

from homeostat.graph.onnx import compile_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.graph.plan import Plan

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="session")
def run_onnx() -> Callable[..., Arrays]:
    """Compile, check the model, run it in ONNX Runtime: the outputs by name."""

    def run(plan: Plan, numbers: np.ndarray, codes: np.ndarray, terms: np.ndarray | None = None) -> Arrays:
        content = compile_plan(plan)
        onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        given = {"numbers": numbers, "codes": codes, "terms": terms}
        feed = {each.name: given[each.name] for each in session.get_inputs()}
        return dict(zip([each.name for each in session.get_outputs()], session.run(None, feed), strict=True))

    return run
