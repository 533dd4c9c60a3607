"""Stage 8 beyond the server: the champion as files for other languages and devices, each proved against the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.errors import BundleError, ProjectError
from homeostat.flow.bom import BOM_FILE, bill_of
from homeostat.flow.serving import serving

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from homeostat.flow.project import Project
    from homeostat.serving.bundle import Bundle
    from homeostat.serving.proof import Proof


def export(project: Project, folder: Path, targets: tuple[str, ...]) -> dict[str, Any]:
    """Write the champion for each target; see ``serving.edge`` for what they are.

    ``onnx`` goes into the folder itself, with the plan and the bill of materials, every other target into a folder of its name in it.
    All targets are made before the first file is written.

    Raises:
        ProjectError: HS609, no such target; HS602, the folder cannot be written.
        BundleError: HS410, a target cannot hold a part of the model; HS411, a converted model answers otherwise than the bundle.
    """
    from homeostat.serving.edge import TARGETS, edge_folder
    from homeostat.serving.proof import proof_of

    wanted = tuple(dict.fromkeys(targets))
    unknown = [target for target in wanted if target not in TARGETS]
    if unknown or not wanted:
        got = ", ".join(repr(target) for target in unknown) or "nothing"
        raise ProjectError("HS609", f"got {got} to export; allowed: {', '.join(TARGETS)}, separated by commas", place="--to")
    now = serving(project)
    proof = proof_of(now.bundle)
    mobile = _mobile(now.bundle, proof) if "ort" in wanted else {}
    files: dict[str, bytes] = {}
    for target in wanted:
        inside = "" if target == "onnx" else f"{target}/"
        files |= {f"{inside}{name}": content for name, content in edge_folder(target, now.bundle, proof, mobile).items()}
    if "onnx" in wanted:
        files[BOM_FILE] = bill_of(project, now.version, now.bundle)
    _write(folder, files)
    done = {"folder": str(folder), "files": sorted(files), "targets": list(wanted)}
    return {**done, "version": now.version.number, "bundle": now.version.bundle, "parity_rows": len(proof.rows)}


def _mobile(bundle: Bundle, proof: Proof) -> dict[str, bytes]:
    """The mobile model and its operator config, once ONNX Runtime itself has answered the proof's rows with it."""
    from homeostat.infra.mobile import mobile_model
    from homeostat.serving.edge import MOBILE_CONFIG, MOBILE_MODEL
    from homeostat.serving.proof import differences

    model, config = mobile_model(bundle.graph)
    largest, flips = differences(proof, model)
    if flips or largest > proof.tolerance:
        raise BundleError(
            "HS411", f"{flips} rows decided otherwise, largest difference {largest:g}; allowed: 0 and {proof.tolerance:g}", place="ort"
        )
    return {MOBILE_MODEL: model, MOBILE_CONFIG: config}


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ProjectError("HS602", f"cannot be written: {error.strerror}", place=str(error.filename or folder)) from error
