"""The manifest: what a bundle's graph is, what callers send it, what comes back, and what it was made from."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from homeostat.core.ids import digest
from homeostat.errors import BundleError
from homeostat.graph.plan import Input

FORMAT, FIRST_FORMAT = 2, 1
"""A bundle that answers intervals is of the second format; any other is written as before there were intervals."""

ENDS = ("lower", "upper")

# The names of ``core.sections``, written again because that module loads pydantic and the prediction server does not need it.
TaskName = Literal["binary", "multiclass", "regression"]
KindName = Literal["number", "category", "boolean", "timestamp", "text"]


class Field(msgspec.Struct, frozen=True):
    """One raw input. ``minimum``, ``maximum`` (numbers) and ``nullable`` tell what the sample held; they limit nothing."""

    name: str
    kind: KindName
    vocabulary: tuple[str, ...] = ()
    example: str | int | float | bool | None = None
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None


class Output(msgspec.Struct, frozen=True):
    """One output as the Open Inference Protocol names it; -1 in a shape is the number of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Parity(msgspec.Struct, frozen=True):
    """How far the graph was from the library's own predictions when it was packed."""

    rows: int
    max_difference: float
    flips: int


class Manifest(msgspec.Struct, frozen=True):
    """Everything about a bundle that is not its graph.

    ``ignored`` names columns a caller may send that no prediction depends on (the target, ids, columns left out).
    ``costs`` (multiclass, optional) is what deciding one class costs when another is true, actual by predicted.
    ``facts`` are the ledger ids and digests the bundle comes from; ``created`` is ISO 8601. ``coverage`` (regression, optional) is the
    share of rows whose truth should lie between ``lower`` and ``upper``.
    """

    name: str
    task: TaskName
    target: str
    inputs: tuple[Field, ...]
    outputs: tuple[Output, ...]
    graph_sha256: str
    plan_sha256: str
    classes: tuple[str, ...] = ()
    threshold: float = 0.5
    costs: tuple[tuple[float, ...], ...] = ()
    ignored: tuple[str, ...] = ()
    created: str = ""
    facts: dict[str, str] = {}
    parity: Parity | None = None
    format: int = FIRST_FORMAT
    coverage: float | msgspec.UnsetType = msgspec.UNSET

    @property
    def intervals(self) -> bool:
        """Whether each answer has a lower and an upper end."""
        return self.coverage is not msgspec.UNSET

    def to_json(self) -> bytes:
        """The manifest as JSON; equal manifests give equal bytes."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=2)

    def graph_inputs(self) -> tuple[Input, ...]:
        """The inputs as the decoder takes them."""
        return tuple(Input(each.name, each.kind, each.vocabulary) for each in self.inputs)

    def required(self) -> tuple[str, ...]:
        """Names a caller must send (a null counts as sent)."""
        return tuple(each.name for each in self.inputs)

    def accepted(self) -> tuple[str, ...]:
        """Names a caller may send."""
        return (*self.required(), *self.ignored)


class _Header(msgspec.Struct):
    format: int


def load_manifest(content: bytes) -> Manifest:
    """The manifest behind the bytes of ``Manifest.to_json``.

    Raises:
        BundleError: HS403, written in a newer format; HS401, not a manifest.
    """
    try:
        written = msgspec.json.decode(content, type=_Header).format
        if written > FORMAT:
            raise BundleError(
                "HS403",
                f"got a bundle of format {written}; this program reads up to {FORMAT}",
                place="manifest.json",
                next_step="upgrade homeostat",
            )
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as damage:
        raise BundleError("HS401", f"the manifest cannot be read: {damage}", place="manifest.json") from damage


def interface_digest(manifest: Manifest) -> str:
    """Digest of what a caller's row means to the graph: task, classes, threshold or costs, coverage, and the inputs with vocabularies.

    The graph carries it too, so that a graph and a manifest that do not belong together are found out.
    """
    inputs: list[Any] = [[each.name, each.kind, list(each.vocabulary)] for each in manifest.inputs]
    decision = {"threshold": manifest.threshold} | ({"costs": [list(row) for row in manifest.costs]} if manifest.costs else {})
    interval = {"coverage": manifest.coverage} if manifest.intervals else {}
    return digest({"task": manifest.task, "classes": list(manifest.classes), **decision, **interval, "inputs": inputs})


def outputs_of(task: TaskName, classes: tuple[str, ...], *, intervals: bool = False) -> tuple[Output, ...]:
    """The outputs of a served model, in the order they are answered."""
    prediction = Output("prediction", "FP64" if task == "regression" else "BYTES", (-1,))
    if task == "regression":
        return (prediction, *(Output(name, "FP64", (-1,)) for name in ENDS)) if intervals else (prediction,)
    if task == "binary":
        return (prediction, Output("probability", "FP64", (-1,)))
    return (prediction, Output("probabilities", "FP64", (-1, len(classes))))
