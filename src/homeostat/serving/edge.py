"""The champion in other languages: for each target the files of its folder, as bytes by name.

Every folder has the manifest, rows with the answers that the bundle gives them (``parity.json``), and a program that checks them where it
runs. What a target cannot hold is refused by the compilers of ``graph``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from homeostat.graph.c import filled, identifier
from homeostat.graph.encode import load_plan
from homeostat.serving.edge_c import c_program
from homeostat.serving.edge_javascript import html_page, javascript_module, package_name, part, web_module
from homeostat.serving.proof import proof_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeostat.serving.bundle import Bundle
    from homeostat.serving.proof import Proof

Files = dict[str, bytes]

TARGETS = ("onnx", "ort", "web", "js", "html", "c")
MOBILE_MODEL, MOBILE_CONFIG = "model.ort", "required_operators.config"


def edge_folder(target: str, bundle: Bundle, proof: Proof, mobile: Mapping[str, bytes]) -> Files:
    """The files of one of ``TARGETS``.

    Args:
        target: which one.
        bundle: what is exported.
        proof: rows with the bundle's answers.
        mobile: for ``ort`` the converted graph and its operator config, by ``MOBILE_MODEL`` and ``MOBILE_CONFIG``.

    Raises:
        BundleError: HS410, the target cannot hold a part of the model.
    """
    plan = load_plan(bundle.plan)
    described = {"manifest.json": bundle.manifest.to_json(), "README.md": _readme(target, bundle, proof)}
    rows = {"parity.json": as_json(proof_json(bundle, proof, decoded=target in ("onnx", "ort")))}
    if target == "onnx":
        return {"model.onnx": bundle.graph, "plan.json": bundle.plan, "check.py": part("check.py").encode(), **described, **rows}
    if target == "ort":
        return {**mobile, "check.py": part("check.py").encode(), **described, **rows}
    if target == "c":
        return c_program(bundle, plan, proof) | described | rows
    if target == "js":
        return javascript_module(bundle, plan) | described | rows
    if target == "web":
        return web_module(bundle, plan) | described | rows
    return {"index.html": html_page(bundle, plan, proof)} | described


def as_json(value: Any) -> bytes:
    """JSON in one line, with every list and number as Python says it."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _readme(target: str, bundle: Bundle, proof: Proof) -> bytes:
    prefix = identifier(bundle.manifest.name)
    example = {each.name: each.example for each in bundle.manifest.inputs}
    text = filled(
        part(f"README.{target}.md").rstrip("\n"),
        {
            "NAME": bundle.manifest.name,
            "TARGET": f"of `{bundle.manifest.target}`",
            "PREFIX": prefix,
            "UPPER": prefix.upper(),
            "PACKAGE": package_name(bundle),
            "EXAMPLE": json.dumps(example, ensure_ascii=False),
            "ROWS": f"{len(proof.rows):,}",
            "TOLERANCE": f"{proof.tolerance:g}",
            "CONFIG": MOBILE_CONFIG,
        },
    )
    return text.encode()
