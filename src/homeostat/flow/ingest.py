"""Stage 3 as a journey: parts of the sources, raw zone, contract, quarantine, one committed dataset version.

Nothing is lost, nothing comes twice. A dataset version is named only when the rows passed both validations, after they were loaded and
after they were transformed; until then whoever reads sees the version before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from homeostat.charter.data_rules import is_database
from homeostat.core.ids import digest
from homeostat.core.records import SourceFile
from homeostat.errors import InputError, Unreachable
from homeostat.flow.datasets import name_dataset
from homeostat.flow.delivery import deliver
from homeostat.flow.intake import MAIN, Intake, accepted, delivered, intakes, is_transformed, loaded, repairs_of
from homeostat.flow.online import refresh

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project
    from homeostat.infra.raw import RawFile
    from homeostat.infra.sources import Part, Source


@dataclass(slots=True)
class _Taken:
    """What came of a table: the parts its source has now (None: it could not be asked), and what went wrong."""

    there: set[str] | None = None
    problems: list[InputError | Unreachable] = field(default_factory=list)


def ingest(project: Project, progress: Progress | None = None, backfill: tuple[datetime, datetime] | None = None) -> Fact:
    """Take in each part of the sources not yet taken in and return the newest ``dataset`` fact.

    Each part is copied into the raw zone and becomes a ``delivery``: read, checked, its good rows committed, its bad rows quarantined
    with reasons. A part whose content changed, or the clauses by which its text is read, replaces the rows of its earlier delivery. A
    part whose contract or repairs changed, or that a larger ``max_quarantined`` lets in, is judged again, from the raw zone. Running
    again takes in only what is new; being killed anywhere and run again ends the same.

    Args:
        project: the project.
        progress: told what is being taken in.
        backfill: a span of the watermark whose parts database sources are asked for again, whatever is known of them.

    Raises:
        DataError: no part, no rows, or (HS207) no delivery was ever accepted; HS220, the rows as a whole break their contract; or a
            part cannot be taken in (the others are).
        Unreachable: a source does not answer (what other sources gave is in).
    """
    taken = {intake.table: _take_in(project, intake, backfill, progress) for intake in intakes(project)}
    problems = [problem for each in taken.values() for problem in each.problems]
    if problems and not loaded(project, MAIN).exists():
        raise problems[0]
    dataset = name_dataset(project, {table: each.there for table, each in taken.items()}, progress)
    refresh(project, None if problems else project.clock.now())
    if problems:
        raise problems[0]
    return dataset


def _take_in(project: Project, intake: Intake, backfill: tuple[datetime, datetime] | None, progress: Progress | None) -> _Taken:
    """Deliver what is new or judged otherwise; one part that cannot be taken in does not keep the others out."""
    from homeostat.flow.privacy import stored_as, stored_main
    from homeostat.infra.sources import Taken, open_source

    _fit_table(project, intake)
    taken, known = _Taken(), _known(project, intake)
    fresh: list[Part] = []
    try:
        source = open_source(
            intake.section,
            project.root,
            retries=project.charter.data.retries,
            taken=Taken(list(known), backfill),
            transform=stored_main(project) if intake.table == MAIN and not is_transformed(project) else stored_as(project),
        )
        fresh, taken.there = _wanted(known, source)
        _tell_gone(project, intake, {name for name in known if name not in taken.there and source.asked(name)}, progress)
    except (InputError, Unreachable) as error:
        taken.problems.append(error)
    for part in fresh:
        if progress:
            progress.update(f"ingest {part.name}")
        try:
            deliver(project, intake, part, source.fetch(part, project.raw), _before(project, intake, part.name))
        except (InputError, Unreachable) as error:
            taken.problems.append(error)
    for part, raw in _judged_otherwise(project, intake, {part.name for part in fresh}, taken.there):
        if progress:
            progress.update(f"judge {part.name} again")
        try:
            deliver(project, intake, part, raw, _before(project, intake, part.name))
        except InputError as error:
            taken.problems.append(error)
    return taken


def _before(project: Project, intake: Intake, path: str) -> str:
    last = delivered(project, intake.table).get(path)
    return last.id if last else ""


def _known(project: Project, intake: Intake) -> dict[str, str]:
    """The parts in the table, with the fingerprints they were taken in by.

    Not known are those that were left behind or read by other clauses, and those of another table, query or slicing of a database: what
    they hold is another thing, whatever they are called.
    """
    left = {path for fact in project.ledger.find("dataset", limit=1) for path in fact.body["left"].get(intake.table, ())}
    there = {path: fact for path, fact in delivered(project, intake.table).items() if path not in left}
    if is_database(intake.section.source):
        there = {path: fact for path, fact in there.items() if fact.body["source"] == intake.origin}
    return {path: str(fact.body["fingerprint"]) for path, fact in there.items() if fact.body["reading"] == intake.reading}


def _wanted(known: Mapping[str, str], source: Source) -> tuple[list[Part], set[str]]:
    """The parts whose content is not in the table, and the names of all there are."""
    from homeostat.dataops.plan import plan_extraction

    there = {part.name: part for part in source.parts()}
    files = [SourceFile(part.name, part.fingerprint, part.bytes or 0, 0) for part in there.values()]
    plan = plan_extraction(files, [SourceFile(path, mark, 0, 0) for path, mark in known.items()])
    return [there[file.path] for file in plan.files], set(there)


def _tell_gone(project: Project, intake: Intake, names: set[str], progress: Progress | None) -> None:
    """Parts that the source was asked for and does not have any more: their rows stay, and that is on record."""
    kept = {path: fact for path, fact in accepted(project, intake.table).items() if path in names and fact.body["source"] == intake.origin}
    if not kept:
        return
    rows = sum(int(fact.body["good"]) for fact in kept.values())
    some = ", ".join(list(kept)[:5]) + (f" and {len(kept) - 5} more" if len(kept) > 5 else "")
    detail = f"{some}: not in the source any more; the {rows} rows taken in from there stay"
    body: dict[str, object] = {"table": intake.table, "parts": list(kept), "rows": rows, "detail": detail}
    project.record(
        "absence", digest([intake.table, sorted(fact.id for fact in kept.values())]), body, causes=tuple(fact.id for fact in kept.values())
    )
    if progress:
        progress.note(detail)


def _judged_otherwise(project: Project, intake: Intake, done: set[str], there: set[str] | None) -> list[tuple[Part, RawFile]]:
    """Parts in the raw zone that would come out otherwise now; none of those that another source clause brought and this one does not."""
    from homeostat.infra.sources import Part

    found = []
    for path, fact in delivered(project, intake.table).items():
        body = fact.body
        ours = body["source"] == intake.origin or path in (there or ())
        if path not in done and ours and _otherwise(project, intake, path, body):
            part = Part(path, str(body["fingerprint"]), int(body["bytes"]), None)
            found.append((part, project.raw.get(str(body["sha256"]))))
    return found


def _otherwise(project: Project, intake: Intake, path: str, body: Mapping[str, Any]) -> bool:
    """Whether a delivery would come out otherwise: read by other clauses, under another contract or limit, or with repairs made since."""
    limit = project.charter.data.max_quarantined
    refused = body["status"] == "refused" and body["max_quarantined"] < limit and body["bad"] <= limit * body["rows"]
    lost = body["quarantined"] > 0 and body["contract"] != intake.contract_sha256
    other = intake.contract is not None and body["agreed"] != intake.contract.schema()
    repairs = [repair.id for repair in repairs_of(project, intake.table, path, str(body["sha256"]))]
    return bool(refused or lost or other or body["reading"] != intake.reading or repairs != list(body["repairs"]))


def _fit_table(project: Project, intake: Intake) -> None:
    """Give the table the contract's columns where one has another type or is gone: the deliveries are then judged again.

    A column that is only new needs nothing: the next delivery brings it.
    """
    import polars as pl

    from homeostat.core.casts import dtype_of

    table = loaded(project, intake.table)
    if intake.contract is None or not table.exists():
        return
    wanted: dict[str, pl.DataType] = {column.name: dtype_of(column.kind) for column in intake.contract.columns}
    there = {name: dtype for name, dtype in table.columns().items() if not name.startswith("_")}
    if any(wanted.get(name) != dtype for name, dtype in there.items()):
        frame = pl.DataFrame(schema={**wanted, "_source": pl.String(), "_line": pl.Int64()})
        table.restructure(frame, f"restructure:{intake.contract_sha256}:{table.version()}")
