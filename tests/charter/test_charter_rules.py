"""Rules across sections: each contradiction is found, with its code and the clause; what makes sense passes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from homeostat.charter.load import validate

PROBLEM = dict.fromkeys(("statement", "objective", "decision", "business_metric"), "text")
REGRESSION: dict[str, Any] = {
    "name": "a",
    "problem": PROBLEM,
    "task": {"type": "regression", "target": "y", "time": "t"},
    "success": {"metric": "mae"},
    "data": {"source": "data/"},
}
BINARY = REGRESSION | {"task": {"type": "binary", "target": "y", "positive": "yes"}, "success": {"metric": "auc"}}
CLASSES = REGRESSION | {"task": {"type": "multiclass", "target": "y"}, "success": {"metric": "log_loss"}}
DATABASE = "postgresql://db/sales"
COSTS = {"a": {"a": 0, "b": 1}, "b": {"a": 5, "b": 0}}


def charter(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The base with clauses set by their dotted names."""
    raw = copy.deepcopy(base)
    for name, value in changes.items():
        *sections, last = name.split(".")
        at = raw
        for section in sections:
            at = at.setdefault(section, {})
        at[last] = value
    return raw


def wrong(base: dict[str, Any], changes: dict[str, Any]) -> list[tuple[str, str, str]]:
    from homeostat.charter.violations import clause

    made, found = validate(charter(base, changes))
    assert made is not None, [violation.message for violation in found]
    return [(one.code, clause(one.loc), one.message) for one in found]


MAPPING = {"metric": "mae", "business_better": "higher", "business_then": "rises", "because": "it is so"}
JOIN = {"table": "weather", "on": ["city"], "valid_from": "known"}
TABLES = {"weather": {"source": "weather.csv"}}
PAYOFF = {"true_positive": 10, "false_positive": -1}
STAY = {"name": "stay", "target": "days", "metric": "mae"}
BUY = {"name": "buy", "target": "bought", "type": "binary", "positive": "yes", "metric": "auc", "weight": 40, "at_least": 0.6}
BOTH = [STAY, BUY]


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        (REGRESSION, {}),
        (BINARY, {}),
        (CLASSES, {}),
        (REGRESSION, {"problem.metric_mapping": MAPPING}),
        (REGRESSION, {"objectives": BOTH}),
        (REGRESSION, {"objectives": [STAY | {"weight": -0.5, "at_most": 3}, BUY], "task.leave_out": ["days"]}),
        (REGRESSION, {"problem.metric_mapping": MAPPING | {"business_better": "lower", "business_then": "falls"}}),
        (BINARY, {"value.payoff": PAYOFF, "value.per_month": 100, "value.rows_per_month": 1000}),
        (BINARY, {"value.payoff": {"true_positive": {"fixed": 1, "per_amount": 0.5}}, "value.amount": "loan"}),
        (CLASSES, {"value.costs": COSTS}),
        (CLASSES, {"value.costs": {"a": {"a": -2, "b": -2}, "b": {"a": 0, "b": 0}}}),
        (REGRESSION, {"value.over": 1, "value.under": 2, "value.per_prediction": 0.1}),
        (REGRESSION, {"success.baseline": {"kind": "seasonal", "period": "7d"}}),
        (REGRESSION, {"success.baseline": {"kind": "column", "column": "forecast"}}),
        (REGRESSION, {"success.baseline": {"kind": "rule", "rule": "CASE WHEN temp > 20 THEN 2 * hr ELSE hr END"}}),
        (BINARY, {"success.baseline": {"kind": "rule", "rule": "'yes'"}}),
        (BINARY, {"success.guardrails": [{"metric": "brier", "at_most": 0.2}, {"metric": "f1", "at_least": 0.3}]}),
        (REGRESSION, {"problem.mode": "edge", "success.size_mb": 2}),
        (REGRESSION, {"data.source": DATABASE, "data.table": "t", "data.watermark": "w", "data.late": "2d", "data.slice": "month"}),
        (REGRESSION, {"data.tables": TABLES, "data.joins": [JOIN]}),
        (REGRESSION, {"data.tables": TABLES, "data.features": "features.sql"}),
        (REGRESSION, {"data.delimiter": ";", "data.decimal": ","}),
        (
            REGRESSION,
            {
                "privacy": {"never_use": ["sex"], "pseudonymise": ["id"], "never_store": ["name"], "never_log": ["sex"]},
                "success.segments": ["sex"],
                "task.entity": ["id"],
            },
        ),
        (REGRESSION, {"preparation.split": {"kind": "time", "gap": "1d", "folds": 3}}),
        (BINARY, {"preparation.split": {"kind": "group", "group": "client"}, "preparation.imbalance": "weights"}),
        (
            REGRESSION,
            {
                "preparation.columns": {
                    "a": {"impute": "mean", "clip": True, "transform": "log"},
                    "b": {"encode": "target"},
                    "c": {"drop": True},
                }
            },
        ),
        (REGRESSION, {"preparation.columns": {"d": {"encode": "tfidf"}}, "preparation.types": {"d": "text"}}),
        (BINARY, {"labelling.rules": [{"name": "r", "when": "age > 3", "label": "yes"}, {"name": "s", "when": "age < 3", "label": "no"}]}),
        (REGRESSION, {"labelling.rules": [{"name": "r", "when": "age > 3", "label": 1.5}]}),
        (REGRESSION, {"preparation.pca": 3}),
        (BINARY, {"learning.calibration": "isotonic"}),
        (CLASSES, {"learning.calibration": "temperature"}),
        (REGRESSION, {"learning.intervals": {"coverage": 0.8, "method": "scaled", "by": "horizon"}}),
        (CLASSES, {"success.calibration_error": 0.05, "success.robustness": 0.2}),
        (BINARY, {"success.metric": "auc", "success.test": "delong"}),
    ],
)
def test_what_makes_sense_passes(base: dict[str, Any], changes: dict[str, Any]) -> None:
    assert wrong(base, changes) == []


