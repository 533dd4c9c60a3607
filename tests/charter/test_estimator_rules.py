"""The clauses about the team's own estimators: what is wrong is told with what is allowed; what makes sense passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from homeostat.charter.load import validate
from homeostat.charter.violations import clause

CHARTER: dict[str, Any] = {
    "name": "a",
    "problem": dict.fromkeys(("statement", "objective", "decision", "business_metric"), "text"),
    "task": {"type": "regression", "target": "y"},
    "success": {"metric": "mae"},
    "data": {"source": "data/"},
}
SPACE = {"depth": {"low": 2, "high": 9}, "rate": {"low": 0.01, "high": 1, "log": True, "start": 0.1}, "loss": {"choices": ["a", "b"]}}
SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "charter.schema.json").read_text(encoding="utf-8"))


def charter(learners: list[str], **estimators: Any) -> dict[str, Any]:
    return CHARTER | {"learning": {"learners": learners, "estimators": estimators}}


def own(**given: Any) -> dict[str, Any]:
    return {"path": "learners:boosted", **given}


def test_what_makes_sense_passes_the_rules_and_the_schema_and_keeps_its_types() -> None:
    raw = charter(["linear", "mine"], mine=own(flavour="tree", space=SPACE, params={"n": 3, "fast": True, "name": "x"}, seconds=5))
    made, wrong = validate(raw)
    assert (wrong, made is not None) == ([], True)
    jsonschema.Draft202012Validator(SCHEMA).validate(raw)
    assert made is not None
    mine = made.learning.estimators["mine"]
    firsts = {name: span.first for name, span in mine.space.items()}
    assert firsts == {"depth": 6, "rate": 0.1, "loss": "a"}
    assert [type(value) for value in mine.params.values()] == [int, bool, str]
    assert (mine.space["depth"].whole, mine.space["rate"].whole) == (True, False)


def spaced(span: dict[str, Any]) -> dict[str, Any]:
    return charter(["mine"], mine=own(space={"p": span}))


P = "learning.estimators.mine.space.p"
WRONG = [
    (charter(["linearr"]), "HS105", "learning.learners[0]", "did you mean linear?"),
    (charter(["linear", "mime"], mine=own()), "HS105", "learning.learners[1]", "did you mean mine?"),
    (charter(["linear"], mine=own()), "HS106", "learning.estimators.mine", "never tried"),
    (charter(["linear"], linear=own()), "HS106", "learning.estimators.linear", "call it otherwise"),
    (charter(["mine"], mine=own(path="learners.py")), "HS105", "learning.estimators.mine.path", "learners.py"),
    (charter(["mine"], mine=own(paths="a:b")), "HS103", "learning.estimators.mine.paths", "did you mean"),
    (charter(["mine"], mine=own(flavour="forest")), "HS105", "learning.estimators.mine.flavour", "'tree' or 'linear'"),
    (charter(["mine"], mine=own(seconds=0)), "HS105", "learning.estimators.mine.seconds", "greater than 0"),
    (charter(["mine"], mine=own(params={"window": 3})), "HS106", "learning.estimators.mine.params.window", "another name"),
    (charter(["mine"], mine=own(space=SPACE, params={"loss": "a"})), "HS106", "learning.estimators.mine.params.loss", "keep one"),
    (spaced({}), "HS104", P, "neither bounds nor choices"),
    (spaced({"low": 1}), "HS104", P, "only low"),
    (spaced({"low": 3, "high": 3}), "HS105", f"{P}.high", "more than low"),
    (spaced({"low": 0, "high": 3, "log": True}), "HS105", f"{P}.low", "more than 0"),
    (spaced({"low": 0, "high": 3, "start": 4}), "HS105", f"{P}.start", "from 0 to 3"),
    (spaced({"low": 0, "high": 3, "start": 1.5}), "HS105", f"{P}.start", "whole number"),
    (spaced({"choices": ["a"]}), "HS105", f"{P}.choices", "put a value that is always the same in params"),
    (spaced({"choices": ["a", "b"], "low": 1}), "HS106", f"{P}.low", "there are choices"),
]


@pytest.mark.parametrize(("raw", "code", "where", "said"), WRONG, ids=[where + said for _, _, where, said in WRONG])
def test_what_is_wrong_is_told_where_it_stands_with_what_is_allowed(raw: dict[str, Any], code: str, where: str, said: str) -> None:
    _, found = validate(raw)
    (told,) = [one for one in found if clause(one.loc) == where]
    assert told.code == code
    assert said in f"{told.message}; {told.next_step}"
