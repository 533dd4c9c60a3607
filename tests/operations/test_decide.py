"""Actions: the policy's answer, and the guards before a retraining."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.records import Diagnosis
from homeostat.core.sections import Policy, Responses
from homeostat.operations.decide import History, decide

NOW = datetime(2011, 7, 1, tzinfo=UTC)
QUIET = History(now=NOW)
CHANGED = Diagnosis("concept_change", "mae 60 against 40", ("temp",))


@pytest.mark.parametrize(
    ("cause", "name"),
    [
        ("healthy", "none"),
        ("too_few_rows", "none"),
        ("broken_data", "quarantine"),
        ("covariate_shift", "none"),
        ("label_shift", "retrain"),
        ("concept_change", "retrain"),
    ],
)
def test_the_default_answers(cause: str, name: str) -> None:
    action = decide(Policy(), Diagnosis(cause, "because"), QUIET)  # type: ignore[arg-type]
    assert (action.name, action.allowed) == (name, True)
    assert cause in action.reason


def test_the_reason_names_the_columns() -> None:
    assert decide(Policy(), CHANGED, QUIET).reason == "the policy answers concept_change (temp) with retrain"


def test_broken_data_is_never_retrained_on() -> None:
    stubborn = Policy(responses=Responses(broken_data="retrain"))
    action = decide(stubborn, Diagnosis("broken_data", "windspeed is stuck", ("windspeed",)), QUIET)
    assert (action.name, action.allowed) == ("none", False)
    assert "never retrained on broken data" in action.reason


@pytest.mark.parametrize("mode", ["observe", "recommend"])
def test_other_modes_name_the_action_and_do_not_allow_it(mode: str) -> None:
    action = decide(Policy(mode=mode), CHANGED, QUIET)  # type: ignore[arg-type]
    assert (action.name, action.allowed) == ("retrain", False)
    assert mode in action.reason
    assert decide(Policy(mode=mode), Diagnosis("healthy", ""), QUIET).allowed  # type: ignore[arg-type]


def test_the_cooldown_is_kept() -> None:
    policy = Policy(cooldown=timedelta(days=14))
    early = decide(policy, CHANGED, History(now=NOW, last_retrain=NOW - timedelta(days=13)))
    assert early.name == "none"
    assert "until 2011-07-02T00:00+00:00: the cooldown is 2w" in early.reason
    assert decide(policy, CHANGED, History(now=NOW, last_retrain=NOW - timedelta(days=14))).name == "retrain"
    assert decide(policy, Diagnosis("broken_data", ""), History(now=NOW, last_retrain=NOW)).name == "quarantine"


def test_after_five_rejections_a_person_is_asked() -> None:
    assert decide(Policy(), CHANGED, History(now=NOW, consecutive_rejections=4)).name == "retrain"
    asked = decide(Policy(), CHANGED, History(now=NOW, consecutive_rejections=5))
    assert (asked.name, asked.allowed) == ("ask", True)
    assert "5 challengers in a row" in asked.reason
    assert not decide(Policy(mode="recommend"), CHANGED, History(now=NOW, consecutive_rejections=5)).allowed


names = st.sampled_from(["none", "quarantine", "retrain", "rollback", "ask"])
policies = st.builds(
    Policy,
    mode=st.sampled_from(["observe", "recommend", "act"]),
    responses=st.builds(Responses, broken_data=names, covariate_shift=names, label_shift=names, concept_change=names),
    cooldown=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30)),
)
causes = st.sampled_from(["healthy", "too_few_rows", "broken_data", "covariate_shift", "label_shift", "concept_change"])
histories = st.builds(
    History,
    now=st.just(NOW),
    last_retrain=st.one_of(st.none(), st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=60)).map(lambda ago: NOW - ago)),
    consecutive_rejections=st.integers(0, 9),
)


@given(policies, causes, histories)
def test_laws_of_every_decision(policy: Policy, cause: str, history: History) -> None:
    action = decide(policy, Diagnosis(cause, "r"), history)  # type: ignore[arg-type]
    assert action.reason
    if action.name == "retrain" and action.allowed:
        assert policy.mode == "act"
        assert cause not in {"healthy", "too_few_rows", "broken_data"}
        assert history.last_retrain is None or history.now - history.last_retrain >= policy.cooldown
    if policy.mode != "act" and action.name != "none":
        assert not action.allowed
    if cause in {"healthy", "too_few_rows"}:
        assert (action.name, action.allowed) == ("none", True)
