"""The page to try a model on: whole, harmless, and what the browser shows when it is used."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.app.rest.conftest import INPUTS, ROW, SAMPLE, Running, bundle_of, running

from homeostat.graph.encode import load_plan
from homeostat.serving.bundle import build

HTML = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


class Page(HTMLParser):
    """Elements of a page with their attributes, and the JSON in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.facts, self._in_facts = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_facts = dict(attrs).get("id") == "facts"

    def handle_data(self, data: str) -> None:
        self.facts += data if self._in_facts else ""

    def handle_endtag(self, tag: str) -> None:
        self._in_facts = False


def test_browsers_get_a_page_and_programs_the_facts(server: Running) -> None:
    found = server.client.get("/", headers=HTML)
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert server.client.get("/").json()["model"] == "bike"
    facts = json.loads(Page(found.text).facts)
    assert [each["name"] for each in facts["inputs"]] == [each.name for each in INPUTS]
    assert {each["name"]: each["example"] for each in facts["inputs"]} == server.client.get("/").json()["example"]
    assert facts["inputs"][4]["vocabulary"] == ["spring", "2"]


def test_the_page_needs_nothing_from_elsewhere(server: Running) -> None:
    found = server.client.get("/", headers=HTML)
    for tag, attributes in Page(found.text).elements:
        for name in ("src", "href", "action"):
            address = attributes.get(name) or ""
            assert not re.match(r"(https?:)?//", address), (tag, address)
    assert "http://" not in found.text  # nor in its script
    assert "https://" not in found.text
    policy = found.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_names_cannot_leave_the_place_they_stand_in(tmp_path: Any) -> None:
    plan = load_plan(bundle_of().plan)
    evil = "</script><script>alert(1)</script>"
    inputs = (*plan.inputs[:4], replace(plan.inputs[4], vocabulary=(evil, "2")))
    bundle = build(replace(plan, inputs=inputs, target=evil), name="bike", sample=SAMPLE, ignored=[], facts={}, created="")
    with running(tmp_path, bundle) as server:
        text = server.client.get("/", headers=HTML).text
    assert evil not in text
    assert text.count("<script") == 2
    assert json.loads(Page(text).facts)["target"] == evil


def test_without_a_model_there_is_no_page(tmp_path: Any) -> None:
    with running(tmp_path, None) as server:
        assert server.client.get("/", headers=HTML).status_code == 503


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.slow
def test_a_browser_shows_the_form_with_the_example(server: Running, tmp_path: Any) -> None:
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", f"--user-data-dir={tmp_path}"]
    asked = ["chromium", *flags, "--virtual-time-budget=3000", "--dump-dom", server.url]
    shown = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True).stdout
    page = Page(shown)
    labels = {attributes["for"] for tag, attributes in page.elements if tag == "label"}
    fields = {attributes.get("id") for tag, attributes in page.elements if tag in ("input", "select", "textarea")}
    assert labels == fields
    assert len(labels) == len(ROW)
    assert "curl -s http://127.0.0.1" in shown
    assert '"season":"spring"' in shown
