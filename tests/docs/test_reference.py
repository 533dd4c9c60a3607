"""The reference pages say what the code says: error codes, words, the charter's schema, the kinds of facts."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

import homeostat
from homeostat.core import facts
from homeostat.errors import CODES

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(Path(homeostat.__file__).parent.rglob("*.py"))
TERMS = [
    "charter",
    "dataset version",
    "contract",
    "quarantine",
    "split",
    "holdout",
    "preparation",
    "learner",
    "trial",
    "candidate",
    "bundle",
    "gate",
    "verdict",
    "model version",
    "champion",
    "challenger",
    "deployment",
    "shadow",
    "canary",
    "window",
    "finding",
    "incident",
    "action",
    "policy",
    "ledger",
]


def rows_of(name: str) -> list[tuple[str, str]]:
    """The rows of a page's two-column table, without its head."""
    rows: list[tuple[str, str]] = re.findall(r"^\| (.+?) \| (.+) \|$", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.MULTILINE)
    return rows[1:]


def trees() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES]


def test_the_page_of_errors_is_the_table_of_codes() -> None:
    assert rows_of("errors.md") == list(CODES.items())
    assert list(CODES) == sorted(CODES)


def test_every_code_is_raised_somewhere_and_every_code_raised_is_known() -> None:
    raised: set[str] = set()
    for path, tree in trees():
        if path.name == "errors.py":
            continue
        # A code that is only compared with (`error.code == "HS705"`) is not raised there.
        compared = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Compare) for inner in ast.walk(node)}
        raised |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"HS\d{3}", node.value)
            and id(node) not in compared
        }
    assert raised - set(CODES) == set()
    assert set(CODES) - raised == set(), "no user can ever see these codes"


def test_the_glossary_has_every_word_of_the_design_once_and_in_order() -> None:
    rows = rows_of("glossary.md")
    words = [word for word, _ in rows]
    assert [term for term in TERMS if term not in words] == []
    assert words == sorted(set(words))
    assert [word for word, meaning in rows if len(meaning) < 15] == []


@pytest.mark.parametrize("name", ["bank-marketing", "bike-demand"])
def test_the_schema_is_valid_and_takes_the_example(name: str) -> None:
    schema = json.loads((ROOT / "docs" / "charter.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    charter = yaml.safe_load((ROOT / "examples" / name / "homeostat.yaml").read_text(encoding="utf-8"))
    assert [error.message for error in validator.iter_errors(charter)] == []
    del charter["task"]["target"]
    charter["goal"] = charter.pop("success")
    wrong = " ".join(error.message for error in validator.iter_errors(charter))
    for word in ("'target'", "'success'", "'goal'"):
        assert word in wrong


def test_the_kinds_of_facts_that_flow_records_are_those_documented() -> None:
    """Kinds are the first argument of ``project.record`` and ``project.fact``."""
    recorded = {
        node.args[0].value
        for path, tree in trees()
        if path.parent.name == "flow"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"record", "fact"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    listed = re.search(r"Kinds in use: (.*?)\.", facts.Fact.__doc__ or "", re.DOTALL)
    assert listed
    assert set(re.split(r",\s+", listed[1])) == recorded
