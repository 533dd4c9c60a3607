"""The folders for JavaScript: a module with types, the same in front of onnxruntime-web, and one page that holds everything."""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from homeostat.graph.c import filled
from homeostat.graph.javascript import MODULES, compile_javascript, decision_tables, decoder_tables, module, written
from homeostat.serving.proof import proof_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.graph.plan import Plan
    from homeostat.serving.bundle import Bundle
    from homeostat.serving.manifest import Field, Manifest
    from homeostat.serving.proof import Proof

WEB_RUNTIME = "^1.23.0"
"""The versions of onnxruntime-web whose TreeEnsemble computes in double."""
WEB_MODULES = ("values.js", "answers.js")
PAGE_MODULES = ("check.js", "rows.js", "page.js")
TYPES = {
    "number": "number | bigint | null",
    "boolean": "boolean | 0 | 1 | null",
    "timestamp": "string | number | Date | null",
    "category": "string | number | bigint | boolean | null",
    "text": "string | null",
}
_TOLD = ("kind", "example", "nullable", "minimum", "maximum")


def javascript_module(bundle: Bundle, plan: Plan) -> dict[str, bytes]:
    """A package without dependencies: ``index.js``, its types, the tables, and ``check.mjs``.

    Raises:
        BundleError: HS410, the plan holds what JavaScript cannot.
    """
    tables = compile_javascript(plan, bundle.manifest.ignored)
    return {
        **_modules(MODULES),
        **_parts("index.js", "check.js", "check.mjs"),
        "index.d.ts": types_of(bundle.manifest, awaited=False),
        "package.json": _package(bundle, {}),
        "tables.js": f"export default {written(tables)};\n".encode(),
    }


def web_module(bundle: Bundle, plan: Plan) -> dict[str, bytes]:
    """A package that runs the graph in onnxruntime-web, with a page."""
    tables = {**decoder_tables(bundle.inputs(), bundle.manifest.ignored), **decision_tables(plan)}
    style = '<link rel="stylesheet" href="page.css">'
    imports = {"imports": {"onnxruntime-web": "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs"}}
    code = f'<script type="importmap">{json.dumps(imports)}</script>\n<script type="module" src="main.js"></script>'
    return {
        **_modules(WEB_MODULES),
        **_parts("check.mjs", "page.css", *PAGE_MODULES),
        "index.js": part("web.js").encode(),
        "main.js": part("web_main.js").encode(),
        "index.html": _page(bundle, style, code).encode(),
        "about.js": f"export default {written(_about(bundle))};\n".encode(),
        "index.d.ts": types_of(bundle.manifest, awaited=True),
        "package.json": _package(bundle, {"onnxruntime-web": WEB_RUNTIME}),
        "tables.js": f"export default {written(tables)};\n".encode(),
        "model.onnx": bundle.graph,
    }


def html_page(bundle: Bundle, plan: Plan, proof: Proof) -> bytes:
    """One file that needs no other and asks no network.

    Raises:
        BundleError: HS410, the plan holds what JavaScript cannot.
    """
    about = _about(bundle)
    content = {
        "about": about,
        "fields": about["fields"],
        "tables": compile_javascript(plan, bundle.manifest.ignored),
        "proof": proof_json(bundle, proof),
    }
    packed = base64.b64encode(zlib.compress(written(content).encode(), 9)).decode()
    sources = [*(module(name) for name in MODULES), *(part(name) for name in (*PAGE_MODULES, "html_main.js"))]
    data = f'<script type="text/plain" id="model">{packed}</script>'
    return _page(bundle, f"<style>\n{part('page.css')}</style>", f'{data}\n<script type="module">\n{joined(sources)}</script>').encode()


