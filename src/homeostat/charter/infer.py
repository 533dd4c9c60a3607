"""A first charter from the data alone: every guess written out with its reason, for a person to correct."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from homeostat.charter.columns import near_columns
from homeostat.charter.guess import TargetGuess, TimeGuess, guess_target, guess_time
from homeostat.charter.suspects import TELLTALE, Suspect, find_suspects, row_order
from homeostat.charter.violations import shown
from homeostat.charter.yaml_nodes import scalar
from homeostat.core.sections import Source
from homeostat.errors import DataError

if TYPE_CHECKING:
    import polars as pl

METRICS = {"regression": "mae", "binary": "auc", "multiclass": "log_loss"}
WINDOW_ROWS = 100  # a monitoring window should hold at least this many rows


def infer_charter(frame: pl.DataFrame, target: str, origin: Source | str, name: str, *, contract: str | None = "contract.yaml") -> str:
    """A commented charter (YAML) for predicting a column of a frame; ``parse_charter`` accepts it.

    Args:
        frame: the rows; those without a target are counted, not used.
        target: the column to predict.
        origin: what ``data`` shall say about where the rows come from; a text is a path.
        name: the model's name; characters that a name cannot hold become "-".
        contract: what ``data.contract`` shall say, None for no contract.

    Raises:
        DataError: HS204, no such target column; HS202, no rows.
        LearningError: HS301, the target has one value; HS304, it is neither classes nor a quantity.
    """
    section = Source(source=origin) if isinstance(origin, str) else origin
    source = section.source
    if target not in frame.columns:
        message = f"got {shown(target)}, which the data does not have"
        raise DataError("HS204", message, place=_comment(source), next_step=near_columns(target, frame.columns))
    if not frame.height:
        raise DataError("HS202", "the data holds no rows", place=_comment(source))
    guess = guess_target(frame[target])
    time = guess_time(frame, target)
    suspects = find_suspects(frame, target, guess.task, time=time.column if time else None)
    known = frame.height - frame[target].null_count()
    in_order = time is None and row_order(frame, target, guess.task)[0] >= TELLTALE
    blocks = (
        _head(name, target, source, frame.height, frame.height - known),
        _problem(target),
        _task(target, guess, time, suspects),
        _value(guess),
        _success(guess, _segment_candidates(frame, target, suspects, time)),
        _data(section, contract),
        _training(time, in_order=in_order),
        _running(known, time),
    )
    return "\n".join(blocks)


def slug(name: str) -> str:
    """A text as a model's name: lower case, other characters than letters, digits, "_", "." and "-" replaced, 64 at most.

    >>> slug("Bike Demand (2011)")
    'bike-demand-2011'
    """
    return re.sub(r"[^a-z0-9_.-]+", "-", name.lower()).strip("-._")[:64] or "model"


def _head(name: str, target: str, source: str, rows: int, unlabelled: int) -> str:
    gaps = f", {unlabelled} of them without a target (not used)" if unlabelled else ""
    return f"""\
# Written by `homeostat init` from {_comment(source)}: {rows} rows{gaps}.
# Everything here is a guess from the data. Read it once, correct it, then run `homeostat check`.
version: 1
name: {scalar(slug(name))}
# goal: predict {_comment(target)}
"""


def _problem(target: str) -> str:
    what = _comment(target)
    return f"""\
problem:                      # say these in your own words: they stand in reports and decide what counts as success
  statement: {scalar(f"{what} is not known when the decision is made")}
  objective: {scalar(f"Decide with a prediction of {what} instead of a guess")}
  decision: {scalar(f"What is done for a row, given its predicted {what}")}
  business_metric: {scalar(f"What a wrong {what} costs")}
  # stakeholders:             # roles: owner, approver, user, developer
  #   - {{name: NAME, role: owner}}
