"""One part of a source on its way in: from the raw zone, batch by batch, through the contract, into the table or into quarantine.

Memory is that of a few batches, however large the part is. Rows in are rows taken in plus rows quarantined, always.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from homeostat.core.ids import digest, fact_id
from homeostat.core.records import PROVENANCE
from homeostat.flow.intake import MAIN, Intake, implied, is_transformed, loaded, repairs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.core.records import Breach, ContractReport
    from homeostat.dataops.check import Checker
    from homeostat.dataops.contract import Contract
    from homeostat.flow.project import Project
    from homeostat.infra.raw import RawFile
    from homeostat.infra.sources import Part
    from homeostat.infra.table_files import Delivery

REFUSED = "delivery.refused"


@dataclass(slots=True)
class Tally:
    """What came of the rows of one part so far."""

    rows: int = 0
    good: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    breaches: tuple[Breach, ...] = ()
    stopped: bool = False
    schema: dict[str, str] = field(default_factory=dict)
    digest: str = ""

    @property
    def bad(self) -> int:
        """Rows that did not pass."""
        return self.rows - self.good

    def add(self, report: ContractReport, broken: int) -> None:
        """Count a batch and its lines that could not be read."""
        self.rows += report.rows + broken
        self.good += report.good.height
        self.stopped = self.stopped or bool(report.stopped)
        for rule, count in (*report.failures.items(), *((("line", broken),) if broken else ())):
            self.failures[rule] = self.failures.get(rule, 0) + count


def deliver(project: Project, intake: Intake, part: Part, raw: RawFile, before: str) -> Fact:
    """Take one part in and return its ``delivery`` fact. A part that was taken in under the same key is left as it is.

    A delivery is refused when too large a share of its rows is bad or a rule that stops it is broken: all its rows go to quarantine,
    and what the table had of the part stays. Being killed anywhere and run again ends the same.

    Args:
        project: the project.
        intake: the table and its contract.
        part: what is delivered.
        raw: its content in the raw zone.
        before: the id of the part's delivery before this one; a part may go back to an older content.

    Raises:
        DataError: HS202, HS203, HS205, HS209: the part cannot be read as the table.
    """
    repairs = repairs_of(project, intake.table, part.name, raw.sha256)
    mended = digest([fact.id for fact in repairs])[:12] if repairs else ""
    read_by = digest(intake.reading)[:12]
    key = ":".join((intake.table, part.name, raw.sha256, intake.contract_sha256[:12], read_by, mended, before))
    known = project.ledger.get(fact_id("delivery", key))
    if known is not None:
        return known
    batches = _Batches(project, intake, part, raw, repairs)
    about = {"delivery": key}
    with (
        project.table("quarantine").delivery(key, about, f"{intake.table}:{part.name}") as bad,
        loaded(project, intake.table).delivery(key, about, part.name) as good,
    ):
        tally = _pour(project, batches, good, bad, key)
        refused = tally.stopped or (tally.rows > 0 and tally.bad / tally.rows > project.charter.data.max_quarantined)
        if refused:
            good.discard()
            _refuse_the_rest(batches, bad, key)
        if bad.version is None:
            bad.commit(replacing=[bad.part])
        if not refused and good.version is None:
            good.commit(replacing=[good.part])
    return _record(project, batches, tally, key, refused=refused)


@dataclass(frozen=True, slots=True)
class _Batches:
    """The rows of a part as its repairs leave them, and the contract that judges them."""

    project: Project
    intake: Intake
    part: Part
    raw: RawFile
    repairs: list[Fact]
    notes: list[str] = field(default_factory=list)
    """What a person may want to know of the part, as reading it told."""

    def read(self) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Batches of rows, each with its broken lines; repaired rows come last, in place of what they repair."""
        import polars as pl

        from homeostat.flow.privacy import shielded
        from homeostat.infra.sources import read_batches

        mended = _mended(self.project, self.repairs)
        lines = mended["_line"].implode() if mended is not None else None
        for read in read_batches(self.raw, self.intake.section, self.part.name):
            frame, broken = shielded(self.project, read)
            if lines is not None:
                frame, broken = (each.filter(~pl.col("_line").is_in(lines)) for each in (frame, broken))
            self.notes.extend(read.notes)
            yield frame, broken
        if mended is not None:
            yield mended.with_columns(pl.lit(self.part.name).alias("_source")), broken.clear()

    def contract(self, frame: pl.DataFrame) -> Contract:
        """The contract named by the charter, else the one that follows from what is there."""
        return self.intake.contract or implied(self.project, self.intake.table, frame)


