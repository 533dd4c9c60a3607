"""What each clause of a charter does downstream: the stage that reads it, and what it becomes there.

A clause without an entry would be one that nothing acts on; a test holds this table and the schema equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from homeostat.charter.revisions import content_of, text_of_value
from homeostat.core.sections import Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from homeostat.charter.schema import Charter

Becomes = Literal[
    "gate", "threshold", "score", "verdict", "rule", "data", "input", "split", "search", "limit", "alarm", "action", "record", "address"
]


@dataclass(frozen=True, slots=True)
class Effect:
    """The stage (1 to 11) in which a clause acts first, what it becomes, and how, in a sentence."""

    stage: int
    becomes: Becomes
    how: str


@dataclass(frozen=True, slots=True)
class Explained:
    """One clause of one charter: where it stands, its value as text, whether the charter says it (or it is the default), its effect."""

    clause: str
    value: str
    said: bool
    effect: Effect


def _below(at: str, effects: Mapping[str, Effect]) -> dict[str, Effect]:
    return {f"{at}.{name}": effect for name, effect in effects.items()}


_RECORD = "kept in the ledger, with each version, in its bundle's manifest and in `trace`"
_OUTCOME = {
    "fixed": Effect(5, "threshold", "moves the decision threshold; counts in value_per_row"),
    "per_amount": Effect(5, "threshold", "multiplies value.amount; the threshold is then the one that earns most on the validation rows"),
}
_SOURCE = {
    "source": Effect(3, "data", "where `ingest` takes rows from; part of each delivery's name"),
    "contract": Effect(3, "data", "rows that break it go to quarantine with the rule and the reason"),
    "table": Effect(3, "data", "the table of the database that is read"),
    "query": Effect(3, "data", "the SELECT that is read instead of a table"),
    "watermark": Effect(3, "data", "known slices are not asked for again, but the newest and those that data.late reaches"),
    "slice": Effect(3, "data", "the span of the watermark one delivery holds"),
    "late": Effect(3, "data", "slices so long before the newest are read again for late and changed rows"),
    "delimiter": Effect(3, "data", "cuts the lines of CSV into fields"),
    "decimal": Effect(3, "data", "how numbers in CSV are read"),
    "encoding": Effect(3, "data", "how bytes of CSV and JSON lines become text"),
    "null_values": Effect(3, "data", "texts in CSV and JSON lines that count as no value"),
}
_WINDOW = {
    "kind": Effect(5, "search", "training windows that compete on the validation rows"),
    "length": Effect(5, "search", "how far back the window reaches, or in what time a row's weight halves"),
}
_ESTIMATOR = {
    "path": Effect(5, "search", "the callable that makes the estimator; its file's digest is part of what a training is known by"),
    "flavour": Effect(5, "search", "which preparation the estimator is given"),
    "space.*.low": Effect(5, "search", "no smaller value is tried"),
    "space.*.high": Effect(5, "search", "no larger value is tried"),
    "space.*.log": Effect(5, "search", "small values are tried as often as large ones"),
    "space.*.start": Effect(5, "search", "the value of the first trial"),
    "space.*.choices": Effect(5, "search", "the values that are tried, beginning with the first"),
    "params": Effect(5, "search", "given to the callable in every trial"),
    "seconds": Effect(5, "limit", "a fit that takes longer is ended, and its trial has failed"),
    "memory_mb": Effect(5, "limit", "a fit that takes more is ended, and its trial has failed"),
}
_BUDGET = {
    "seconds": Effect(5, "limit", "the search starts no trial after so long"),
    "trials": Effect(5, "limit", "the search starts no more trials than these"),
}


def _of_the_loop(effects: Mapping[str, Effect]) -> dict[str, Effect]:
    return {name: Effect(10, effect.becomes, f"{effect.how}; when the loop retrains") for name, effect in effects.items()}


_PROBLEM = {
    "statement": Effect(1, "record", _RECORD),
    "objective": Effect(1, "record", _RECORD),
    "decision": Effect(1, "record", _RECORD),
    "business_metric": Effect(1, "record", _RECORD),
    "metric_mapping.metric": Effect(1, "rule", "must be success.metric, by which models are chosen"),
    "metric_mapping.business_better": Effect(1, "rule", "must agree with business_then: a better model may not be worse for the business"),
    "metric_mapping.business_then": Effect(1, "rule", "must agree with business_better: a better model may not be worse for the business"),
    "metric_mapping.because": Effect(1, "record", "kept in the ledger and with each version"),
    "stakeholders[].name": Effect(7, "action", "only who is named here can approve a version; kept with each version"),
    "stakeholders[].role": Effect(7, "action", "approver, or a role of deploy.approvals: may approve; kept with each version"),
    "mode": Effect(7, "gate", "online: the bundle must carry the traffic; edge: success.size_mb must be given"),
    "scale.requests_per_second": Effect(7, "gate", "gate capacity: predictions a second on one core, where no peak is given"),
    "scale.peak_requests_per_second": Effect(7, "gate", "gate capacity: predictions a second on one core"),
}
_TASK = {
    "type": Effect(5, "search", "which metrics, learners' goals and decisions there are"),
    "target": Effect(5, "search", "the column that is learned and judged; never an input"),
    "positive": Effect(5, "search", "the class whose probability is the score"),
    "time": Effect(4, "split", "rows are split, windows cut and the newest sealed by it"),
    "entity": Effect(9, "alarm", "late labels are joined to predictions on it; seasonal baselines follow it"),
    "label_delay": Effect(9, "alarm", "performance is judged only once labels can be there; how far back a seasonal baseline looks"),
    "leave_out": Effect(4, "input", "these columns are no inputs"),
    "forecast.step": Effect(4, "data", "values of a series lie so far apart; what lies between is an error, what is missing a null"),
    "forecast.horizon": Effect(4, "data", "each origin gives a row for each of these steps ahead, with `horizon` as an input"),
    "forecast.lags": Effect(4, "input", "which earlier values are inputs"),
    "forecast.windows": Effect(4, "input", "over how many newest values statistics are inputs"),
    "forecast.season": Effect(4, "input", "values of the seasons before are inputs; the first is the season of baseline and MASE"),
    "forecast.known": Effect(4, "input", "columns taken from the moment that is forecast; all others are as of the origin"),
    "forecast.every": Effect(4, "data", "from which steps training and judging forecast"),
}
_OBJECTIVES = {
    "name": Effect(6, "score", "names the model in trials, in gates and in each version"),
    "target": Effect(5, "search", "the column one of the models learns; never an input"),
    "type": Effect(5, "search", "what the model gives: a number, or a probability"),
    "positive": Effect(5, "search", "the class whose probability counts"),
    "metric": Effect(5, "search", "trials of this model are compared by it; gate objective judges it on the holdout"),
    "weight": Effect(6, "score", "what the model counts in the score; a change makes a new version of the same models, without training"),
    "at_least": Effect(7, "gate", "gate objective: lower limit of this model's metric on the holdout"),
    "at_most": Effect(7, "gate", "gate objective: upper limit of this model's metric on the holdout"),
}
_VALUE = {
    "currency": Effect(6, "record", "the unit of the money scores, kept with each evaluation"),
    **_below("payoff.true_positive", _OUTCOME),
    **_below("payoff.false_positive", _OUTCOME),
    **_below("payoff.true_negative", _OUTCOME),
    **_below("payoff.false_negative", _OUTCOME),
    "amount": Effect(5, "threshold", "each row's amount, in the choice of the threshold and in value_per_row"),
    "costs": Effect(5, "threshold", "the decision is the class of least expected cost, in every target; counts in value_per_row"),
    "over": Effect(6, "score", "value_per_row: cost of each unit predicted too much"),
    "under": Effect(6, "score", "value_per_row: cost of each unit predicted too little"),
    "per_prediction": Effect(6, "score", "taken off value_per_row"),
    "per_month": Effect(6, "score", "taken off value_per_row, shared among rows_per_month"),
    "rows_per_month": Effect(6, "score", "turns value_per_row into value_per_month"),
}
_SUCCESS = {
    "metric": Effect(5, "search", "trials are compared, and candidates judged, by it"),
    "threshold": Effect(7, "gate", "gate threshold: the metric on the holdout"),
    "baseline.kind": Effect(7, "gate", "gate baseline: what a paired test on the holdout compares with; also in `check`"),
    "baseline.column": Effect(7, "gate", "gate baseline: its answers; never an input"),
    "baseline.rule": Effect(7, "gate", "gate baseline: its answers"),
    "baseline.period": Effect(7, "gate", "gate baseline: how far back its answers are looked up"),
    "improvement": Effect(7, "gate", "gate baseline: share of the baseline's error to save; power and lift in `check`"),
    "champion_margin": Effect(7, "gate", "gate champion: share of the champion's error a challenger must save"),
    "test": Effect(7, "gate", "gates baseline and champion: how they say better, or not"),
    "confidence": Effect(7, "gate", "confidence of every paired test and interval"),
    "segments": Effect(6, "score", "the metric is measured on each of their values, and the gaps of a binary decision between them"),
    "segment_gap": Effect(7, "gate", "gate segments: how much worse than the whole a segment may be"),
    "guardrails[].metric": Effect(7, "gate", "gate guardrail: a second metric on the holdout"),
    "guardrails[].at_least": Effect(7, "gate", "gate guardrail: its lower limit"),
    "guardrails[].at_most": Effect(7, "gate", "gate guardrail: its upper limit"),
    "calibration_error": Effect(7, "gate", "gate calibration: distance of probabilities from frequencies on the holdout"),
    "robustness": Effect(7, "gate", "gate robustness: how much worse any null input may make the model"),
    "latency_p99_ms": Effect(7, "gate", "gate latency_p99_ms: measured on the bundle after training"),
    "size_mb": Effect(7, "gate", "gate size_mb: the bundle's bytes"),
    "memory_mb": Effect(7, "gate", "gate memory_mb: peak of a fresh process that serves the bundle"),
}
_AGGREGATE = {
    "count": Effect(3, "data", "a column with the number of events up to the row's moment"),
    "sum": Effect(3, "data", "a column with the exact sum, rounded once"),
    "mean": Effect(3, "data", "a column with the mean"),
    "min": Effect(3, "data", "a column with the least value"),
    "max": Effect(3, "data", "a column with the largest value"),
    "last": Effect(3, "data", "a column with the newest event's value"),
    "window": Effect(3, "data", "events from longer before the row's moment do not count"),
}
_DATA = {
    **_SOURCE,
    "max_quarantined": Effect(3, "limit", "a delivery with a larger share of bad rows is refused whole"),
    **_below("tables.*", _SOURCE),
    "joins[].table": Effect(3, "data", "which table of data.tables is joined; it must be there"),
    "joins[].on": Effect(3, "data", "columns that must be equal on both sides"),
    "joins[].valid_from": Effect(3, "data", "no row of the table from after the main row's moment is used"),
    "joins[].as_of": Effect(3, "data", "the moment of a main row"),
    "joins[].tolerance": Effect(3, "data", "older values are not used"),
    "joins[].columns": Effect(3, "data", "which columns are taken"),
    "joins[].key": Effect(3, "data", "rows with equal values are one event, known since the first; names events that are pushed"),
    **_below("joins[].aggregates.*", _AGGREGATE),
    "joins[].online.late": Effect(8, "limit", "an event that is pushed later after its time is not taken in; the next ingest brings it"),
    "joins[].online.max_age": Effect(8, "limit", "when nothing came for longer, what is looked up is stale"),
    "joins[].online.stale": Effect(8, "limit", "a stale value is null, or its request is refused with its age"),
    "features": Effect(3, "data", "makes the curated rows; what it reads is in the version's lineage"),
    "curated_contract": Effect(3, "data", "nothing is promoted to the curated zone unless its rows meet it"),
    "retries": Effect(3, "limit", "how often a source that does not answer is asked again"),
}
_PRIVACY = {
    "never_use": Effect(4, "input", "these columns are no inputs"),
    "never_store": Effect(3, "data", "dropped before anything is written"),
    "never_log": Effect(8, "record", "left out of the prediction log"),
    "pseudonymise": Effect(3, "data", "stored and logged as a keyed hash"),
}
_LABELLING = {
    "rules[].name": Effect(4, "record", "names the rule in `label rules`: what it holds on, its conflicts, how often it is right"),
    "rules[].when": Effect(4, "data", "the rows the rule labels"),
    "rules[].label": Effect(4, "data", "the weak label the rule gives"),
    "weight": Effect(5, "search", "the weight of a weakly labelled row in training"),
    "queue": Effect(4, "limit", "rows of a review queue"),
}
_PREPARATION = {
    "types": Effect(4, "input", "the kind a column is prepared as"),
    "split.kind": Effect(4, "split", "how rows are cut into training, validation and holdout"),
    "split.group": Effect(4, "split", "rows of one value are never on both sides of a cut"),
    "split.gap": Effect(4, "split", "rows left out before each cut"),
    "split.folds": Effect(5, "search", "trials are judged on the mean of so many folds"),
    "holdout": Effect(4, "split", "which rows are sealed; enough of them for a verdict in `check`"),
    "validation": Effect(4, "split", "on which rows trials are compared"),
    "max_categories": Effect(4, "input", "size of a category's vocabulary"),
    "columns.*.drop": Effect(4, "input", "the column is no input"),
    "columns.*.impute": Effect(4, "input", "what stands for a null"),
    "columns.*.indicator": Effect(4, "input", "a feature that says where the value was null"),
    "columns.*.clip": Effect(4, "input", "limits a number"),
    "columns.*.transform": Effect(4, "input", "straightens a skewed number"),
    "columns.*.encode": Effect(4, "input", "how a category or text becomes numbers"),
    "text_terms": Effect(4, "input", "how many terms of a text become features"),
    "select": Effect(4, "input", "how many features are kept"),
    "pca": Effect(4, "input", "how many principal components linear learners get"),
    "imbalance": Effect(5, "search", "weights or resampling of rare classes in training rows"),
    "sample.rows": Effect(4, "limit", "how many rows training sees"),
    "sample.kind": Effect(4, "split", "how these rows are drawn"),
}
_RUNNING = {
    "learning.learners": Effect(5, "search", "what is tried"),
    **_below("learning.estimators.*", _ESTIMATOR),
    **_below("learning.budget", _BUDGET),
    "learning.at_once": Effect(5, "search", "trials of a batch: proposed together, run together, and then learned from"),
    "learning.ensemble": Effect(5, "search", "whether a mean of several trials may win"),
    "learning.ensemble_mb": Effect(5, "limit", "how large such a mean may be; larger members are not averaged"),
    "learning.calibration": Effect(5, "score", "how probabilities are set right behind the model"),
    "learning.intervals.coverage": Effect(
        7, "gate", "gate coverage: how often the truth lies inside on the holdout; how wide intervals are"
    ),
    "learning.intervals.method": Effect(5, "score", "whether an interval is as wide everywhere, or as rows of like predictions ask"),
    "learning.intervals.by": Effect(5, "score", "the input whose values get widths of their own"),
    "learning.seed": Effect(5, "search", "of sampling, learners and resampled intervals: the same seed, the same result"),
    **_below("learning.windows[]", _WINDOW),
    "deploy.approval": Effect(7, "action", "manual: a version waits until an approver approves it"),
    "deploy.approvals[].role": Effect(7, "action", "a version waits until a stakeholder of this role approves it"),
    "deploy.approvals[].checklist": Effect(7, "action", "an approval counts only with each of these ticked"),
    "deploy.approver_is_not_author": Effect(7, "action", "an approval by who trained the version does not count"),
    "deploy.staging": Effect(7, "action", "required: a version is put in staging before it may be the champion"),
    "deploy.host": Effect(8, "address", "where the server listens"),
    "deploy.port": Effect(8, "address", "where the server listens"),
    "deploy.max_body_mb": Effect(8, "limit", "larger requests are refused"),
    "deploy.max_rows": Effect(8, "limit", "requests with more rows are refused"),
    "deploy.log.mode": Effect(8, "record", "strict: an answer waits until its record is on the disk"),
    "deploy.log.group_ms": Effect(8, "record", "async: how long a group of records grows before it is written, and what a kill may cost"),
    "deploy.log.keep": Effect(8, "limit", "older predictions are removed, by whole days, unless their labels may still come"),
    "deploy.max_waiting": Effect(8, "limit", "requests beyond so many under way are refused for the moment"),
    "deploy.body_timeout": Effect(8, "limit", "requests that take longer to arrive are refused"),
    "deploy.workers": Effect(8, "action", "how many processes serve"),
    "deploy.tls.certificate": Effect(8, "address", "the server speaks HTTPS and shows this certificate"),
    "deploy.tls.key": Effect(8, "address", "the server speaks HTTPS with this key"),
    "monitor.window": Effect(9, "alarm", "the span of served rows that is compared and judged; label delay against it in `check`"),
    "monitor.significance": Effect(9, "alarm", "family-wise rate of false drift alarms"),
    "monitor.min_effect": Effect(9, "alarm", "smallest distance that counts as drift"),
    "monitor.min_rows": Effect(9, "alarm", "smaller windows are not judged"),
    "monitor.min_labels": Effect(9, "alarm", "share of labels needed to judge performance"),
    "monitor.degradation": Effect(9, "alarm", "how much worse than accepted the metric may become"),
    "monitor.max_broken": Effect(9, "alarm", "a larger share of broken rows means broken data"),
    "policy.mode": Effect(10, "action", "whether the loop acts, recommends or only observes"),
    "policy.responses.broken_data": Effect(10, "action", "what follows this diagnosis"),
    "policy.responses.covariate_shift": Effect(10, "action", "what follows this diagnosis"),
    "policy.responses.label_shift": Effect(10, "action", "what follows this diagnosis"),
    "policy.responses.concept_change": Effect(10, "action", "what follows this diagnosis"),
    "policy.cooldown": Effect(10, "limit", "no retraining sooner after the last one"),
    **_below("policy.windows[]", _of_the_loop(_WINDOW)),
    **_below("policy.budget", _of_the_loop(_BUDGET)),
    "store.ledger": Effect(11, "address", "where facts are kept; its password is neither recorded nor shown"),
    "store.engine": Effect(11, "address", "what runs the trials of a search; the same seed comes to the same model on each"),
    "store.engine_address": Effect(
        11, "address", "the Ray cluster that is joined; without it RAY_ADDRESS, else one that ends with the search"
    ),
}
EFFECTS: Mapping[str, Effect] = MappingProxyType(
    {
        "version": Effect(1, "rule", "older formats are brought up to date, newer ones refused"),
        "name": Effect(8, "record", "the model's name in bundles, addresses and logs"),
        **_below("problem", _PROBLEM),
        **_below("task", _TASK),
        **_below("objectives[]", _OBJECTIVES),
        **_below("value", _VALUE),
        **_below("success", _SUCCESS),
        **_below("data", _DATA),
        **_below("privacy", _PRIVACY),
        **_below("labelling", _LABELLING),
        **_below("preparation", _PREPARATION),
        **_RUNNING,
    }
)


def explain_effects(charter: Charter, *, everything: bool = False) -> tuple[Explained, ...]:
    """What the clauses a charter says do, in the order of the schema; ``everything`` adds those it leaves at their defaults.

    A clause of a section that is not there (no payoff, no joins) is told without a value.
    """
    walked = _walk(charter, content_of(charter))
    told = (Explained(clause, text_of_value(value), said, EFFECTS[pattern]) for pattern, clause, value, said in walked)
    return tuple(one for one in told if one.said or everything)


def _walk(section: Section, content: Mapping[str, Any], pattern: str = "", at: str = "") -> Iterator[tuple[str, str, Any, bool]]:
    """Pattern, clause, value and whether it was said, of every clause that holds a value."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        told: Any = content.get(name)
        here = (f"{pattern}{name}", f"{at}{name}")
        if isinstance(value, Section):
            yield from _walk(value, told, f"{here[0]}.", f"{here[1]}.")
        elif isinstance(value, tuple) and any(isinstance(one, Section) for one in value):
            for index, one in enumerate(value):
                yield from _walk(one, told[index], f"{here[0]}[].", f"{here[1]}[{index}].")
        elif isinstance(value, dict) and any(isinstance(one, Section) for one in value.values()):
            for key, one in value.items():
                yield from _walk(one, told[key], f"{here[0]}.*.", f"{here[1]}.{key}.")
        elif here[0] in EFFECTS:
            yield (*here, told, name in section.model_fields_set)
        else:  # a section or a list of sections that is not there
            below = tuple(f"{here[0]}{mark}." for mark in ("", "[]", ".*"))
            yield from ((clause, clause, None, False) for clause in EFFECTS if clause.startswith(below))