"""


def _task(target: str, guess: TargetGuess, time: TimeGuess | None, suspects: tuple[Suspect, ...]) -> str:
    lines = ["task:", f"  type: {guess.task}  # {_comment(guess.reason)}", f"  target: {scalar(target)}"]
    if guess.task == "binary":
        lines.append(f"  positive: {scalar(guess.classes[-1])}  # the class the score is the probability of")
    if time is not None:
        why = "the rows stand in its order" if time.ordered else "a date or timestamp"
        lines.append(f"  time: {scalar(time.column)}  # {why}; rows are split and windows are cut by it")
    else:
        lines.append("  # time: COLUMN            # no date or timestamp column was found: rows are split in file order")
    lines.append("  # entity: [COLUMN]        # columns that identify what a row is about; late labels are joined on them")
    lines.append("  label_delay: 0d  # how long after a row its label is known")
    reasons: dict[str, list[str]] = {}
    for suspect in suspects:
        for column in suspect.columns:
            reasons.setdefault(column, []).append(suspect.reason)
    warned = reasons.pop(time.column, []) if time is not None else []
    lines += [f"  # beware: {_comment(time.column)} is {_comment(reason)}" for reason in warned if time is not None]
    if reasons:
        lines.append("  leave_out:  # never inputs; take a column out of this list if it is known when you predict and means something")
        lines += [f"    - {scalar(column)}  # {_comment('; '.join(why))}" for column, why in reasons.items()]
    else:
        lines.append("  leave_out: []  # nothing suspicious found; add what is not yet known when you predict")
    return "\n".join(lines) + "\n"


def _value(guess: TargetGuess) -> str:
    if guess.task == "binary":
        example = "payoff: {true_positive: 80, false_positive: -8, true_negative: 0, false_negative: 0}"
    elif guess.task == "regression":
        example = "over: 1.0                  # cost of predicting one unit too much\n#   under: 2.0                 # ... too little"
    else:
        a, b = (scalar(name) for name in guess.classes[:2])
        example = f"costs: {{{a}: {{{a}: 0, {b}: 1}}, {b}: {{{a}: 5, {b}: 0}}}}  # of each class for each; costs[actual][predicted]"
    return f"""\
# value:                      # what being right or wrong is worth: sets the decision threshold and the money scores
#   currency: EUR
#   {example}
"""


def _success(guess: TargetGuess, segments: list[str]) -> str:
    listed = ", ".join(scalar(name) for name in segments) or "COLUMN"
    return f"""\
success:                      # each clause becomes a gate that a model must pass
  metric: {METRICS[guess.task]}
  # threshold: NUMBER         # the metric must be at least this good on the holdout
  baseline: naive
  improvement: 0.05           # by what share the error must be below the baseline's
  champion_margin: 0.0        # by what share a new model must beat the one in use
  confidence: 0.95
  # segments: [{_comment(listed)}]
  # segment_gap: 0.5          # no segment's error may be above the whole's by more than this share
  # calibration_error: 0.05   # classes: largest distance of probabilities from what comes true
  # robustness: 0.2           # by what share the error may grow when an input is null in a tenth of the rows
  # latency_p99_ms: 20
  # size_mb: 20
"""


def _data(section: Source, contract: str | None) -> str:
    lines = ["data:", f"  source: {scalar(section.source)}"]
    said = section.model_dump(include={"table", "query", "delimiter", "decimal", "encoding"}, exclude_defaults=True)
    lines += [f"  {clause}: {scalar(value)}" for clause, value in said.items() if (clause, value) != ("delimiter", ",")]
    if section.table or section.query:
        lines.append(
            "  # watermark: COLUMN         # by which new and changed rows are found; without it the whole table is read each time"
        )
    lines.append(f"  contract: {scalar(contract)}" if contract else "  # contract: contract.yaml")
    return "\n".join(lines) + "\n"


def _training(time: TimeGuess | None, *, in_order: bool) -> str:
    cut = "\n  split: {kind: stratified}   # the rows stand in the order of the target: their order is not one of time" if in_order else ""
    span = "a share, or a span of time such as 14d" if time else "a share of the rows"
    return f"""\
preparation:{cut}
  holdout: 0.2                # the newest rows, sealed: {span}
  validation: 0.2             # the newest rows before them, on which trials are compared
  types: {{}}                   # columns whose kind is not what it looks like, such as a code: category

learning:
  budget: {{seconds: 30}}
"""


def _running(rows: int, time: TimeGuess | None) -> str:
    days = time.span_days if time and time.span_days > 0 else 0.0
    per_day = rows / days if days else float(rows)
    window = "day" if per_day >= WINDOW_ROWS else "week" if per_day * 7 >= WINDOW_ROWS else "month"
    why = f"about {per_day:.0f} rows a day" if days else "how often rows come is not in the data"
    return f"""\
deploy:
  approval: auto              # manual: a person with the role approver must agree, or each role of approvals
  staging: optional           # required: a version is put in staging before it may be the champion

monitor:
  window: {window}  # day, week or month; {why}
  significance: 0.01          # false-alarm rate of one window
  degradation: 0.2            # an error this share above the one at validation is an alarm

policy:
  mode: recommend             # observe, recommend or act
"""


def _segment_candidates(frame: pl.DataFrame, target: str, suspects: tuple[Suspect, ...], time: TimeGuess | None) -> list[str]:
    known = {target, time.column if time else "", *(column for suspect in suspects for column in suspect.columns)}
    few = [name for name in frame.columns if name not in known and 2 <= frame[name].n_unique() <= 6]
    return few[:3]


def _comment(text: str) -> str:
    """A text inside a comment: on one line, printable."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
