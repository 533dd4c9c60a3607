"""A version's bill of materials, from the ledger and its bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core.ids import digest
from homeostat.flow.signing import trusted_bundle

if TYPE_CHECKING:
    from homeostat.flow.project import Project
    from homeostat.flow.registry import Version
    from homeostat.serving.bundle import Bundle

BOM_FILE = "bom.cdx.json"


def bill_of(project: Project, version: Version, bundle: Bundle | None = None) -> bytes:
    """The bill of materials of a version as CycloneDX JSON; its signature and its bundle are checked first.

    Raises:
        Refusal: HS711 or HS712, the version is not what was signed.
        BundleError: HS401, the bundle is missing or altered.
    """
    from homeostat.validation.bom import Lineage, bill_of_materials

    bundle = bundle or trusted_bundle(project, version)
    body, manifest = version.fact.body, bundle.manifest
    behind = {name: project.require(str(body[name])) for name in ("candidate", "evaluation", "verdict", "dataset", "run", "charter")}
    made = Lineage(
        number=version.number,
        version=version.fact,
        **behind,
        inputs=[(each.name, each.kind) for each in manifest.inputs],
        outputs=[(each.name, each.datatype) for each in manifest.outputs],
        parts={
            "manifest.json": digest(manifest.to_json()),
            "model.onnx": manifest.graph_sha256,
            "plan.json": manifest.plan_sha256,
        },
    )
    return bill_of_materials(made)
