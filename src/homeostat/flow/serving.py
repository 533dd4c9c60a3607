"""Stage 8 as a journey: the champion online, and as files for use elsewhere. In batch: ``score``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.errors import ProjectError
from homeostat.flow.bom import BOM_FILE, bill_of
from homeostat.flow.registry import CHAMPION, Version, serving_version
from homeostat.flow.signing import check_pointer, trusted_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from homeostat.flow.project import Project
    from homeostat.serving.bundle import Bundle


@dataclass(frozen=True, slots=True, eq=False)
class Serving:
    """The version that serves, with its bundle."""

    version: Version
    bundle: Bundle


def serving(project: Project) -> Serving:
    """The champion with its bundle; its promotion, its registration and the bundle itself are what was signed.

    Raises:
        ProjectError: HS608, nothing is promoted yet; HS620, the ledger was altered.
        Refusal: HS711 or HS712, a signature does not hold.
        BundleError: HS401, the bundle is missing or altered.
    """
    version, pointer = serving_version(project), project.ledger.pointer(CHAMPION)
    if version is None or pointer is None:
        raise ProjectError("HS608", "no version is promoted yet", next_step="`homeostat run` trains, validates and promotes one")
    check_pointer(project, pointer)
    return Serving(version, trusted_bundle(project, version))


def export(project: Project, folder: Path, kinds: tuple[str, ...]) -> dict[str, Any]:
    """Write the champion as files: ``onnx`` gives the graph, its manifest, the plan, and the bill of materials.

    Raises:
        ProjectError: HS609, a kind this version does not write; HS602, the folder cannot be written.
    """
    unknown = [kind for kind in kinds if kind != "onnx"]
    if unknown:
        raise ProjectError("HS609", f"got {', '.join(unknown)!r} to export; this version writes onnx", place="--to")
    now = serving(project)
    bom = bill_of(project, now.version, now.bundle)
    files = {"model.onnx": now.bundle.graph, "manifest.json": now.bundle.manifest.to_json(), "plan.json": now.bundle.plan, BOM_FILE: bom}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ProjectError("HS602", f"cannot be written: {error.strerror}", place=str(folder)) from error
    return {"folder": str(folder), "files": sorted(files), "version": now.version.number, "bundle": now.version.bundle}
