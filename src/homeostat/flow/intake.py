"""What each table of a project is taken in with: its source, its contract, and the repairs made to its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from homeostat.charter.data_rules import is_database
from homeostat.core.addresses import without_secrets
from homeostat.core.ids import digest
from homeostat.core.records import PROVENANCE
from homeostat.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from homeostat.core.casts import LogicalType
    from homeostat.core.facts import Fact
    from homeostat.core.sections import Source
    from homeostat.dataops.contract import Contract
    from homeostat.flow.project import Project
    from homeostat.infra.tables import Table

MAIN = "data"
"""What the main table is called beside the names in ``data.tables``."""


@dataclass(frozen=True, slots=True)
class Intake:
    """One table on its way in: where its rows come from and what they are judged by. ``contract`` is None where none is named."""

    table: str
    section: Source
    contract: Contract | None
    contract_sha256: str

    @property
    def address(self) -> str:
        """Where the rows come from, without the secrets in it: what facts may say."""
        return without_secrets(self.section.source)

    @property
    def reading(self) -> dict[str, object]:
        """The clauses by which text becomes values: what was read by others is read again."""
        return self.section.model_dump(mode="json", include={"delimiter", "decimal", "encoding", "null_values"})

    @property
    def origin(self) -> str:
        """The address with what else decides which parts there are and what they hold: of a database the table or query, and the slices."""
        section = self.section
        if not is_database(section.source):
            return self.address
        read = section.table or f"query {digest([section.query])[:12]}"
        return f"{self.address} {read}" + (f" by {section.slice} of {section.watermark}" if section.watermark else "")


def intakes(project: Project) -> list[Intake]:
    """The project's tables, the main one last: what it refers to is there before it.

    Raises:
        DataError: HS206, a contract is missing or not valid.
    """
    data = project.charter.data
    return [
        Intake(name, section, load_contract(project, section.contract), contract_digest(project, section.contract))
        for name, section in [*data.tables.items(), (MAIN, data)]
    ]


def loaded(project: Project, table: str) -> Table:
    """The Delta table with the rows of one source table that passed the contract they are loaded by."""
    return project.table(f"loaded/{table}")


def is_transformed(project: Project) -> bool:
    """Whether the rows models learn from are made from the loaded ones, by joins or by ``features.sql``."""
    return bool(project.charter.data.joins) or project.charter.data.features is not None


def load_contract(project: Project, name: str | None) -> Contract | None:
    """The contract of this name, as shielded rows must meet it; None for none.

    Raises:
        DataError: HS206, the file is missing or not valid.
    """
    from homeostat.dataops.contract import parse_contract
    from homeostat.dataops.privacy import shield_contract

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


def served_contract(project: Project) -> Contract | None:
    """The contract of the rows a model is given: that of the curated rows where they are transformed, else the main table's."""
    data = project.charter.data
    return load_contract(project, data.curated_contract if is_transformed(project) else data.contract)


def contract_digest(project: Project, name: str | None) -> str:
    """SHA-256 of the contract's file; empty for none."""
    return digest((project.root / name).read_bytes()) if name else ""


def implied(project: Project, table: str, frame: pl.DataFrame) -> Contract:
    """Without a contract the types of what is there already are the contract; whole numbers may become numbers in a later file."""
    from homeostat.dataops.contract import ColumnRule, Contract
    from homeostat.dataops.versions import schema_of

    there = loaded(project, table)
    schema = schema_of(there.scan().head(0).collect() if there.exists() else frame)
    kinds = {name: {"integer": "number", "null": "string"}.get(kind, kind) for name, kind in schema.items() if name not in PROVENANCE}
    rules = tuple(ColumnRule(name=name, kind=cast("LogicalType", kind), optional=True) for name, kind in kinds.items())
    return Contract(name=table, version="implied", columns=rules)


def checked(project: Project, intake: Intake, frame: pl.DataFrame, others: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The rows of a frame of a table that its contract lets through; ``others`` are the tables its keys may lead to."""
    from homeostat.dataops.check import check

    contract = intake.contract or implied(project, intake.table, frame)
    return check(frame, contract, references=others, now=project.clock.now()).good


def delivered(project: Project, table: str) -> dict[str, Fact]:
    """The last delivery of each part of a table, oldest first."""
    facts = [fact for fact in reversed(project.ledger.find("delivery")) if fact.body["table"] == table]
    return {str(fact.body["path"]): fact for fact in facts}


def accepted(project: Project, table: str) -> dict[str, Fact]:
    """Of each part of a table the last delivery that was accepted: what lies in the table."""
    facts = [fact for fact in reversed(project.ledger.find("delivery")) if fact.body["table"] == table]
    return {str(fact.body["path"]): fact for fact in facts if fact.body["status"] == "accepted"}


def repairs_of(project: Project, table: str, path: str, sha256: str) -> list[Fact]:
    """The repairs made to rows of one content of a part, oldest first."""
    found = project.ledger.find("repair", subject=f"{table}:{path}")
    return [fact for fact in reversed(found) if fact.body["sha256"] == sha256]
