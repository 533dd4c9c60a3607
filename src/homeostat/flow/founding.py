"""``init`` as a journey: from a data file to a charter and a contract."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from homeostat.errors import ProjectError
from homeostat.flow.project import CHARTER_FILE, resolved
from homeostat.flow.reading import read_whole

CONTRACT_FILE = "contract.yaml"


@dataclass(frozen=True, slots=True)
class Founded:
    """The files written, and what was inferred."""

    charter: str
    contract: str
    task: str
    metric: str
    leave_out: list[str]


def found(root: Path, source: Path, target: str, name: str | None) -> Founded:
    """Infer a charter and a contract from a data file and write both into the folder.

    Raises:
        ProjectError: HS607, there is a charter already; HS602, the folder cannot be written.
        DataError: the file or the target will not do.
    """
    from homeostat.charter.infer import infer_charter
    from homeostat.charter.load import parse_charter
    from homeostat.core import sections
    from homeostat.dataops.contract import dump_contract, infer_contract
    from homeostat.infra.sources import sniff

    root = resolved(root)
    for existing in (CHARTER_FILE, CONTRACT_FILE):
        if (root / existing).exists():
            raise ProjectError("HS607", f"{existing} is there already", place=str(root), next_step="remove it first, or use another folder")
    origin = os.path.relpath(source.resolve(), root)
    section = sections.Data(source=origin, delimiter=sniff(source))
    frame = read_whole(source.resolve(), section, root).drop("_source", "_line")
    text = infer_charter(
        frame, target, Path(origin).as_posix(), name or _name_of(root), delimiter=section.delimiter or ",", contract=CONTRACT_FILE
    )
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
    return Founded(CHARTER_FILE, CONTRACT_FILE, charter.task.type, charter.success.metric, list(charter.task.leave_out))


def _name_of(root: Path) -> str:
    name = re.sub(r"[^a-z0-9_.-]+", "-", root.name.lower()).strip("-_.")
    return name[:64] or "model"
