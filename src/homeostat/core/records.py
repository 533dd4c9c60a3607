"""What stages hand to each other: frozen records, with no behaviour beyond what follows from their fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.core.sections import Kind

    Rows = NDArray[np.int64]
    Floats = NDArray[np.float64]

# Columns that say where a row came from: the source file, and the line (CSV) or row (Parquet) in it, counted from 1.
PROVENANCE = ("_source", "_line")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file rows came from: path relative to the project, SHA-256 of its bytes, size and data rows."""

    path: str
    sha256: str
    bytes: int
    rows: int


Severity = Literal["warn", "reject", "quarantine", "stop"]


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule about a whole delivery that does not hold: what was measured and what is allowed.

    ``value`` is None when there was nothing to measure: a rule that cannot be answered does not hold.
    """

    rule: str
    severity: Severity
    message: str
    value: float | str | None
    limit: str


@dataclass(frozen=True, slots=True, eq=False)
class ContractReport:
    """The outcome of a contract on a frame: ``good.height + quarantined.height`` is the number of rows that came in.

    ``quarantined`` keeps every column and adds ``_rules`` (list of rule names) and ``_reasons`` (one text).
    ``failures`` counts failing rows per rule, ``warnings`` the same for rules that only warn: their rows are good.
    ``severities`` has the severity of each rule in ``failures``. ``breaches`` are the rules about the whole delivery that do not hold;
    a report on one batch has none.
    """

    good: pl.DataFrame
    quarantined: pl.DataFrame
    failures: Mapping[str, int]
    warnings: Mapping[str, int] = field(default_factory=dict)
    severities: Mapping[str, Severity] = field(default_factory=dict)
    breaches: tuple[Breach, ...] = ()

    @property
    def rows(self) -> int:
        """Rows that came in."""
        return self.good.height + self.quarantined.height

    @property
    def broken_share(self) -> float:
        """Share of rows that were quarantined; 0 when no row came in."""
        return self.quarantined.height / self.rows if self.rows else 0.0

    @property
    def rejected(self) -> pl.Series:
        """One boolean per row of ``quarantined``: True where a rule says that the row is never taken in, so no repair can help."""
        import polars as pl

        final = [rule for rule, severity in self.severities.items() if severity == "reject"]
        if not final:  # rows that no contract was asked about name no rules
            return pl.repeat(value=False, n=self.quarantined.height, dtype=pl.Boolean, eager=True)
        return self.quarantined["_rules"].list.set_intersection(final).list.len() > 0

    @property
    def stopped(self) -> tuple[str, ...]:
        """The broken rules for which the whole delivery must be refused, whatever the share of bad rows."""
        rows = [rule for rule, severity in self.severities.items() if severity == "stop"]
        return (*rows, *(breach.rule for breach in self.breaches if breach.severity == "stop"))


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """Curated rows as a committed version of a Delta table: content digest, schema and the sources they came from.

    ``quarantined`` rows wait for repair, ``dropped`` ones were filtered out by ``features.sql``.
    """

    table: str
    version: int
    rows: int
    quarantined: int
    dropped: int
    digest: str
    schema: Mapping[str, str]
    contract: Mapping[str, str]
    sources: tuple[SourceFile, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Three disjoint frames; of a split by time in time order: train, then validation, then the sealed holdout.

    ``between`` are the rows in a gap before validation: too new to train what validation judges, old enough for what the holdout judges.
    ``left_out`` counts those in the gap before the holdout, which are in no part. ``folds`` are pairs of row numbers of ``development``,
    (train, validation), on which trials are judged; none: on ``validation``.
    """

    train: pl.DataFrame
    validation: pl.DataFrame
    holdout: pl.DataFrame
    folds: tuple[tuple[Rows, Rows], ...] = ()
    between: pl.DataFrame | None = None
    left_out: int = 0

    @property
    def development(self) -> pl.DataFrame:
        """All rows that are not sealed: train, what lies between, then validation."""
        before = self.train if self.between is None else self.train.vstack(self.between)
        return before.vstack(self.validation)

    @property
    def rounds(self) -> int:
        """How often a trial is fitted and judged: once a fold, or once."""
        return len(self.folds) or 1

    def round(self, number: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The training and the validation rows of one round, counted from 0."""
        if not self.folds:
            return self.train, self.validation
        train, judged = self.folds[number]
        return self.development[train], self.development[judged]


@dataclass(frozen=True, slots=True, eq=False)
class Balanced:
    """Training rows whose classes weigh alike: which rows (None: all; a row can stand twice) and their weights (None: 1 everywhere).

    ``ratio`` (k,) says by what each class's share of the weight was multiplied; scores divided by it are those at the true shares.
    """

    rows: Rows | None
    weights: Floats | None
    ratio: Floats


@dataclass(frozen=True, slots=True)
class Decision:
    """What preparation does to a column, why, and the number behind it. ``by`` says who decided: the analysis or the charter.

    ``kind`` is what the column is prepared as, None when it is dropped. The rest holds for the kinds it makes sense for.
    """

    column: str
    kind: Kind | None
    drop: bool = False
    impute: Literal["median", "mean", "zero", "none"] = "none"
    indicator: bool = False
    clip: bool = False
    transform: Literal["none", "log", "yeo_johnson"] = "none"
    encode: Literal["", "one_hot", "ordinal", "frequency", "target", "tfidf"] = ""
    reason: str = ""
    number: float | None = None
    by: Literal["analysis", "charter"] = "analysis"


@dataclass(frozen=True, slots=True)
class Trial:
    """One tried combination. ``value`` is the success metric on the validation rows, None when the trial failed or was given up.

    ``curve`` is the error of the validation rows at a few steps on the way: as learning went on, or fold by fold.
    """

    number: int
    learner: str
    window: str
    params: Mapping[str, Any]
    value: float | None
    seconds: float
    reason: str = ""
    curve: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """A metric on some rows, with a bootstrap interval.

    ``segment`` is empty for all rows, else ``column=value``; ``objective`` is empty for the whole score, else the one that is judged.
    """

    metric: str
    value: float
    low: float
    high: float
    rows: int
    segment: str = ""
    objective: str = ""


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate: what was measured, what was allowed, and a sentence."""

    gate: str
    passed: bool
    value: float | None
    limit: float | None
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All gates of one validation; passed only when each gate is."""

    results: tuple[GateResult, ...]

    @property
    def passed(self) -> bool:
        """True when every gate passed."""
        return all(result.passed for result in self.results)


FindingKind = Literal["broken_rows", "null_rate", "input_drift", "prediction_drift", "target_drift", "performance"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a window shows that the reference does not. ``effect`` is on the scale of the named statistic."""

    kind: FindingKind
    column: str
    statistic: str
    effect: float
    p_value: float | None
    detail: str


Cause = Literal["healthy", "too_few_rows", "broken_data", "covariate_shift", "label_shift", "concept_change"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The most likely cause behind the findings of one window, in words and machine-readable."""

    cause: Cause
    reason: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """What the loop does next and why; ``allowed`` is False when the policy only observes or recommends."""

    name: Literal["none", "quarantine", "retrain", "rollback", "ask"]
    reason: str
    allowed: bool = True
