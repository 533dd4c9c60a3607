"""``GET /`` for people: one page with a form made from the manifest, which asks this server and nothing else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from homeostat.app.rest.protocol import Reply, encode_json

if TYPE_CHECKING:
    from homeostat.app.rest.service import Service, Slot
    from homeostat.serving.manifest import Field

HTML = b"text/html"
SUGGESTED = 200
"""Values of a category that are suggested."""


def reply(service: Service) -> Reply:
    """The page; it may run its own script and ask its own server, and no more.

    Raises:
        RequestError: HS505 (503), no model is promoted yet.
    """
    slot = service.serving().main
    template, style, script = _assets()
    content = template.substitute(title=escape(slot.model), style=style, script=script, facts=_facts(slot))
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; connect-src 'self'; img-src data:; base-uri 'none'"
    )
    headers = ((b"content-security-policy", f"{policy}; form-action 'none'; frame-ancestors 'none'".encode()), (b"vary", b"accept"))
    return Reply(200, content.encode(), HTML + b"; charset=utf-8", headers)


def _facts(slot: Slot) -> str:
    """What the form is made from, as JSON that cannot end the element it stands in."""
    manifest = slot.manifest
    about = {"model": slot.model, "version": slot.version, "task": manifest.task, "target": manifest.target, "classes": manifest.classes}
    told = encode_json({**about, "inputs": [_field(each) for each in manifest.inputs]}).decode()
    return told.replace("<", "\\u003c")


def _field(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "kind": field.kind,
        "example": field.example,
        "minimum": field.minimum,
        "maximum": field.maximum,
        "vocabulary": field.vocabulary[:SUGGESTED] if field.kind == "category" else (),
        "more": max(0, len(field.vocabulary) - SUGGESTED),
    }


@cache
def _assets() -> tuple[Template, str, str]:
    folder = Path(__file__).with_name("assets")
    page, style, script = ((folder / f"try.{kind}").read_text() for kind in ("html", "css", "js"))
    return Template(page), style, script


@cache
def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
