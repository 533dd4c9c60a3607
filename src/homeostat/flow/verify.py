"""Whether anything that the project rests on was altered: the ledger's chain, its index, the files that facts name.

A check is a function from the project to the problems it finds; ``CHECKS`` lists them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from homeostat.core.facts import Problem
from homeostat.errors import BundleError, DataError, HomeostatError

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project

MOST = 1_000
"""Problems that are told; a ledger in which more is wrong is not looked at further."""

BLOBS: dict[str, tuple[str, ...]] = {
    "trial": ("scores",),
    "candidate": ("bundle", "profile", "judged", "out_of_fold.arrays"),
    "evaluation": ("arrays", "examination"),
    "explanation": ("arrays",),
    "version": ("bundle", "profile"),
    "promotion": ("bundle", "profile"),
    "rollback": ("bundle", "profile"),
    "window": ("profile",),
    "dataset_labels": ("refused_rows",),
}
"""Entries of a fact's body that name a blob, by the fact's kind; ``part.entry`` lies in a part of the body."""

Check = Callable[["Project", bool], Iterator[Problem]]
"""Finds problems; the second argument says whether to read what is large too."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found, and the head of the chain: its number and hash, to be kept elsewhere."""

    number: int
    chain: str
    problems: tuple[Problem, ...]

    @property
    def head(self) -> str:
        """The head as it is written: ``NUMBER:HASH``."""
        return f"{self.number}:{self.chain}"


def verify(project: Project, *, deep: bool = False, head: tuple[int, str] | None = None) -> Verification:
    """Look at everything, and find ``head`` (a link's number and hash, kept since an earlier look) in the chain.

    Without a head that was kept elsewhere, a tail that was cut off, or a ledger that was written anew as a whole, looks sound.
    """
    now = project.audit.head()
    found = islice(_all(project, deep, head), MOST)
    return Verification(now.number, now.chain, tuple(dict.fromkeys(found)))


def _all(project: Project, deep: bool, head: tuple[int, str] | None) -> Iterator[Problem]:
    if head is not None:
        yield from _head(project, *head)
    for check in CHECKS:
        yield from check(project, deep)


def _head(project: Project, number: int, chain: str) -> Iterator[Problem]:
    there = project.audit.chain_at(number)
    if there is None:
        yield Problem("head", f"{number}:{chain}", f"the ledger ends at link {project.audit.head().number}: its tail was cut off")
    elif there != chain:
        yield Problem("head", f"{number}:{chain}", f"link {number} has the hash {there}: the ledger was written anew up to there")


def _chain(project: Project, _deep: bool) -> Iterator[Problem]:
    """Facts, causes, moves and links."""
    return project.audit.problems()


def _index(project: Project, _deep: bool) -> Iterator[Problem]:
    """Measures and labels are what the facts say."""
    for fact in project.index.differences():
        yield Problem("index", fact, "its measures or labels are not those of the fact; `homeostat verify --reindex` makes them anew")


def _blobs(project: Project, _deep: bool) -> Iterator[Problem]:
    """Every blob a fact names is there, and its content is what its name says. Each is read once."""
    sound: set[bytes] = set()
    for kind, fact, body in _bodies(project, *BLOBS):
        for name in (_entry(body, entry) for entry in BLOBS[kind]):
            if not name or (isinstance(name, str) and _short(name) in sound):
                continue
            try:
                project.blobs.get(str(name))
                sound.add(_short(str(name)))
            except BundleError as error:
                yield Problem("blob", str(name), f"{error.message}; {fact} names it")


def _entry(body: dict[str, Any], path: str) -> Any:
    """The entry of a body, or of a part of it: ``part.entry``."""
    part, _, inner = path.partition(".")
    found = body.get(part)
    return found.get(inner) if inner and isinstance(found, dict) else None if inner else found