def joined(sources: Sequence[str]) -> str:
    """Modules as one: what they import from each other stands in front of them."""
    text = "\n".join(sources)
    return re.sub(
        r"^export (?=async |function |class |const )", "", re.sub(r"^import .*;\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE
    )


def types_of(manifest: Manifest, *, awaited: bool) -> bytes:
    """The TypeScript types of a module's functions, with the model's own field names."""
    fields = "\n".join(f"  /** {_hint(each)} */\n  {json.dumps(each.name)}: {TYPES[each.kind]};" for each in manifest.inputs)
    ignored = "".join(f"\n  {json.dumps(name)}?: unknown;" for name in manifest.ignored)
    wrap = "Promise<{}>" if awaited else "{}"
    lines = [
        f"/** {_comment(manifest.name)}: predicts {_comment(manifest.target)}. */",
        "",
        "/** A raw row; a null must be written. */",
        f"export interface Row {{\n{fields}{ignored}\n}}",
        "",
        f"export interface Answer {{\n{_answer(manifest)}\n}}",
        "",
        "export interface Problem {\n  field: string;\n  got: string;\n  allowed: string;\n}",
        "",
        "/** A row that is refused; `problems` has an entry for each bad field. */",
        "export class RowError extends Error {\n  problems: Problem[];\n}",
        "",
        "/** The answer to one row; a RowError for a row that is refused. */",
        f"export function predict(row: Row): {wrap.format('Answer')};",
        "",
        "/** An answer for each row, or what is wrong with it. */",
        f"export function predictAll(rows: Row[]): {wrap.format('(Answer | { problems: Problem[] })[]')};",
        "",
    ]
    return "\n".join(lines).encode()


def part(name: str) -> str:
    """One of the hand-written files beside this module."""
    return (resources.files("homeostat.serving") / "edge_parts" / name).read_text(encoding="utf-8")


def package_name(bundle: Bundle) -> str:
    """The bundle's name as that of an npm package."""
    return re.sub(r"[^a-z0-9]+", "-", bundle.manifest.name.lower()).strip("-") or "model"


def _answer(manifest: Manifest) -> str:
    classes = " | ".join(json.dumps(name) for name in manifest.classes)
    if manifest.task == "binary":
        return f"  prediction: {classes};\n  /** Of {_comment(json.dumps(manifest.classes[1]))}. */\n  probability: number;"
    if manifest.task == "multiclass":
        return f"  prediction: {classes};\n  probabilities: Record<{classes}, number>;"
    ends = "\n  /** The ends of the interval. */\n  lower: number;\n  upper: number;" if manifest.intervals else ""
    return f"  prediction: number;{ends}"


def _hint(field: Field) -> str:
    seen = f"; seen: {field.minimum:g} to {field.maximum:g}" if field.minimum is not None and field.maximum is not None else ""
    known = f"; known: {', '.join(field.vocabulary[:6])}{', ...' if len(field.vocabulary) > 6 else ''}" if field.kind == "category" else ""
    return _comment(f"{field.kind}{seen}{known}")


def _comment(text: str) -> str:
    return " ".join(text.replace("*/", "* /").split())


def _about(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    covered = f" Intervals hold {manifest.coverage:.0%} of the truths." if manifest.intervals else ""
    text = f"Predicts {manifest.target} ({manifest.task}) on this device.{covered} Made {manifest.created[:10] or 'at no known time'}."
    fields = [{name: each[name] for name in _TOLD} for each in msgspec.to_builtins(manifest.inputs)]
    return {"text": f"{text} Graph {manifest.graph_sha256[:12]}.", "target": manifest.target, "fields": fields}


def _page(bundle: Bundle, style: str, code: str) -> str:
    return filled(part("page.html").rstrip("\n"), {"TITLE": html.escape(bundle.manifest.name), "STYLE": style, "CODE": code})


def _modules(names: Sequence[str]) -> dict[str, bytes]:
    return {name: module(name).encode() for name in names}


def _parts(*names: str) -> dict[str, bytes]:
    return {name: part(name).encode() for name in names}


def _package(bundle: Bundle, dependencies: dict[str, str]) -> bytes:
    told = {
        "name": package_name(bundle),
        "version": "1.0.0",
        "description": f"A model of {bundle.manifest.target}, graph {bundle.manifest.graph_sha256[:12]}",
        "private": True,
        "type": "module",
        "exports": {".": {"types": "./index.d.ts", "default": "./index.js"}},
        "types": "./index.d.ts",
        "scripts": {"check": "node check.mjs"},
        **({"dependencies": dependencies} if dependencies else {}),
    }
    return json.dumps(told, indent=2).encode() + b"\n"
