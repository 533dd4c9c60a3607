"""What counts as served: answers that were given, by the version that gave them; those of a shadow are kept apart."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from homeostat.flow.labels import take_labels
from homeostat.flow.monitor import monitor, standing
from homeostat.flow.served import read_served
from homeostat.flow.signing import signed
from homeostat.infra.predictions import Ids, Prediction, PredictionLog, utc_text

if TYPE_CHECKING:
    from homeostat.app.demo.months import Month
    from homeostat.flow.project import Project

Answers = list[tuple[str, int, float]]
"""Arm, version and what is added to the right answer, for each record of a row."""


def serve(project: Project, month: Month, answers_of: list[Answers]) -> None:
    """Log the month's rows; of row n the answers are those of ``answers_of[n % len(answers_of)]``, under one request and row."""
    at = utc_text(month.closes)
    records = []
    ids = Ids()
    for n, (sent, row) in enumerate(zip(month.requests(), month.rows, strict=True)):
        for arm, version, error in answers_of[n % len(answers_of)]:
            value = float(row["cnt"]) + error
            name = f"pr-{ids.take(1)[0]}"
            records.append(Prediction(name, f"rq-{n}", 0, at, project.charter.name, version, arm, sent, [value], value, 0.1))
    with PredictionLog(project.predictions) as log:
        log.append(records)


@pytest.fixture
def two(project: Project) -> Project:
    """A project with two versions alike; the first is the champion."""
    first = project.ledger.find("version")[-1]
    body = {each: value for each, value in first.body.items() if each != "signature"}
    project.record("version", "2", signed(project, "version", "2", body, first.causes), causes=first.causes)
    return project


def labelled(project: Project, month: Month) -> None:
    path = project.root / "labels.csv"
    path.write_text(month.labels())
    take_labels(project, path)


def test_answers_of_a_shadow_are_in_no_window_and_match_no_label(two: Project, months: list[Month]) -> None:
    month = months[6]
    serve(two, month, [[("champion", 1, 1.0), ("shadow", 2, 500.0)]])
    served = read_served(two)
    assert served.frame.height == served.shadow.height == len(month.rows)
    assert set(served.frame["_version"]) == {"1"}
    assert set(served.shadow["_version"]) == {"2"}
    paired = served.frame.join(served.shadow, on=["_request", "_row"])
    assert paired.height == len(month.rows)  # each answer that was given has its shadow
    labelled(two, month)
    assert two.ledger.find("labels")[0].body["matched"] == len(month.rows)
    (diagnosis,) = monitor(two, month.closes + timedelta(days=1))
    window = two.require(str(diagnosis.body["window"])).body
    assert (window["version"], window["rows"], window["labelled"], window["stage"]) == (1, len(month.rows), len(month.rows), "performance")
    assert window["value"] == pytest.approx(1.0)


def test_a_window_of_a_canary_is_judged_for_each_version_by_its_own_rows(two: Project, months: list[Month]) -> None:
    month = months[6]
    serve(two, month, [[("champion", 1, 1.0)]] * 4 + [[("canary", 2, 400.0)]])
    labelled(two, month)
    diagnoses = monitor(two, month.closes + timedelta(days=1))
    windows = [two.require(str(each.body["window"])).body for each in diagnoses]
    rows = Counter(1 if n % 5 < 4 else 2 for n in range(len(month.rows)))
    assert [(each["version"], each["rows"]) for each in windows] == [(1, rows[1]), (2, rows[2])]
    assert [each["value"] for each in windows] == [pytest.approx(1.0), pytest.approx(400.0)]
    assert [each.body["version"] for each in standing(two, diagnoses)] == [1]  # the loop acts on the champion's alone
    kinds = [{two.require(finding).body["kind"] for finding in each.body["findings"]} for each in diagnoses]
    assert ["performance" in each for each in kinds] == [False, True]


def test_a_version_with_too_few_rows_of_a_window_is_left_out_unless_it_has_most(two: Project, months: list[Month]) -> None:
    month = months[6]
    few = [[("champion", 1, 1.0)]] * 19 + [[("canary", 2, 400.0)]]
    serve(two, month, few)
    assert [each.body["version"] for each in monitor(two, month.closes + timedelta(days=1))] == [1]


def test_a_log_of_shadows_alone_served_nothing(two: Project, months: list[Month]) -> None:
    serve(two, months[6], [[("shadow", 2, 0.0)]])
    assert read_served(two).frame.is_empty()
    assert monitor(two, months[6].closes + timedelta(days=1)) == []
    labelled(two, months[6])
    assert two.ledger.find("labels")[0].body["matched"] == 0
