"""The charter as a record, and its published JSON Schema.

``python -m homeostat.charter.schema > docs/charter.schema.json`` writes the schema that editors complete with.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Literal

from pydantic import Field

from homeostat.core.sections import (
    Data,
    Deploy,
    Labelling,
    Learning,
    Monitor,
    Name,
    Objective,
    Policy,
    Preparation,
    Privacy,
    Problem,
    Section,
    Store,
    Success,
    Task,
    Value,
)

VERSION = 1


class Charter(Section):
    """One model's charter: every section a stage is told, frozen. Rules across sections: ``homeostat.charter.rules``."""

    version: Literal[1] = Field(default=1, description="version of the charter's format")
    name: Name = Field(description="the model's name: lower-case letters, digits, '.', '_' and '-'")
    problem: Problem
    task: Task
    objectives: tuple[Objective, ...] = Field(
        default=(),
        description="several models whose weighted sum is the score; task.target is then the name of the same sum of their targets",
    )
    value: Value = Value()
    success: Success
    data: Data
    privacy: Privacy = Privacy()
    labelling: Labelling = Labelling()
    preparation: Preparation = Preparation()
    learning: Learning = Learning()
    deploy: Deploy = Deploy()
    monitor: Monitor = Monitor()
    policy: Policy = Policy()
    store: Store = Store()


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a charter file, with the known metrics as the allowed values of ``success.metric``."""
    from homeostat.stats.metrics import METRICS

    schema = Charter.model_json_schema(mode="validation")
    goals = sorted(name for name, one in METRICS.items() if one.role == "success")
    limits = sorted(name for name, one in METRICS.items() if one.role != "told")
    for section, names in (("Success", goals), ("Guardrail", limits), ("MetricMapping", goals), ("Objective", goals)):
        schema["$defs"][section]["properties"]["metric"]["enum"] = names
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Homeostat charter"}


def schema_text() -> str:
    """The schema as the published file holds it: indented JSON with a final line end."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
