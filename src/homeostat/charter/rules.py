"""The rules that tie clauses of several sections together. Each is one function: the sections it needs in, violations out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from homeostat.charter import data_rules, estimator_rules, forecast_rules, goal_rules, objective_rules, running_rules, training_rules
from homeostat.core.sections import Section

if TYPE_CHECKING:
    from homeostat.charter.violations import Violation

RULES: tuple[tuple[Callable[..., Iterator[Violation]], tuple[str, ...]], ...] = (
    (goal_rules.metric_fits_task, ("task", "success")),
    (goal_rules.threshold_is_reachable, ("task", "success")),
    (goal_rules.mapping_points_the_same_way, ("problem", "success")),
    (goal_rules.guardrails_can_hold, ("task", "success")),
    (goal_rules.test_fits_metric, ("success",)),
    (goal_rules.calibration_has_probabilities, ("task", "success")),
    (goal_rules.improvement_has_a_baseline, ("success",)),
    (goal_rules.baseline_is_whole, ("task", "success")),
    (goal_rules.value_fits_task, ("task", "value")),
    (goal_rules.amounts_are_used, ("task", "value")),
    (goal_rules.costs_are_a_matrix, ("value",)),
    (goal_rules.running_costs_can_be_shared, ("value",)),
    (goal_rules.positive_is_for_binary, ("task",)),
    (goal_rules.peak_is_above_the_mean, ("problem",)),
    (goal_rules.edge_has_a_size, ("problem", "success")),
    (forecast_rules.forecasts_are_of_series, ("task", "objectives", "labelling")),
    (forecast_rules.forecast_columns_are_free, ("task",)),
    (forecast_rules.forecasts_are_cut_by_time, ("task", "preparation")),
    (forecast_rules.baseline_is_a_season, ("task", "success")),
    (objective_rules.objectives_make_a_sum, ("task", "objectives")),
    (objective_rules.objectives_can_be_learned, ("task", "objectives", "success", "privacy")),
    (objective_rules.objectives_keep_their_holdout, ("objectives", "preparation", "labelling")),
    (data_rules.sources_are_told_what_they_are, ("data",)),
    (data_rules.joins_have_their_tables, ("task", "data")),
    (data_rules.curated_rows_are_made, ("data",)),
    (data_rules.private_columns_stay_usable, ("task", "success", "privacy")),
    (data_rules.private_columns_stay_out_of_baselines, ("success", "privacy")),
    (data_rules.devices_need_no_key, ("problem", "task", "privacy", "preparation")),
    (data_rules.private_columns_stay_out_of_money, ("value", "privacy")),
    (data_rules.private_columns_stay_out_of_joins, ("data", "privacy")),
    (data_rules.private_columns_stay_out_of_preparation, ("privacy", "preparation")),
    (data_rules.private_columns_stay_out_of_labels, ("privacy", "labelling")),
    (training_rules.target_is_not_an_input, ("task",)),
    (training_rules.target_is_not_a_segment, ("task", "success")),
    (training_rules.learning_windows_are_whole, ("task", "learning")),
    (training_rules.policy_windows_are_whole, ("task", "policy")),
    (training_rules.spans_need_time, ("task", "preparation")),
    (training_rules.split_can_be_cut, ("task", "preparation")),
    (training_rules.resampling_has_classes, ("task", "preparation")),
    (training_rules.calibration_fits_classes, ("task", "learning")),
    (training_rules.intervals_fit_task, ("task", "learning")),
    (training_rules.intervals_group_by_an_input, ("task", "success", "privacy", "learning")),
    (training_rules.components_have_a_learner, ("preparation", "learning")),
    (training_rules.choices_can_be_done, ("task", "success", "preparation")),
    (training_rules.labels_are_classes, ("task", "value", "labelling")),
    (estimator_rules.learners_are_known, ("learning",)),
    (estimator_rules.estimators_can_be_searched, ("learning",)),
    (training_rules.learning_budget_ends, ("learning",)),
    (training_rules.policy_budget_ends, ("policy",)),
    (training_rules.an_address_has_its_engine, ("store",)),
    (training_rules.manual_approval_has_an_approver, ("problem", "deploy")),
    (running_rules.predictions_outlive_their_labels, ("task", "deploy", "monitor")),
)


def violations(sections: Mapping[str, Section | Any]) -> list[Violation]:
    """What the rules find, in their order; a rule whose sections are not all there (because one is malformed) is not asked."""
    found: list[Violation] = []
    for rule, needs in RULES:
        if all(isinstance(sections.get(name), Section | tuple) for name in needs):
            found.extend(rule(*(sections[name] for name in needs)))
    return found
