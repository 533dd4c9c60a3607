"""The bundle: one deterministic file that holds the graph, its manifest and the plan it was compiled from.

The file is an uncompressed zip of ``manifest.json``, ``model.onnx`` and ``plan.json`` with fixed times, so that equal
bundles are equal bytes on every machine, and reading can demand that packing again gives the very same bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from homeostat.core.ids import digest
from homeostat.errors import BundleError
from homeostat.graph.encode import dump_plan
from homeostat.serving.manifest import FORMAT, Field, Manifest, Parity, interface_digest, load_manifest, outputs_of

if TYPE_CHECKING:
    import polars as pl

    from homeostat.graph.plan import Input, Plan
    from homeostat.serving.parity import ParityReport

FILES = ("manifest.json", "model.onnx", "plan.json")
MAX_BYTES = 1 << 30
MAX_MANIFEST_BYTES = 64 << 20
LONGEST_EXAMPLE = 80
INTERFACE_KEY = "homeostat.interface"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A model ready to serve: serialised ONNX, manifest, and the plan as ``graph.encode`` writes it."""

    graph: bytes
    manifest: Manifest
    plan: bytes

    def inputs(self) -> tuple[Input, ...]:
        """The raw inputs, as the decoder takes them."""
        return self.manifest.graph_inputs()

    def with_parity(self, report: ParityReport) -> Bundle:
        """The same bundle with the parity report in its manifest."""
        parity = Parity(report.rows, report.max_difference, report.flips)
        return replace(self, manifest=msgspec.structs.replace(self.manifest, parity=parity))


def build(plan: Plan, *, name: str, sample: pl.DataFrame, ignored: Sequence[str], facts: Mapping[str, str], created: str) -> Bundle:
    """Compile a plan to its graph and write the manifest; examples and ranges of the inputs come from ``sample``.

    Raises:
        LearningError: HS304, the plan has no inputs.
    """
    from homeostat.graph.onnx import compile_plan

    described = tuple(_describe(each, sample) for each in plan.inputs)
    draft = Manifest(
        name=name,
        task=plan.task,
        target=plan.target,
        inputs=described,
        outputs=outputs_of(plan.task, plan.classes, intervals=plan.interval is not None),
        graph_sha256="",
        plan_sha256="",
        classes=plan.classes,
        threshold=float(plan.threshold),
        costs=() if plan.costs is None else tuple(tuple(row) for row in plan.costs.tolist()),
        ignored=tuple(column for column in ignored if column not in {each.name for each in plan.inputs}),
        created=created,
        facts=dict(facts),
    )
    if plan.interval is not None:
        draft = msgspec.structs.replace(draft, format=FORMAT, coverage=plan.interval.coverage)
    graph = compile_plan(plan, {"homeostat.name": name, INTERFACE_KEY: interface_digest(draft)})
    packed = dump_plan(plan)
    return Bundle(graph, msgspec.structs.replace(draft, graph_sha256=digest(graph), plan_sha256=digest(packed)), packed)


def pack(bundle: Bundle) -> bytes:
    """The bundle as one file; equal bundles give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in zip(FILES, (bundle.manifest.to_json(), bundle.graph, bundle.plan), strict=True):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # written on every system as on Unix, so that the bytes do not tell where
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def unpack(content: bytes) -> Bundle:
    """The bundle behind the bytes of ``pack``, checked in every byte. Nothing is written to disk and nothing is executed.

    Raises:
        BundleError: HS401, damaged, altered, or larger than 1 GiB; HS403, written in a newer format.
    """
    files = _read_files(content)
    manifest = load_manifest(files["manifest.json"])
    for name, wanted in (("model.onnx", manifest.graph_sha256), ("plan.json", manifest.plan_sha256)):
        got = digest(files[name])
        if got != wanted:
            raise BundleError("HS401", f"got SHA-256 {got[:12]}, the manifest says {wanted[:12]}", place=name, next_step=_AGAIN)
    bundle = Bundle(files["model.onnx"], manifest, files["plan.json"])
    if pack(bundle) != content:
        raise BundleError("HS401", "the file holds more than a bundle or was written by another program", next_step=_AGAIN)
    return bundle


_AGAIN = "take the bundle from where it was made, or train again"


def _read_files(content: bytes) -> dict[str, bytes]:
    if len(content) > MAX_BYTES:
        raise BundleError("HS401", f"got {len(content)} bytes; a bundle has at most {MAX_BYTES}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if tuple(entry.filename for entry in entries) != FILES:
                raise BundleError("HS401", f"got the files {[entry.filename[:40] for entry in entries[:5]]}; a bundle holds {list(FILES)}")
            # Stored entries cannot be larger than the file itself, so there is no zip bomb to defuse.
            if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(content) for entry in entries):
                raise BundleError("HS401", "got compressed or mis-sized entries; a bundle stores its files as they are")
            if entries[0].file_size > MAX_MANIFEST_BYTES:
                raise BundleError("HS401", f"got a manifest of {entries[0].file_size} bytes; allowed: {MAX_MANIFEST_BYTES}")
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as damage:
        raise BundleError("HS401", f"the file is not a readable bundle: {damage}", next_step=_AGAIN) from damage


def _describe(field: Input, sample: pl.DataFrame) -> Field:
    series = sample[field.name]
    present = series.drop_nulls().drop_nans() if series.dtype.is_float() else series.drop_nulls()
    numeric = series.dtype.is_numeric() and field.kind == "number" and len(present) > 0
    return Field(
        name=field.name,
        kind=field.kind,
        vocabulary=field.vocabulary,
        example=_example(present[len(present) // 2]) if len(present) else None,
        nullable=len(present) < len(series),
        minimum=_bound(present.min()) if numeric else None,
        maximum=_bound(present.max()) if numeric else None,
    )


def _example(value: Any) -> str | int | float | bool:
    if isinstance(value, str):
        return value[:LONGEST_EXAMPLE]
    if isinstance(value, bool | int | float):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _bound(value: Any) -> float:
    return float(value)
