"""An opened project: its charter and the places its state lives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from homeostat.charter.load import load_charter
from homeostat.core.facts import Fact, Ledger
from homeostat.core.ids import digest
from homeostat.errors import ProjectError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from homeostat.charter.schema import Charter
    from homeostat.core.ports import Blobs, Clock
    from homeostat.infra.ledger import SqlLedger
    from homeostat.infra.ledger_audit import Audit
    from homeostat.infra.ledger_index import SqlIndex
    from homeostat.infra.raw import RawZone
    from homeostat.infra.tables import Table

CHARTER_FILE = "homeostat.yaml"
STATE_FOLDER = ".homeostat"


@dataclass(frozen=True)
class Project(AbstractContextManager["Project"]):
    """One model's project folder. Opening reads the charter; the ledger opens at first use."""

    root: Path
    charter: Charter
    clock: Clock
    actor: str

    @property
    def state(self) -> Path:
        """Where embedded state lives."""
        return self.root / STATE_FOLDER

    @property
    def predictions(self) -> Path:
        """The prediction log's folder."""
        return self.state / "predictions"

    @property
    def ledger_url(self) -> str:
        """The database the ledger is in; may hold a password, never print it."""
        return self.charter.store.ledger or f"sqlite:///{self.state / 'ledger.sqlite'}"

    @cached_property
    def _ledger(self) -> SqlLedger:
        from homeostat.infra.ledger import open_ledger

        self._make_state()
        return open_ledger(self.ledger_url)

    @property
    def ledger(self) -> Ledger:
        """The append-only ledger of facts."""
        return self._ledger

    @property
    def index(self) -> SqlIndex:
        """The ledger's facts by number, measures and labels."""
        return self._ledger.index

    @property
    def audit(self) -> Audit:
        """The ledger as evidence: whether anything in it was altered."""
        return self._ledger.audit

    @cached_property
    def blobs(self) -> Blobs:
        """Content-addressed files: bundles, profiles, holdout scores."""
        from homeostat.infra.blobs import FileBlobs

        return FileBlobs(self.state / "blobs")

    @cached_property
    def raw(self) -> RawZone:
        """What sources delivered, byte for byte, under the SHA-256 of its content."""
        from homeostat.infra.raw import RawZone

        return RawZone(self.state / "raw")

    def table(self, name: str) -> Table:
        """A Delta table of the project: ``loaded/<table>``, ``curated``, ``quarantine`` or ``labels``."""
        from homeostat.infra.tables import Table

        return Table(self.state / "tables" / name)

    @cached_property
    def charter_content(self) -> dict[str, object]:
        """What the charter says, without passwords: what the ledger keeps of it."""
        from homeostat.charter.revisions import content_of

        return content_of(self.charter)

    @cached_property
    def charter_digest(self) -> str:
        """Name of the charter's content."""
        return digest(self.charter_content)

    def charter_fact(self) -> Fact:
        """The charter as it stands, in the ledger, recorded at its first use as the effect of the one before it."""
        before = next(iter(self.ledger.find("charter", limit=1)), None)
        if before is not None and before.body["digest"] == self.charter_digest:
            return before
        # A charter may go back to what it said before: that is a revision too, so its predecessor is part of its name.
        key = f"{self.charter_digest}:{before.id}" if before else self.charter_digest
        body = {"name": self.charter.name, "digest": self.charter_digest, "content": self.charter_content}
        return self.record("charter", key, body, causes=(before.id,) if before else ())

    def record(
        self, kind: str, key: str, body: Mapping[str, object], *, subject: str = "", causes: tuple[str, ...] = (), lasting: bool = True
    ) -> Fact:
        """Record a fact now, by this actor. Recording the same (kind, key) again returns the first one."""
        return self.ledger.record(self.fact(kind, key, body, subject=subject, causes=causes), lasting=lasting)

    def fact(self, kind: str, key: str, body: Mapping[str, object], *, subject: str = "", causes: tuple[str, ...] = ()) -> Fact:
        """A fact of now, by this actor, not yet recorded."""
        return Fact(kind=kind, key=key, at=self.clock.now(), body=body, subject=subject, actor=self.actor, causes=causes)

    def require(self, fact_id: str) -> Fact:
        """The fact with this id.

        Raises:
            ProjectError: HS605, it is not in the ledger.
        """
        fact = self.ledger.get(fact_id)
        if fact is None:
            raise ProjectError("HS605", f"{fact_id!r} is not in this project's ledger", next_step="`homeostat history` lists what is")
        return fact

    def latest(self, kind: str, missing: str) -> Fact:
        """The newest fact of a kind.

        Raises:
            ProjectError: HS608, there is none; ``missing`` says which command makes one.
        """
        facts = self.ledger.find(kind, limit=1)
        if not facts:
            raise ProjectError("HS608", f"this project has no {kind} yet", next_step=missing)
        return facts[0]

    def _make_state(self) -> None:
        try:
            self.state.mkdir(exist_ok=True)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise ProjectError(
                "HS602", f"cannot create {STATE_FOLDER}/ here: {reason}", place=str(self.root), next_step="make the folder writable"
            ) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if "_ledger" in self.__dict__:
            self._ledger.close()


def resolved(root: Path) -> Path:
    """The folder as an absolute path.

    Raises:
        ProjectError: HS601, the working folder was deleted.
    """
    try:
        return root.resolve()
    except FileNotFoundError as error:
        raise ProjectError("HS601", "the current folder no longer exists", next_step="change to one that does") from error


def open_project(root: Path, *, clock: Clock | None = None) -> Project:
    """Open the project in a folder.

    Raises:
        ProjectError: HS601, the folder has no charter.
        CharterError: the charter is wrong.
    """
    from homeostat.infra.clock import SystemClock
    from homeostat.infra.identity import actor

    root = resolved(root)
    path = root / CHARTER_FILE
    if not path.exists():
        raise ProjectError(
            "HS601",
            f"there is no {CHARTER_FILE} here",
            place=str(root),
            next_step="give --project DIR, or write one with `homeostat init --from DATA --target COLUMN`",
        )
    return Project(root=root, charter=load_charter(path), clock=clock or SystemClock(), actor=actor())
