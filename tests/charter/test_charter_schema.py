"""The published schema, the rules' completeness and the upgrade chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from homeostat.charter.clauses import meant, trim
from homeostat.charter.rules import RULES
from homeostat.charter.schema import VERSION, Charter, json_schema, schema_text
from homeostat.charter.upgrade import STEPS, upgrade
from homeostat.charter.yaml_nodes import compose, plain
from homeostat.errors import CharterError

ROOT = Path(__file__).resolve().parents[2]


def test_the_published_schema_is_the_codes() -> None:
    published = (ROOT / "docs" / "charter.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "run: python -m homeostat.charter.schema > docs/charter.schema.json"


@pytest.mark.parametrize("name", ["bike-demand", "bank-marketing"])
def test_the_published_schema_accepts_the_examples(name: str) -> None:
    content = plain(compose((ROOT / "examples" / name / "homeostat.yaml").read_text(), name))
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    assert list(validator.iter_errors(content)) == []
    content["success"]["metric"] = "accuraccy"
    assert [error.json_path for error in validator.iter_errors(content)] == ["$.success.metric"]


def test_every_rule_names_sections_that_exist() -> None:
    assert {name for _, needs in RULES for name in needs} <= set(Charter.model_fields)
    assert len({rule for rule, _ in RULES}) == len(RULES)


def test_a_charter_of_the_current_version_is_not_changed() -> None:
    assert len(STEPS) + 1 == VERSION
    raw = {"version": 1, "name": "a"}
    assert upgrade(raw) == raw
    assert upgrade({"name": "a"}) == {"name": "a"}
    assert upgrade({"version": "x"}) == {"version": "x"}


def test_older_charters_go_step_by_step() -> None:
    steps = {
        1: lambda raw: {"label": raw.pop("name")},
        2: lambda raw: {**raw, "label": raw["label"].upper()},
    }
    old: dict[str, Any] = {"name": "a"}
    assert upgrade(old, steps) == {"label": "A", "version": 3}
    assert old == {"name": "a"}
    assert upgrade({"version": 2, "label": "b"}, steps) == {"label": "B", "version": 3}
    assert upgrade({"version": 3, "label": "c"}, steps) == {"label": "c", "version": 3}
    with pytest.raises(CharterError) as caught:
        upgrade({"version": 4}, steps)
    assert caught.value.code == "HS107"


def test_clauses_are_found_by_the_schema() -> None:
    assert meant(("task", "leaveout")) == "task.leave_out"
    assert meant(("policy", "port")) == "deploy.port"
    assert meant(("qwertz",)) == ""
    assert trim(("preparation", "holdout", "constrained-float")) == ("preparation", "holdout")
    assert trim(("policy", "windows", 1, "kind")) == ("policy", "windows", 1, "kind")
    assert trim(("preparation", "types", "a column")) == ("preparation", "types", "a column")


def test_yaml_1_2_and_1_1_agree_on_what_is_dumped() -> None:
    from homeostat.charter.yaml_nodes import dump

    values = {"a": ["no", "1e3", "12:30", "null", "", "0x1F", "=", "<<", 1, 1.5, True, None, "2024-01-01"]}
    assert yaml.safe_load(dump(values)) == values
    assert plain(compose(dump(values), "x")) == values