CASES: list[tuple[dict[str, Any], dict[str, Any], str, str, str]] = [
    (REGRESSION, {"objectives": [STAY]}, "HS120", "objectives", "got one"),
    (BINARY, {"objectives": BOTH}, "HS120", "task.type", "got binary"),
    (REGRESSION, {"objectives": [STAY | {"weight": 0}, BUY | {"weight": 0}]}, "HS120", "objectives", "every weight is 0"),
    (REGRESSION, {"objectives": [STAY, BUY | {"name": "stay"}]}, "HS120", "objectives[1].name", '"stay" a second time'),
    (REGRESSION, {"objectives": [STAY, STAY | {"name": "b"}]}, "HS120", "objectives[1].target", '"days" a second time'),
    (REGRESSION, {"objectives": [STAY | {"target": "y"}, BUY]}, "HS120", "objectives[0].target", "the name of the sum"),
    (REGRESSION, {"objectives": [STAY | {"target": "t"}, BUY]}, "HS120", "objectives[0].target", "task.time"),
    (REGRESSION, {"objectives": BOTH, "task.entity": ["days"]}, "HS120", "objectives[0].target", "task.entity"),
    (REGRESSION, {"objectives": BOTH, "success.segments": ["bought"]}, "HS120", "objectives[1].target", "success.segments"),
    (REGRESSION, {"objectives": BOTH, "privacy.never_store": ["bought"]}, "HS120", "objectives[1].target", "privacy.never_store"),
    (REGRESSION, {"objectives": [STAY, BUY | {"positive": None}]}, "HS120", "objectives[1].positive", "missing for type binary"),
    (REGRESSION, {"objectives": [STAY | {"positive": 1}, BUY]}, "HS120", "objectives[0].positive", "got 1 for a regression"),
    (REGRESSION, {"objectives": [STAY | {"metric": "auc"}, BUY]}, "HS120", "objectives[0].metric", "for a regression task"),
    (REGRESSION, {"objectives": [STAY, BUY | {"at_most": 0.9}]}, "HS120", "objectives[1]", "both at_least and at_most"),
    (REGRESSION, {"objectives": [STAY | {"at_least": 2}, BUY]}, "HS120", "objectives[0].at_least", "keeps good models out"),
    (REGRESSION, {"objectives": [STAY, BUY | {"at_least": 2}]}, "HS120", "objectives[1].at_least", "at most 1"),
    (
        REGRESSION,
        {"objectives": BOTH, "task.time": None, "preparation.split": {"kind": "stratified"}},
        "HS120",
        "preparation.split.kind",
        "changes with the weights",
    ),
    (
        REGRESSION,
        {"objectives": BOTH, "preparation.sample": {"rows": 100, "kind": "stratified"}},
        "HS120",
        "preparation.sample.kind",
        "changes with the weights",
    ),
    (
        REGRESSION,
        {"objectives": BOTH, "labelling.rules": [{"name": "r", "when": "a > 1", "label": 1}]},
        "HS120",
        "labelling.rules",
        "several objectives",
    ),
    # the goal
    (
        REGRESSION,
        {"problem.metric_mapping": MAPPING | {"metric": "rmse"}},
        "HS114",
        "problem.metric_mapping.metric",
        'success.metric is "mae"',
    ),
    (
        REGRESSION,
        {"problem.metric_mapping": MAPPING | {"business_then": "falls"}},
        "HS114",
        "problem.metric_mapping.business_then",
        'would make "text" worse',
    ),
    (
        REGRESSION,
        {"problem.metric_mapping": MAPPING | {"business_better": "lower"}},
        "HS114",
        "problem.metric_mapping.business_then",
        "of which lower is better",
    ),
    (BINARY, {"success.guardrails": [{"metric": "mae", "at_most": 1}]}, "HS115", "success.guardrails[0].metric", "for a binary task"),
    (BINARY, {"success.guardrails": [{"metric": "mcc", "at_least": -2}]}, "HS115", "success.guardrails[0].at_least", "at least -1"),
    (BINARY, {"success.metric": "recall"}, "HS112", "success.metric", "balanced_accuracy, mcc"),
    (BINARY, {"success.guardrails": [{"metric": "f2", "at_least": 0.1}]}, "HS115", "success.guardrails[0].metric", 'got "f2"'),
    (
        BINARY,
        {"success.guardrails": [{"metric": "auc", "at_least": 0.1}]},
        "HS115",
        "success.guardrails[0].metric",
        "which is success.metric",
    ),
    (BINARY, {"success.guardrails": [{"metric": "f1"}]}, "HS115", "success.guardrails[0]", "no limit"),
    (BINARY, {"success.guardrails": [{"metric": "f1", "at_least": 0.1, "at_most": 0.2}]}, "HS115", "success.guardrails[0]", "both"),
    (BINARY, {"success.guardrails": [{"metric": "f1", "at_most": 0.2}]}, "HS115", "success.guardrails[0].at_most", "higher f1 is better"),
    (BINARY, {"success.guardrails": [{"metric": "f1", "at_least": 30}]}, "HS115", "success.guardrails[0].at_least", "at most 1"),
    (
        BINARY,
        {"success.guardrails": [{"metric": "f1", "at_least": 0.1}, {"metric": "f1", "at_least": 0.2}]},
        "HS115",
        "success.guardrails[1].metric",
        "a second time",
    ),
    (REGRESSION, {"success.threshold": -3}, "HS105", "success.threshold", "at least 0"),
    (REGRESSION, {"success.baseline": "column"}, "HS116", "success.baseline", "without column"),
    (REGRESSION, {"success.baseline": "rule"}, "HS116", "success.baseline", "without rule"),
    (REGRESSION, {"success.baseline": "seasonal"}, "HS116", "success.baseline", "without period"),
    (REGRESSION, {"success.baseline": {"kind": "naive", "period": "7d"}}, "HS116", "success.baseline.period", "for kind naive"),
    (REGRESSION, {"success.baseline": {"kind": "seasonal", "period": "0d"}}, "HS116", "success.baseline.period", "no time at all"),
    (BINARY, {"success.baseline": {"kind": "seasonal", "period": "7d"}}, "HS116", "success.baseline.kind", "task.time is not set"),
    (REGRESSION, {"success.baseline": {"kind": "column", "column": "y"}}, "HS116", "success.baseline.column", "which is task.target"),
    (REGRESSION, {"success.baseline": {"kind": "column", "column": "t"}}, "HS116", "success.baseline.column", "which is task.time"),
    (REGRESSION, {"success.baseline": {"kind": "rule", "rule": "x +"}}, "HS116", "success.baseline.rule", "no SQL expression"),
    (REGRESSION, {"success.baseline": {"kind": "rule", "rule": "avg(x)"}}, "HS116", "success.baseline.rule", "other rows"),
    (REGRESSION, {"success.baseline": {"kind": "rule", "rule": "0.9 * y"}}, "HS116", "success.baseline.rule", "reads y"),
    (REGRESSION, {"success.test": "delong"}, "HS106", "success.test", "does not compare by mae; allowed: auto, bootstrap, diebold_mariano"),
    (BINARY, {"success.test": "mcnemar"}, "HS106", "success.test", "got mcnemar, which does not compare by"),
    (REGRESSION, {"success.calibration_error": 0.05}, "HS106", "success.calibration_error", "only the probabilities of classes"),
    (REGRESSION, {"problem.mode": "edge"}, "HS106", "problem.mode", "without success.size_mb"),
    (
        REGRESSION,
        {"problem.mode": "batch", "problem.scale": {"peak_requests_per_second": 9}},
        "HS106",
        "problem.scale.peak_requests_per_second",
        "only an online model",
    ),
    (
        REGRESSION,
        {"problem.scale": {"peak_requests_per_second": 0.5}},
        "HS106",
        "problem.scale.peak_requests_per_second",
        "below requests_per_second 1",
    ),
    # money
    (REGRESSION, {"value.payoff": PAYOFF}, "HS113", "value.payoff", "it is for binary tasks"),
    (BINARY, {"value.costs": COSTS}, "HS113", "value.costs", "it is for multiclass tasks"),
    (CLASSES, {"value.amount": "loan"}, "HS113", "value.amount", "it is for binary tasks"),
    (BINARY, {"value.over": 1}, "HS113", "value.over", "for regression tasks"),
    (REGRESSION, {"value.under": 1}, "HS113", "value.under", "give both or none"),
    (
        BINARY,
        {"value.payoff": {"false_negative": {"per_amount": -1}}},
        "HS113",
        "value.payoff.false_negative.per_amount",
        "names no column",
    ),
    (BINARY, {"value.payoff": PAYOFF, "value.amount": "loan"}, "HS113", "value.amount", "no outcome of value.payoff depends on it"),
    (BINARY, {"value.payoff": {"true_positive": {"per_amount": 1}}, "value.amount": "y"}, "HS113", "value.amount", "which is task.target"),
    (CLASSES, {"value.costs": {"a": {"a": 0}}}, "HS113", "value.costs", "at least two"),
    (CLASSES, {"value.costs": {"a": {"a": 0, "b": 1}, "b": {"b": 0}}}, "HS113", "value.costs.b", "says nothing of deciding a"),
    (CLASSES, {"value.costs": {"a": {"a": 0, "b": 1, "c": 1}, "b": {"a": 1, "b": 0}}}, "HS113", "value.costs.a.c", "which has no row"),
    (CLASSES, {"value.costs": {"a": {"a": 2, "b": 1}, "b": {"a": 5, "b": 0}}}, "HS113", "value.costs.a.a", "being right costs least"),
    (REGRESSION, {"value.over": 1, "value.under": 1, "value.per_month": 10}, "HS113", "value.per_month", "without value.rows_per_month"),
    (REGRESSION, {"value.per_prediction": 10}, "HS113", "value.per_prediction", "nothing in value says"),
    (REGRESSION, {"value.rows_per_month": 10}, "HS113", "value.rows_per_month", "nothing in value says"),
    # data
    (REGRESSION, {"data.source": DATABASE}, "HS118", "data.source", "neither table nor query"),
    (REGRESSION, {"data.source": "sqlite:///x.db", "data.table": "t", "data.query": "q"}, "HS118", "data.source", "both table and query"),
    (REGRESSION, {"data.source": DATABASE, "data.table": "t", "data.delimiter": ";"}, "HS118", "data.delimiter", "for a database"),
    (REGRESSION, {"data.source": DATABASE, "data.table": "t", "data.decimal": ","}, "HS118", "data.decimal", "for a database"),
    (REGRESSION, {"data.source": DATABASE, "data.table": "t", "data.encoding": "latin-1"}, "HS118", "data.encoding", "for a database"),
    (REGRESSION, {"data.source": DATABASE, "data.table": "t", "data.null_values": ["NA"]}, "HS118", "data.null_values", "for a database"),
    (REGRESSION, {"data.source": DATABASE, "data.table": "t", "data.slice": "week"}, "HS118", "data.slice", "without a watermark"),
    (REGRESSION, {"data.source": DATABASE, "data.table": "t", "data.late": "1d"}, "HS118", "data.late", "without a watermark"),
    (REGRESSION, {"data.table": "t"}, "HS118", "data.table", "no database"),
    (REGRESSION, {"data.query": "SELECT 1"}, "HS118", "data.query", "no database"),
    (REGRESSION, {"data.watermark": "w"}, "HS118", "data.watermark", "no database"),
    (REGRESSION, {"data.slice": "week"}, "HS118", "data.slice", "no database"),
    (REGRESSION, {"data.late": "1d"}, "HS118", "data.late", "no database"),
    (REGRESSION, {"data.delimiter": ",", "data.decimal": ","}, "HS118", "data.decimal", "the delimiter too"),
    (
        REGRESSION,
        {"data.tables": {"w": {"source": "w.csv", "table": "t"}}, "data.features": "f.sql"},
        "HS118",
        "data.tables.w.table",
        "no database",
    ),
    (REGRESSION, {"data.tables": TABLES}, "HS118", "data.tables.weather", "used by no join"),
    (REGRESSION, {"data.tables": {"data": {"source": "w.csv"}}}, "HS118", "data.tables.data", "the main table"),
    (
        REGRESSION,
        {"data.tables": TABLES, "data.joins": [JOIN, JOIN | {"table": "whether"}]},
        "HS118",
        "data.joins[1].table",
        "not in data.tables; there: weather",
    ),
    (BINARY, {"data.tables": TABLES, "data.joins": [JOIN]}, "HS118", "data.joins[0]", "says no time"),
    (REGRESSION, {"data.tables": TABLES, "data.joins": [JOIN | {"tolerance": "0d"}]}, "HS118", "data.joins[0].tolerance", "no time at all"),
    (REGRESSION, {"data.tables": TABLES, "data.joins": [JOIN | {"on": ["y"]}]}, "HS118", "data.joins[0].on", "cannot be looked up"),
    (
        REGRESSION,
        {"data.tables": TABLES, "data.joins": [JOIN | {"columns": ["y"]}]},
        "HS118",
        "data.joins[0].columns",
        "cannot be looked up",
    ),
    # privacy
    (REGRESSION, {"privacy.never_use": ["y"]}, "HS117", "privacy.never_use[0]", "used in task.target"),
    (REGRESSION, {"privacy.never_store": ["a", "y"]}, "HS117", "privacy.never_store[1]", "used in task.target"),
    (REGRESSION, {"privacy.never_store": ["t"]}, "HS117", "privacy.never_store[0]", "used in task.time"),
    (REGRESSION, {"privacy.never_store": ["e"], "task.entity": ["e"]}, "HS117", "privacy.never_store[0]", "used in task.entity"),
    (REGRESSION, {"privacy.never_store": ["s"], "success.segments": ["s"]}, "HS117", "privacy.never_store[0]", "used in success.segments"),
    (
        REGRESSION,
        {"privacy.never_store": ["f"], "success.baseline": {"kind": "column", "column": "f"}},
        "HS117",
        "privacy.never_store[0]",
        "success.baseline.column",
    ),
    (
        BINARY,
        {"privacy.never_store": ["m"], "value.payoff": {"true_positive": {"per_amount": 1}}, "value.amount": "m"},
        "HS117",
        "privacy.never_store[0]",
        "value.amount",
    ),
    (
        BINARY,
        {"privacy.pseudonymise": ["m"], "value.payoff": {"true_positive": {"per_amount": 1}}, "value.amount": "m"},
        "HS117",
        "privacy.pseudonymise[0]",
        "value.amount",
    ),
    (
        BINARY,
        {"privacy.never_store": ["g"], "preparation.split": {"kind": "group", "group": "g"}},
        "HS117",
        "privacy.never_store[0]",
        "preparation.split.group",
    ),
    (REGRESSION, {"privacy.pseudonymise": ["y"]}, "HS117", "privacy.pseudonymise[0]", "a hash of it says nothing"),
    (REGRESSION, {"privacy.pseudonymise": ["t"]}, "HS117", "privacy.pseudonymise[0]", "used in task.time"),
    (REGRESSION, {"privacy.pseudonymise": ["a"], "privacy.never_store": ["a"]}, "HS117", "privacy.pseudonymise[0]", "never_store too"),
    (REGRESSION, {"privacy.never_log": ["t"]}, "HS117", "privacy.never_log[0]", "windows are cut by it"),
    (REGRESSION, {"privacy.never_log": ["e"], "task.entity": ["e"]}, "HS117", "privacy.never_log[0]", "labels are joined on it"),
    (
        REGRESSION,
        {"privacy.never_store": ["city"], "data.tables": TABLES, "data.joins": [JOIN]},
        "HS117",
        "privacy.never_store[0]",
        "data.joins[0].on",
    ),
    (
        REGRESSION,
        {"privacy.pseudonymise": ["known"], "data.tables": TABLES, "data.joins": [JOIN]},
        "HS117",
        "privacy.pseudonymise[0]",
        "data.joins[0].valid_from",
    ),
    (
        REGRESSION,
        {"privacy.pseudonymise": ["w"], "data.source": DATABASE, "data.table": "t", "data.watermark": "w"},
        "HS117",
        "privacy.pseudonymise[0]",
        "data.watermark",
    ),
    (
        REGRESSION,
        {"privacy.never_use": ["a"], "preparation.columns": {"a": {"clip": True}}},
        "HS117",
        "preparation.columns.a",
        "privacy.never_use",
    ),
    (
        REGRESSION,
        {"privacy.never_store": ["a"], "preparation.types": {"a": "number"}},
        "HS117",
        "privacy.never_store[0]",
        "preparation.types",
    ),
    (REGRESSION, {"privacy.pseudonymise": ["a"], "preparation.types": {"a": "number"}}, "HS117", "preparation.types.a", "is a category"),
    (
        REGRESSION,
        {"privacy.pseudonymise": ["a"], "preparation.columns": {"a": {"impute": "mean"}}},
        "HS117",
        "preparation.columns.a",
        "neither a number nor a text",
    ),
    (
        REGRESSION,
        {"privacy.pseudonymise": ["a"], "labelling.rules": [{"name": "r", "when": "a > 1", "label": 1}]},
        "HS117",
        "labelling.rules[0].when",
        "not stored in clear",
    ),
    # learning
    (REGRESSION, {"preparation.split": {"kind": "group"}}, "HS119", "preparation.split", "without group"),
    (REGRESSION, {"preparation.split": {"group": "g"}}, "HS119", "preparation.split.group", "cuts no groups"),
    (REGRESSION, {"preparation.split": {"kind": "group", "group": "y"}}, "HS119", "preparation.split.group", "which is task.target"),
    (BINARY, {"preparation.split": {"kind": "time"}}, "HS119", "preparation.split.kind", "task.time is not set"),
    (BINARY, {"preparation.split": {"gap": "1d"}}, "HS119", "preparation.split.gap", "task.time is not set"),
    (REGRESSION, {"preparation.split": {"kind": "random", "gap": "1d"}}, "HS119", "preparation.split.gap", "the kind is random"),
    (
        REGRESSION,
        {"preparation.split": {"kind": "random"}, "preparation.holdout": "14d"},
        "HS119",
        "preparation.holdout",
        "not cut by time",
    ),
    (
        REGRESSION,
        {"preparation.split": {"kind": "random"}, "preparation.validation": "14d"},
        "HS119",
        "preparation.validation",
        "not cut by time",
    ),
    (BINARY, {"preparation.holdout": "14d"}, "HS106", "preparation.holdout", "task.time is not set"),
    (REGRESSION, {"preparation.imbalance": "weights"}, "HS119", "preparation.imbalance", "no classes"),
    (REGRESSION, {"learning.calibration": "temperature"}, "HS119", "learning.calibration", "which has no probabilities"),
    (CLASSES, {"learning.calibration": "platt"}, "HS119", "learning.calibration", "it is for two classes"),
    (BINARY, {"learning.intervals": {"coverage": 0.9}}, "HS350", "learning.intervals", "got intervals for a binary task"),
    (CLASSES, {"learning.intervals": {}}, "HS350", "learning.intervals", "got intervals for a multiclass task"),
    (REGRESSION, {"learning.intervals": {"by": "y"}}, "HS351", "learning.intervals.by", "task.target"),
    (REGRESSION, {"learning.intervals": {"by": "id"}, "task.leave_out": ["id"]}, "HS351", "learning.intervals.by", "task.leave_out"),
    (
        REGRESSION,
        {"learning.intervals": {"by": "sex"}, "privacy.never_use": ["sex"]},
        "HS351",
        "learning.intervals.by",
        "privacy.never_use",
    ),
    (REGRESSION, {"preparation.pca": 3, "learning.learners": ["lightgbm"]}, "HS119", "preparation.pca", "no linear learner"),
    (REGRESSION, {"preparation.types": {"y": "number"}}, "HS119", "preparation.types.y", "is task.target"),
    (REGRESSION, {"preparation.columns": {"y": {"clip": True}}}, "HS119", "preparation.columns.y", "task.target"),
    (
        REGRESSION,
        {"preparation.columns": {"a": {"clip": True}}, "task.leave_out": ["a"]},
        "HS119",
        "preparation.columns.a",
        "task.leave_out",
    ),
    (
        REGRESSION,
        {"preparation.columns": {"f": {"clip": True}}, "success.baseline": {"kind": "column", "column": "f"}},
        "HS119",
        "preparation.columns.f",
        "success.baseline.column",
    ),
    (
        REGRESSION,
        {"preparation.columns": {"a": {"drop": True, "impute": "mean"}}},
        "HS119",
        "preparation.columns.a.drop",
        "together with impute",
    ),
    (
        REGRESSION,
        {"preparation.columns": {"a": {"transform": "log", "encode": "one_hot"}}},
        "HS119",
        "preparation.columns.a.encode",
        "which is for categories",
    ),
    (
        REGRESSION,
        {"preparation.columns": {"a": {"transform": "log"}}, "preparation.types": {"a": "category"}},
        "HS119",
        "preparation.columns.a.transform",
        "for a category",
    ),
    (
        REGRESSION,
        {"preparation.columns": {"a": {"impute": "median"}}, "preparation.types": {"a": "text"}},
        "HS119",
        "preparation.columns.a.impute",
        "for a text",
    ),
    (
        REGRESSION,
        {"preparation.columns": {"a": {"encode": "one_hot"}}, "preparation.types": {"a": "number"}},
        "HS119",
        "preparation.columns.a.encode",
        "for a number",
    ),
    (
        REGRESSION,
        {"preparation.columns": {"a": {"encode": "tfidf"}}, "preparation.types": {"a": "category"}},
        "HS119",
        "preparation.columns.a.encode",
        "for a category",
    ),
    (
        REGRESSION,
        {"preparation.columns": {"a": {"encode": "one_hot"}}, "preparation.types": {"a": "text"}},
        "HS119",
        "preparation.columns.a.encode",
        "allowed: tfidf",
    ),
    (
        REGRESSION,
        {"labelling.rules": [{"name": "r", "when": "a > 1", "label": "high"}]},
        "HS119",
        "labelling.rules[0].label",
        "allowed: a number",
    ),
    (REGRESSION, {"labelling.rules": [{"name": "r", "when": "a >", "label": 1}]}, "HS119", "labelling.rules[0].when", "no SQL expression"),
    (REGRESSION, {"labelling.rules": [{"name": "r", "when": "y > 1", "label": 1}]}, "HS119", "labelling.rules[0].when", "reads y"),
    (
        REGRESSION,
        {"labelling.rules": [{"name": "r", "when": "a > 1", "label": 1}, {"name": "r", "when": "a > 2", "label": 2}]},
        "HS119",
        "labelling.rules[1].name",
        "a second time",
    ),
    (
        CLASSES,
        {"value.costs": COSTS, "labelling.rules": [{"name": "r", "when": "a > 1", "label": "c"}]},
        "HS119",
        "labelling.rules[0].label",
        "no class of value.costs",
    ),
    (
        BINARY,
        {"labelling.rules": [{"name": "r", "when": "a > 1", "label": "no"}, {"name": "s", "when": "a > 2", "label": "maybe"}]},
        "HS119",
        "labelling.rules",
        "two classes",
    ),
]