def _mended(project: Project, repairs: list[Fact]) -> pl.DataFrame | None:
    """The newest repair of each line; None when there is none."""
    import polars as pl

    from homeostat.flow.privacy import shield_frame

    if not repairs:
        return None
    frames = [pl.read_parquet(project.raw.get(str(fact.body["raw"])).path) for fact in repairs]
    whole = shield_frame(project, pl.concat(frames, how="diagonal_relaxed"))
    return whole.unique(subset="_line", keep="last", maintain_order=True).sort("_line")


def _pour(project: Project, batches: _Batches, good: Delivery, bad: Delivery, key: str) -> Tally:
    """Every row into one of the two; what was committed before a kill is read and counted again, not written again."""
    from homeostat.charter.columns import check_columns
    from homeostat.dataops.quarantine import broken_lines, quarantine_rows
    from homeostat.dataops.versions import ContentHash, schema_of

    tally, content, checker = Tally(), ContentHash(), None
    for frame, broken in batches.read():
        if checker is None:
            if batches.intake.table == MAIN and not is_transformed(project):
                check_columns(project.charter, frame.columns, place=batches.part.name)
            tally.schema = schema_of(frame)
            contract = batches.contract(frame)
            checker = _checker(project, contract)
        report = checker.batch(frame)
        tally.add(report, broken.height)
        content.update(report.good.drop(PROVENANCE))
        if good.version is None:
            good.write(report.good)
        if bad.version is None:
            bad.write(quarantine_rows(report, key, batches.intake.table))
            bad.write(broken_lines(broken, batches.part.name, key, batches.intake.table))
    if checker is not None:
        tally.breaches = checker.finish()
        tally.stopped = tally.stopped or any(breach.severity == "stop" for breach in tally.breaches)
    tally.digest = content.hexdigest()
    return tally


def _checker(project: Project, contract: Contract) -> Checker:
    from homeostat.dataops.check import Checker

    return Checker(contract, references=_references(project, contract), now=project.clock.now(), spill=project.state / "spill")


def _references(project: Project, contract: Contract) -> Mapping[str, pl.DataFrame]:
    """The tables that the contract's foreign keys lead to."""
    names = {reference.table for reference in contract.references}
    return {name: loaded(project, name).read() for name in names if loaded(project, name).exists()}


def _refuse_the_rest(batches: _Batches, bad: Delivery, key: str) -> None:
    """The rows that would have been good, as the source wrote them: what they say cannot be trusted either."""
    import polars as pl

    from homeostat.core.records import ContractReport
    from homeostat.dataops.quarantine import quarantine_rows

    if bad.version is not None:
        return
    checker, marks = None, [pl.lit([REFUSED], dtype=pl.List(pl.String)).alias("_rules")]
    marks.append(pl.lit("the delivery is refused; all of it is kept apart").alias("_reasons"))
    for frame, _ in batches.read():
        if checker is None:
            contract = batches.contract(frame)
            checker = _checker(batches.project, contract)
        told = checker.batch(frame).quarantined["_line"].implode()
        rest = frame.filter(~pl.col("_line").is_in(told)).with_columns(marks)
        bad.write(quarantine_rows(ContractReport(rest.clear(), rest, {}), key, batches.intake.table))


def _record(project: Project, batches: _Batches, tally: Tally, key: str, *, refused: bool) -> Fact:
    from homeostat.dataops.versions import compare_schemas

    intake, part, raw = batches.intake, batches.part, batches.raw
    agreed = intake.contract.schema() if intake.contract else {name: kind for name, kind in tally.schema.items() if name not in PROVENANCE}
    change = compare_schemas(agreed, {name: kind for name, kind in tally.schema.items() if name not in PROVENANCE})
    body: dict[str, object] = {
        "table": intake.table,
        "path": part.name,
        "source": intake.origin,
        "contract": intake.contract_sha256,
        "agreed": agreed,
        "reading": intake.reading,
        "max_quarantined": project.charter.data.max_quarantined,
        "fingerprint": part.fingerprint,
        "sha256": raw.sha256,
        "bytes": raw.bytes,
        "rows": tally.rows,
        "good": 0 if refused else tally.good,
        "bad": tally.bad,
        "quarantined": tally.rows if refused else tally.bad,
        "status": "refused" if refused else "accepted",
        "failures": tally.failures,
        "breaches": [_told(breach) for breach in tally.breaches],
        "digest": "" if refused else tally.digest,
        "notes": list(dict.fromkeys(batches.notes)),
        "repairs": [fact.id for fact in batches.repairs],
        "unknown_columns": list(change.added),
        "changed_columns": [f"{name}: {old} -> {new}" for name, old, new in change.changed],
    }
    causes = (project.charter_fact().id, *(fact.id for fact in batches.repairs))
    return project.record("delivery", key, body, subject=part.name, causes=causes)


def _told(breach: Breach) -> dict[str, Any]:
    return {"rule": breach.rule, "severity": breach.severity, "message": breach.message}
