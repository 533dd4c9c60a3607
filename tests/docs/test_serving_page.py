"""The page about the server is run: each of its curl commands answers what stands below it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.app.rest.conftest import SAMPLE, Running, bundle_of, running

from homeostat.app.rest import explain, lines
from homeostat.app.rest.protocol import Limits
from homeostat.app.rest.routes import FIXED
from homeostat.graph.encode import load_plan
from homeostat.serving.bundle import build

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```bash\n(.*?)^```\n\n```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def bike(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    bundle = build(load_plan(bundle_of().plan), name="bike", sample=SAMPLE, ignored=[], facts={}, created="")
    with running(tmp_path_factory.mktemp("log"), bundle, limits=Limits()) as found:
        yield found


def values(text: str) -> list[Any]:
    """The JSON values in a text, one after the other."""
    found, at, decoder = [], 0, json.JSONDecoder()
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        found.append(value)
    return found


def without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: "?" if name == "request" or str(each).startswith("pr-") else without_ids(each) for name, each in value.items()}
    return [without_ids(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("command", "answer"), EXAMPLES, ids=[re.search(r"(/[a-z/0-9]+)", each[0].partition("8000")[2])[0] for each in EXAMPLES]
)  # type: ignore[index]
def test_the_commands_of_the_page_answer_what_it_says(bike: Running, command: str, answer: str) -> None:
    done = subprocess.run(
        ["bash", "-c", command.replace("http://127.0.0.1:8000", bike.url)], capture_output=True, text=True, check=True, timeout=30
    )
    assert without_ids(values(done.stdout)) == without_ids(values(answer))


def test_every_address_is_on_the_page() -> None:
    for path in FIXED:
        assert f"{path}`" in PAGE or f"{path}," in PAGE, path


def test_the_limits_are_those_of_the_code() -> None:
    limits = Limits()
    assert f"| {limits.max_body_bytes >> 20} MiB | 413" in PAGE
    assert f"| {limits.max_rows:,} | 413" in PAGE
    assert f"| {limits.max_waiting:,} | 429" in PAGE
    assert f"| {limits.body_timeout_s:g} s | 408" in PAGE
    assert f"| {explain.EXACT_ROWS} exact, {explain.SAMPLED_ROWS} sampled | 413" in PAGE
    assert f"| {explain.MOST_WAITING} | 429" in PAGE
    assert lines.MAX_LINE_BYTES == 1 << 20
