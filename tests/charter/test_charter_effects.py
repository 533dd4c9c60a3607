"""The map from clauses to effects holds every clause of the schema and no other, and is told with the charter's values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from homeostat.app.cli.main import main
from homeostat.charter.clauses import every_clause
from homeostat.charter.effects import EFFECTS, explain_effects
from homeostat.charter.load import load_charter
from homeostat.charter.schema import json_schema

BIKE = Path(__file__).resolve().parents[2] / "examples" / "bike-demand"


def test_every_clause_has_an_effect_and_every_effect_a_clause() -> None:
    clauses = list(every_clause())
    assert len(clauses) == len(set(clauses)) > 140
    assert [clause for clause in clauses if clause not in EFFECTS] == [], "a clause that nothing checks is an error in our code"
    assert [clause for clause in EFFECTS if clause not in set(clauses)] == []
    assert list(EFFECTS) == clauses  # in the order in which people read a charter


def test_the_walk_over_the_schema_misses_no_clause() -> None:
    """The published JSON Schema, walked on its own, has the same clauses."""
    schema = json_schema()

    def walk(node: dict, at: str) -> set[str]:
        found: set[str] = set()
        for name, inner in node["properties"].items():
            found |= below(inner, f"{at}{name}")
        return found

    def below(inner: dict, here: str) -> set[str]:
        options = [inner, *inner.get("anyOf", [])]
        references = [one["$ref"] for one in options if "$ref" in one]
        items = [one["items"]["$ref"] for one in options if "$ref" in one.get("items", {})]
        keyed = [value for one in options for value in (one.get("additionalProperties"), *one.get("patternProperties", {}).values())]
        values = [value["$ref"] for value in keyed if isinstance(value, dict) and "$ref" in value]
        marked = [(ref, "") for ref in references] + [(ref, "[]") for ref in items] + [(ref, ".*") for ref in values]
        if not marked:
            return {here}
        return set().union(*(walk(schema["$defs"][ref.rpartition("/")[2]], f"{here}{mark}.") for ref, mark in marked))

    assert walk(schema, "") == set(EFFECTS)


@pytest.mark.parametrize("clause", EFFECTS)
def test_an_effect_says_something(clause: str) -> None:
    effect = EFFECTS[clause]
    assert 1 <= effect.stage <= 11
    assert 12 <= len(effect.how) <= 120
    assert not effect.how.endswith(".")


def test_what_the_charter_says_is_told_with_its_values_in_its_order() -> None:
    charter = load_charter(BIKE / "homeostat.yaml")
    told = {one.clause: one for one in explain_effects(charter)}
    assert told["success.threshold"].value == "60"
    assert told["task.entity"].value == "[dteday, hr]"
    assert told["policy.windows[3].length"].value == "45d"
    assert told["problem.stakeholders[1].role"].value == "approver"
    assert told["preparation.types"].value == "{weathersit: category}"
    assert "deploy.port" not in told
    assert all(one.said for one in told.values())
    everything = explain_effects(charter, everything=True)
    assert [one for one in everything if one.said] == list(told.values())
    values = {one.clause: one.value for one in everything}
    assert values["deploy.port"] == "8000"
    assert values["value.payoff.true_positive.fixed"] == values["data.joins[].on"] == values["data.tables.*.source"] == "-"
    assert isinstance(charter, BaseModel)


def test_check_explains_without_reading_any_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (BIKE / "homeostat.yaml").read_text() + "\nstore: {ledger: 'postgresql://me:hush@db/x'}\n"
    (tmp_path / "homeostat.yaml").write_text(text.replace("source: data/ ", "source: 'https://me:hush@host/bike.csv?token=hush' "))
    assert main(["check", "--explain", "--project", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["clause", "value", "stage", "becomes", "how"]
    (row,) = [line for line in lines if line.startswith("success.threshold ")]
    assert row.split(None, 4) == ["success.threshold", "60", "7", "gate", EFFECTS["success.threshold"].how]
    assert main(["check", "--explain", "--all", "--json", "--project", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["clause"] for one in told["clauses"]} >= {"deploy.port", "value.costs", "store.ledger"}
    assert "hush" not in json.dumps(told) + "".join(lines)
    assert not (tmp_path / ".homeostat").exists()