@pytest.mark.parametrize(("base", "changes", "code", "place", "says"), CASES)
def test_each_contradiction_is_found_and_no_other(base: dict[str, Any], changes: dict[str, Any], code: str, place: str, says: str) -> None:
    found = wrong(base, changes)
    assert [(one[0], one[1]) for one in found] == [(code, place)], found
    assert says in found[0][2]


def test_the_functions_of_sql() -> None:
    from homeostat.charter.sql import columns_of, expression_problem

    assert expression_problem("age > 60 AND job <> 'student'", ("y",)) == ""
    for other_rows in ("row_number() over (order by a)", "count(*)", "x - avg(x)", "lag(x) over (order by t)", "row_number() over ()"):
        assert "other rows" in expression_problem(other_rows), other_rows
    for clock in ("t < NOW()", "t < now ( )", "t < CURRENT_DATE", "current_timestamp > t", "t < localtime"):
        assert "reads the clock" in expression_problem(clock), clock
    for other in ("x > ANY(SELECT 1)", "x = (SELECT 1)"):
        assert "other rows" in expression_problem(other), other
    for broken in ("x > INTERVAL '1 foo'", "x > 1; DROP TABLE t", "", "\0", "columns('*') > 1", " > x".join("x" * 3000), "(" * 3000):
        assert expression_problem(broken), broken[:20]
    for named in ('"current_date" > 1', "x = 'now()'", "x > 1 -- now()", "now > 3", "today > 1"):
        assert expression_problem(named) == "", named
    for fine in ("0.9 * x", "upper(x) like 'Agg%'", "x in (1, 2)", "CASE WHEN a > 2 THEN 'Len' ELSE b END", "'yes'", "coalesce(a, 0)"):
        assert expression_problem(fine) == "", fine
    assert columns_of("not sql at all (") == ()


