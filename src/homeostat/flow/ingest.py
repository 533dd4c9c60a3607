"""Stage 3 as a journey: source files, contract, quarantine, one committed dataset version. Nothing is lost, nothing comes twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from homeostat.core.ids import digest, fact_id
from homeostat.core.records import PROVENANCE, ContractReport, DatasetVersion, SourceFile
from homeostat.errors import DataError, ProjectError

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from homeostat.core.casts import LogicalType
    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.dataops.contract import Contract
    from homeostat.flow.project import Project


def load_contract(project: Project) -> Contract | None:
    """The contract the charter names, as shielded rows must meet it; None when it names none.

    Raises:
        DataError: HS206, the file is missing or not valid.
    """
    from homeostat.dataops.contract import parse_contract
    from homeostat.dataops.privacy import shield_contract

    name = project.charter.data.contract
    if name is None:
        return None
    path = project.root / name
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(
            "HS206", f"the contract cannot be read: {error.strerror}", place=name, next_step="`homeostat init` writes one from the data"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError("HS206", "the contract's bytes are not UTF-8", place=name, next_step="save it as UTF-8") from error
    return shield_contract(parse_contract(text, name), project.charter.privacy)


def ingest(project: Project, progress: Progress | None = None) -> Fact:
    """Take in each source file not yet taken in and return the newest ``dataset`` fact.

    Each file is a ``delivery``: read, checked, its good rows committed, its bad rows quarantined with reasons. A delivery
    with too large a share of bad rows is refused: all its rows go to quarantine. A file whose content changed replaces
    the rows of its earlier delivery. Running again takes in only what is new; being killed anywhere and run again
    ends the same.

    Raises:
        DataError: no file, no rows, or (HS207) no delivery was ever accepted; or a file cannot be taken in (the others are).
    """
    from homeostat.dataops.plan import plan_extraction
    from homeostat.infra.sources import list_files, sha256_file, source_name

    intake = _Intake(project.charter_fact(), load_contract(project), _contract_digest(project))
    paths = {source_name(path, project.root): path for path in list_files(project.root, project.charter.data)}
    there = [SourceFile(name, sha256_file(path), path.stat().st_size, 0) for name, path in paths.items()]
    last = {str(fact.body["path"]): fact for fact in reversed(project.ledger.find("delivery"))}
    left = {path for fact in project.ledger.find("dataset", limit=1) for path in fact.body["left"]}
    known = [_source_file(fact) for path, fact in last.items() if path not in left and not _judged_otherwise(fact, intake)]
    problems: list[DataError] = []
    for file in plan_extraction(there, known).files:
        if progress:
            progress.update(f"ingest {file.path}")
        before = last[file.path].id if file.path in last else ""
        try:
            _take_in(project, paths[file.path], file, intake, before)
        except DataError as error:  # one unreadable file must not keep the others out; it is told when they are in
            problems.append(error)
    dataset = _commit_dataset(project, intake, set(paths)) if project.table("curated").exists() or not problems else None
    if problems or dataset is None:
        raise problems[0]
    return dataset


@dataclass(frozen=True, slots=True)
class _Intake:
    """What the deliveries of one ingest share: the charter, and the contract they are judged by."""

    charter: Fact
    contract: Contract | None
    contract_sha256: str


def _contract_digest(project: Project) -> str:
    name = project.charter.data.contract
    return digest((project.root / name).read_bytes()) if name else ""


def _judged_otherwise(delivery: Fact, intake: _Intake) -> bool:
    """Whether a delivery lost rows to a contract that has changed since: then it is judged again."""
    return int(delivery.body["quarantined"]) > 0 and delivery.body["contract"] != intake.contract_sha256


def dataset_version(fact: Fact) -> DatasetVersion:
    """The record a ``dataset`` fact holds."""
    body: dict[str, Any] = dict(fact.body)
    body["sources"] = tuple(SourceFile(**source) for source in body["sources"])
    return DatasetVersion(**{name: body[name] for name in DatasetVersion.__slots__})


def read_dataset(project: Project, fact: Fact) -> pl.DataFrame:
    """The rows of a dataset version, in the order of their sources, with ``_source`` and ``_line``."""
    return project.table("curated").read(version=dataset_version(fact).version)


def _source_file(delivery: Fact) -> SourceFile:
    body = delivery.body
    return SourceFile(str(body["path"]), str(body["sha256"]), int(body["bytes"]), int(body["rows"]))


def _take_in(project: Project, path: Path, file: SourceFile, intake: _Intake, before: str) -> Fact:
    from homeostat.charter.columns import check_columns
    from homeostat.dataops.check import check
    from homeostat.dataops.quarantine import broken_lines, quarantine_rows
    from homeostat.dataops.versions import compare_schemas, schema_of
    from homeostat.flow.privacy import shielded
    from homeostat.infra.sources import SourceRead, read

    # What was there before is part of the name: a path may go back to an older content, and two ingests at once do one thing.
    key = f"{file.path}:{file.sha256}:{intake.contract_sha256[:12]}:{before}"
    source = read(path, project.charter.data, project.root)
    check_columns(project.charter, source.frame.columns, place=file.path)
    source = SourceRead(*shielded(project, source))
    contract = intake.contract or _implied(project, source.frame)
    report = check(source.frame, contract)
    rows = report.rows + source.broken.height
    bad = report.quarantined.height + source.broken.height
    refused = rows > 0 and bad / rows > project.charter.data.max_quarantined
    quarantined = [quarantine_rows(report, key), broken_lines(source.broken, file.path, key)]
    if refused:
        # A refused delivery goes to quarantine whole: what its good rows say cannot be trusted either.
        quarantined.append(quarantine_rows(_all_refused(source.frame, report), key))
    for part, frame in enumerate(quarantined):
        if frame.height:
            project.table("quarantine").append(frame, {"delivery": key}, key=f"{key}:{part}")
    if not refused and report.good.height:
        project.table("curated").replace_source(report.good, [file.path], {"delivery": key}, key=key)
    unknown = compare_schemas(contract.schema(), schema_of(source.frame)).added
    body: dict[str, object] = {
        "path": file.path,
        "source": project.charter.data.source,
        "contract": intake.contract_sha256,
        "sha256": file.sha256,
        "bytes": file.bytes,
        "rows": rows,
        "good": 0 if refused else report.good.height,
        "bad": bad,
        "quarantined": rows if refused else bad,
        "status": "refused" if refused else "accepted",
        "failures": {**report.failures, **({"line": source.broken.height} if source.broken.height else {})},
    }
    body["unknown_columns"] = [name for name in unknown if name not in PROVENANCE]
    return project.record("delivery", key, body, subject=file.path, causes=(intake.charter.id,))


def _implied(project: Project, frame: pl.DataFrame) -> Contract:
    """Without a contract the types of what is there already are the contract; whole numbers may become numbers in a later file."""
    from homeostat.dataops.contract import ColumnRule, Contract
    from homeostat.dataops.versions import schema_of

    table = project.table("curated")
    schema = schema_of(table.read() if table.exists() else frame)
    kinds = {name: {"integer": "number", "null": "string"}.get(kind, kind) for name, kind in schema.items() if name not in PROVENANCE}
    rules = tuple(ColumnRule(name=name, kind=cast("LogicalType", kind), optional=True) for name, kind in kinds.items())
    return Contract(name=project.charter.name, version="implied", columns=rules)


def checked(project: Project, frame: pl.DataFrame, contract: Contract | None) -> pl.DataFrame:
    """The rows of a frame that the contract lets through."""
    from homeostat.dataops.check import check

    return check(frame, contract or _implied(project, frame)).good


def _all_refused(frame: pl.DataFrame, report: ContractReport) -> ContractReport:
    """The rows that would have been good, as the source wrote them, marked as refused with their delivery."""
    import polars as pl

    reason = "the delivery has too many bad rows; all of it is refused"
    good = frame.filter(~frame["_line"].is_in(report.quarantined["_line"].to_list()))
    marked = good.with_columns(pl.lit(["delivery.refused"], dtype=pl.List(pl.String)).alias("_rules"), pl.lit(reason).alias("_reasons"))
    return ContractReport(good=good.clear(), quarantined=marked, failures={"delivery.refused": good.height})


def _commit_dataset(project: Project, intake: _Intake, there: set[str]) -> Fact:
    from homeostat.dataops.versions import content_digest, schema_of

    table = project.table("curated")
    deliveries = list(reversed(project.ledger.find("delivery")))
    # What lies in the table: of each path the last delivery that was accepted.
    accepted = {str(d.body["path"]): d for d in deliveries if d.body["status"] == "accepted" and d.body["good"]}
    if accepted and not table.exists():
        raise ProjectError(
            "HS610",
            "deliveries were accepted, but the table that held them is gone",
            place="curated",
            next_step="restore .homeostat/tables",
        )
    if not table.exists():
        worst = deliveries[-1].body
        raise DataError(
            "HS207",
            f"{worst['bad']} of {worst['rows']} rows break the contract and no delivery was accepted; "
            f"failing rules: {_failures(worst['failures'])}",
            place=str(worst["path"]),
            next_step="the rows are kept in quarantine with their reasons; mend the source or the contract and ingest again",
        )
    left = sorted(path for path, d in accepted.items() if path not in there and d.body["source"] != project.charter.data.source)
    key = digest({"deliveries": sorted(d.id for d in deliveries), "left": left, "source": project.charter.data.source})
    known = project.ledger.get(fact_id("dataset", key))
    if known is not None:
        return known
    if left:  # the charter names another source now, which these files are no part of
        table.replace_source(table.read().clear(), left, {"source": project.charter.data.source}, key=f"left:{key}")
    version = table.version()
    frame = table.read(version=version)
    content = content_digest(frame)
    body: dict[str, object] = {
        "table": "curated",
        "version": version,
        "rows": frame.height,
        "quarantined": sum(int(d.body["quarantined"]) for d in deliveries),
        "digest": content,
        "schema": schema_of(frame),
        "contract": {"path": project.charter.data.contract or "", "sha256": intake.contract_sha256},
        "left": left,
        "sources": [
            {"path": d.body["path"], "sha256": d.body["sha256"], "bytes": d.body["bytes"], "rows": d.body["good"]}
            for path, d in accepted.items()
            if path not in left
        ],
    }
    return project.record("dataset", key, body, causes=(intake.charter.id, *(d.id for d in deliveries)))


def _failures(failures: dict[str, int]) -> str:
    return ", ".join(f"{rule} ({count})" for rule, count in sorted(failures.items(), key=lambda item: -item[1])[:5])
