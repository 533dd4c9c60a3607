"""What goes with every exported model: rows, the answers that the bundle's own graph gives them, and how far another may be off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from homeostat.errors import BundleError, RequestError
from homeostat.graph.decode import RowDecoder
from homeostat.graph.encode import load_plan
from homeostat.graph.plan import Single, widths
from homeostat.serving.answers import Answer, answers
from homeostat.serving.parity import SINGLE_TOLERANCE, TOLERANCE, largest_difference
from homeostat.serving.parity_rows import COUNT, parity_rows
from homeostat.serving.predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.graph.plan import Decoded, Floats, Ints, Plan
    from homeostat.serving.bundle import Bundle
    from homeostat.serving.parity_rows import Row

AT_ONCE = 100
SPARE = 2
"""How many times as many rows are drawn at most, as some may have no finite score."""


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """Rows of named fields, none of which the bundle refuses; scores (n, k), decisions (n,) and ends (n, 2) or None of each."""

    rows: list[Row]
    scores: Floats
    decisions: Ints
    ends: Floats | None
    answers: list[Answer]
    decoded: Decoded
    tolerance: float


def proof_of(bundle: Bundle, count: int = COUNT) -> Proof:
    """The rows that the manifest gives, answered by the bundle; rows without a finite score are replaced by others.

    Raises:
        BundleError: HS411, nearly every row has no finite score.
    """
    predictor = Predictor(bundle)
    rows: list[Row] = []
    for more in (1, SPARE):
        drawn = parity_rows(bundle.manifest, more * count)
        rows = [row for at in range(0, len(drawn), AT_ONCE) for row in _answered(predictor, drawn[at : at + AT_ONCE])]
        if len(rows) >= count:
            break
    if not rows:
        raise BundleError(
            "HS411", "no row drawn from the manifest has a finite score, so nothing can be proved", place=bundle.manifest.name
        )
    kept = rows[:count]
    said = predictor.say_rows(kept)
    return Proof(
        kept,
        said.scores,
        said.decisions,
        said.ends,
        answers(bundle.manifest, *said),
        RowDecoder(bundle.inputs(), bundle.manifest.ignored).rows(kept),
        tolerance_of(load_plan(bundle.plan)),
    )


def differences(proof: Proof, model: bytes) -> tuple[float, int]:
    """How far a converted graph is off on the rows of a proof, as ``parity.largest_difference`` says it, and how many decisions differ."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feeds = {each.name: getattr(proof.decoded, each.name) for each in session.get_inputs()}
    found = dict(zip([each.name for each in session.get_outputs()], session.run(None, feeds), strict=True))
    ends = 0.0 if proof.ends is None else largest_difference(np.column_stack([found["lower"], found["upper"]]), proof.ends)
    flips = int(np.count_nonzero(found["decision"] != proof.decisions)) if "decision" in found else 0
    return max(largest_difference(found["score"], proof.scores), ends), flips


def tolerance_of(plan: Plan) -> float:
    """How far two targets may be apart: kinds that compute in float32 inside are allowed more."""
    return SINGLE_TOLERANCE if any(isinstance(node, Single) for node in plan.nodes) else TOLERANCE


def proof_json(bundle: Bundle, proof: Proof, *, decoded: bool = False) -> dict[str, Any]:
    """The proof as JSON: rows as lists in the order of the inputs, answers as callers read them.

    With ``decoded``, the graph's inputs and outputs by their names, too, for programs that have no decoder; null is NaN.
    """
    names = [each.name for each in bundle.manifest.inputs]
    told: dict[str, Any] = {
        "tolerance": proof.tolerance,
        "inputs": names,
        "rows": [[row[name] for name in names] for row in proof.rows],
        "answers": msgspec.to_builtins(proof.answers),
    }
    if decoded:
        wide = {name: width for name, width in widths(bundle.inputs()).items() if width}
        told["feeds"] = {name: _plain(getattr(proof.decoded, name)) for name in wide}
        told["wanted"] = {"score": proof.scores.tolist()} | ({"decision": proof.decisions.tolist()} if bundle.manifest.classes else {})
        if proof.ends is not None:
            told["wanted"] |= {"lower": proof.ends[:, 0].tolist(), "upper": proof.ends[:, 1].tolist()}
    return told


def _answered(predictor: Predictor, rows: Sequence[Row]) -> list[Row]:
    """Those of the rows that have a finite score."""
    try:
        predictor.say_rows(rows)
    except RequestError:
        if len(rows) == 1:
            return []
        return [row for each in rows for row in _answered(predictor, [each])]
    return list(rows)


def _plain(block: Floats | Ints) -> list[list[float | int | None]]:
    return [[None if value != value else value for value in row] for row in block.tolist()]  # noqa: PLR0124  # NaN
