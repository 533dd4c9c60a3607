"""``init`` as a journey: from data, wherever it is, to a charter and a contract."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from homeostat.core.addresses import is_local, without_password, without_secrets
from homeostat.errors import DataError, ProjectError
from homeostat.flow.project import CHARTER_FILE, open_project, resolved

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.infra.sources import SourceRead

CONTRACT_FILE = "contract.yaml"
SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Founded:
    """The files written, what was inferred, and the id of the key that will sign versions with where its private half is."""

    charter: str
    contract: str
    task: str
    metric: str
    leave_out: list[str]
    notes: list[str]
    signing_key: str
    private_key: str


def found(root: Path, origin: sections.Source, target: str, name: str | None) -> Founded:
    """Infer a charter and a contract from data and write both into the folder.

    Args:
        root: the project's folder.
        origin: where the data is: a path is relative to where the command runs, and written relative to the project.
        target: the column to predict.
        name: the model's name; by default the folder's.

    Raises:
        ProjectError: HS607, there is a charter already; HS602, the folder cannot be written.
        DataError: the data or the target will not do.
        Unreachable: the source does not answer.
        Refusal: HS710, the key that signs versions cannot be made.
    """
    from homeostat.charter.infer import infer_charter
    from homeostat.charter.load import parse_charter
    from homeostat.dataops.contract import dump_contract, infer_contract

    root = resolved(root)
    for existing in (CHARTER_FILE, CONTRACT_FILE):
        if (root / existing).exists():
            raise ProjectError("HS607", f"{existing} is there already", place=str(root), next_step="remove it first, or use another folder")
    section, frame, notes = _read(_absolute(origin), root)
    section = section.model_copy(update={"source": _written(section.source, root)})
    text = infer_charter(frame, target, section, name or _name_of(root), contract=CONTRACT_FILE)
    charter = parse_charter(text, CHARTER_FILE)
    contract = infer_contract(frame, charter.task, charter.name)
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / CONTRACT_FILE).write_text(dump_contract(contract), encoding="utf-8")
        (root / CHARTER_FILE).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ProjectError(
            "HS602", f"cannot be written: {error.strerror}", place=str(root), next_step="make the folder writable"
        ) from error
    key, path = found_key(root)
    leave_out = list(charter.task.leave_out)
    return Founded(CHARTER_FILE, CONTRACT_FILE, charter.task.type, charter.success.metric, leave_out, notes, key, path)


def found_key(root: Path) -> tuple[str, str]:
    """The id of the project's signing key, which is made if there is none, and where its private half is.

    Raises:
        Refusal: HS710, it cannot be made, or would lie in the project.
    """
    from homeostat.flow.signing import ensure_key

    with open_project(root) as project:
        key = ensure_key(project)
        return key.public.id, str(key.private_path)


def _absolute(origin: sections.Source) -> sections.Source:
    """The source, with a path that does not depend on where the command runs. A glob is no path to resolve."""
    address = origin.source
    if is_local(address):
        path = Path(address)
        address = str(path.resolve() if path.exists() else Path.cwd() / path)
    elif address.startswith(SQLITE):
        address = f"{SQLITE}{Path(address.removeprefix(SQLITE)).resolve()}"
    return origin.model_copy(update={"source": address})


def _written(address: str, root: Path) -> str:
    """The address as the charter shall say it: a path relative to the project, and no password."""
    if is_local(address):
        return Path(os.path.relpath(address, root)).as_posix()
    if address.startswith(SQLITE):
        return f"{SQLITE}{Path(os.path.relpath(address.removeprefix(SQLITE), root)).as_posix()}"
    return without_password(address)


def _read(section: sections.Source, root: Path) -> tuple[sections.Source, pl.DataFrame, list[str]]:
    """All rows, the source with what was found out about its files, and what a person may want to know of them."""
    import polars as pl

    from homeostat.flow.reading import source_reads
    from homeostat.infra.sources import list_files, sniff

    if is_local(section.source):
        first = list_files(root, section)[0]
        section = section.model_copy(update={"delimiter": section.delimiter or sniff(first, section.encoding)})
    reads = list(source_reads(section, root))
    if section.delimiter not in {None, ","}:
        other = section.model_copy(update={"decimal": ","})
        others = list(source_reads(other, root))
        if _numbers(others) > _numbers(reads):
            section, reads = other, others
    frames = [given.frame.drop("_source", "_line") for _, given in reads]
    try:
        frame = pl.concat(frames, how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        message = f"its parts do not have columns of the same types: {str(error).splitlines()[0]}"
        raise DataError("HS208", message, place=without_secrets(section.source), next_step="name one of them") from error
    notes = [note for name, given in reads for note in (*_broken(name, given), *(f"{name}: {each}" for each in given.notes))]
    if frame.is_empty():
        raise DataError("HS202", "no line of it is a row", place=without_secrets(section.source), next_step="; ".join(notes))
    return section, frame, notes


def _broken(name: str, given: SourceRead) -> list[str]:
    """What is said of lines that are no rows: nothing is inferred from them, and ``ingest`` puts them into quarantine."""
    if given.broken.is_empty():
        return []
    first = given.broken.row(0, named=True)
    return [f"{name}:{first['_line']}: {first['_reason']}; {given.broken.height} such line(s) told nothing and will be quarantined"]


def _numbers(reads: list[tuple[str, SourceRead]]) -> int:
    return sum(dtype.is_numeric() for _, read in reads for dtype in read.frame.dtypes)


def _name_of(root: Path) -> str:
    name = re.sub(r"[^a-z0-9_.-]+", "-", root.name.lower()).strip("-_.")
    return name[:64] or "model"