def _short(name: str) -> bytes:
    """Half of a digest: enough to tell blobs apart, and little to remember."""
    return bytes.fromhex(name[:32]) if len(name) == 64 else name.encode()


def _raw(project: Project, deep: bool) -> Iterator[Problem]:
    """Every raw file that was delivered is there; with ``deep`` its content is what its name says."""
    for _, fact, body in _bodies(project, "delivery"):
        try:
            project.raw.get(str(body.get("sha256")), verify=deep)
        except DataError as error:
            yield Problem("raw file", str(body.get("sha256")), f"{error.message}; {fact} names it")


def _datasets(project: Project, deep: bool) -> Iterator[Problem]:
    """The files of every dataset version are there; with ``deep`` its rows are those whose digest was recorded."""
    seen: set[tuple[str, str]] = set()
    for _, name, body in _bodies(project, "dataset", "reference"):
        try:
            lost = project.table(str(body.get("table"))).lost_files(int(body.get("version", -1)))
            yield from (Problem("dataset", name, f"the file {file} of its table is gone or was altered") for file in lost)
            fact = project.ledger.get(name)
            if deep and not lost and fact is not None:
                yield from _rows(project, fact, seen)
        except HomeostatError as error:
            yield Problem("dataset", name, error.message)


def _rows(project: Project, dataset: Fact, seen: set[tuple[str, str]]) -> Iterator[Problem]:
    """Whether the rows of a dataset version have the digests on record: of the whole where it was transformed, else of each delivery."""
    from homeostat.core.records import PROVENANCE
    from homeostat.dataops.versions import content_digest
    from homeostat.flow.datasets import read_dataset

    if not str(dataset.body["table"]).startswith("loaded/"):
        if content_digest(read_dataset(project, dataset).drop(PROVENANCE)) != dataset.body["digest"]:
            yield Problem("dataset", dataset.id, "its rows are not those that were recorded")
        return
    table = str(dataset.body["table"]).removeprefix("loaded/")
    kept = {source["path"] for source in dataset.body["sources"]}
    for cause in dataset.causes:
        delivery = project.ledger.get(cause) if cause.startswith("delivery-") else None
        if delivery is None or delivery.body["table"] != table or delivery.body["path"] not in kept or (table, cause) in seen:
            continue
        seen.add((table, cause))
        if not _holds(project, dataset, delivery):
            yield Problem("dataset", dataset.id, f"the rows it has of {delivery.body['path']} are not those that {delivery.id} recorded")


def _holds(project: Project, dataset: Fact, delivery: Fact) -> bool:
    """Whether a table has a delivery's rows. A column that came later is null in them, and no part of their digest."""
    import polars as pl

    from homeostat.dataops.versions import content_digest

    scan = project.table(str(dataset.body["table"])).scan(int(dataset.body["version"]))
    rows = scan.filter(pl.col("_source") == delivery.body["path"]).sort("_line").collect()
    told = {*delivery.body["agreed"], *delivery.body["unknown_columns"]}
    own = rows.select(name for name in rows.columns if name in told)
    filled = own.select(name for name in own.columns if own[name].null_count() < own.height)
    return str(delivery.body["digest"]) in {content_digest(own), content_digest(filled)}


def _bodies(project: Project, *kinds: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Kind, id and body of the facts of these kinds; a body that is no mapping any more is left to the chain's check."""
    for kind, fact, text in project.audit.bodies(kinds):
        try:
            body = json.loads(text)
        except ValueError:
            continue
        if isinstance(body, dict):
            yield kind, fact, body


def _signatures(project: Project, _deep: bool) -> Iterator[Problem]:
    """What was signed and is no longer what the holder of a valid key signed."""
    from homeostat.flow.signing import check_signatures

    for error in check_signatures(project):
        yield Problem("signature", error.place, error.message)


CHECKS: tuple[Check, ...] = (_chain, _index, _blobs, _raw, _datasets, _signatures)
"""Every check, in the order in which they are made."""