PRIVATE_CASES = [
    (BINARY, {"problem.mode": "edge", "success.size_mb": 5, "privacy.pseudonymise": ["a"]}, "HS117", "privacy.pseudonymise[0]", "device"),
    (
        BINARY,
        {"privacy.pseudonymise": ["a"], "success.baseline": {"kind": "rule", "rule": "a > 1"}},
        "HS117",
        "privacy.pseudonymise[0]",
        "hash",
    ),
    (
        BINARY,
        {"privacy.never_store": ["a"], "success.baseline": {"kind": "rule", "rule": "a > 1"}},
        "HS117",
        "privacy.never_store[0]",
        "gone",
    ),
    (BINARY, {"data.curated_contract": "c.yaml"}, "HS118", "data.curated_contract", "without data.joins"),
]


@pytest.mark.parametrize(("base", "changes", "code", "place", "says"), PRIVATE_CASES)
def test_what_could_not_be_kept_later_is_refused_now(
    base: dict[str, Any], changes: dict[str, Any], code: str, place: str, says: str
) -> None:
    found = wrong(base, changes)
    assert [(one[0], one[1]) for one in found] == [(code, place)], found
    assert says in found[0][2]


@pytest.mark.parametrize("where", ["task.leave_out", "privacy.never_use"])
def test_a_pseudonym_that_is_no_input_needs_no_key_on_the_device(where: str) -> None:
    assert not wrong(BINARY, {"problem.mode": "edge", "success.size_mb": 5, "privacy.pseudonymise": ["a"], where: ["a"]})
