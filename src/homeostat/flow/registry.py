"""Versions, numbered in the order they were registered, and the pointer that says which one serves."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.core.facts import OPERATORS, Condition, Query
from homeostat.errors import ProjectError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project
    from homeostat.serving.bundle import Bundle

CHAMPION = "champion"
ALL = Query("version")
SMALL_IS_GOOD = ("size_mb", "latency_p99_ms", "mase")


@dataclass(frozen=True, slots=True)
class Version:
    """A registered model version: its number (1, 2, ...) and its fact."""

    number: int
    fact: Fact

    @property
    def bundle(self) -> str:
        """Digest of the bundle."""
        return str(self.fact.body["bundle"])


def versions(project: Project) -> list[Version]:
    """All versions, oldest first. The number is the place in the order of registration and never changes."""
    return list(reversed(search(project)))


def search(project: Project, asked: Query = ALL) -> list[Version]:
    """The versions asked for; by default all, newest first."""
    return [Version(number, fact) for number, fact in project.index.search(asked)]


def version_of(project: Project, fact_id: str) -> Version:
    """The version with this fact id."""
    fact, number = project.ledger.get(fact_id), project.index.number(fact_id)
    if fact is None or number is None or fact.kind != "version":
        raise ProjectError("HS605", f"{fact_id!r} is not a version of this project", next_step="`homeostat versions` lists them")
    return Version(number, fact)


def version_numbered(project: Project, number: int) -> Version:
    """The version with this number.

    Raises:
        ProjectError: HS605, there is none.
    """
    fact = project.index.numbered("version", number)
    if fact is None:
        known = project.index.count("version")
        have = f"versions 1 to {known}" if known else "no version yet"
        raise ProjectError("HS605", f"got version {number}; this project has {have}")
    return Version(number, fact)


def require_unaltered(project: Project, *fact_ids: str, pointer: str = "") -> None:
    """Return when the rows of these facts, and the pointer's newest move, are those that were recorded.

    Each is held against its link, and that against the links beside it; only `homeostat verify` follows the whole chain.

    Raises:
        ProjectError: HS620, one was altered, with its id.
    """
    found = project.audit.altered([one for one in dict.fromkeys(fact_ids) if one], pointer)
    if found:
        first = found[0]
        raise ProjectError(
            "HS620",
            f"{first.what}; nothing is done that relies on it",
            place=f"{first.kind} {first.id}",
            next_step="`homeostat verify` names all that was altered; restore the ledger from a copy",
        )


def champion(project: Project) -> Version | None:
    """The version that serves, or None before the first promotion."""
    pointer = project.ledger.pointer(CHAMPION)
    return version_of(project, pointer.fact) if pointer else None


def serving_version(project: Project) -> Version | None:
    """The champion, to answer requests with: neither its row nor the move that made it champion was altered.

    Raises:
        ProjectError: HS620, one was altered.
    """
    version = champion(project)
    require_unaltered(project, version.fact.id if version else "", pointer=CHAMPION)
    return version


def load_bundle(project: Project, digest: str) -> Bundle:
    """The bundle with this digest, checked.

    Raises:
        BundleError: HS401, missing or altered.
    """
    from homeostat.serving.bundle import unpack

    return unpack(project.blobs.get(digest))


def pointers_at(project: Project) -> dict[str, list[str]]:
    """The pointers that stand at each version, by its fact id."""
    found: dict[str, list[str]] = {}
    for name, fact in project.index.pointers().items():
        found.setdefault(fact, []).append(name)
    return found


def measures(version: Version) -> dict[str, float]:
    """What the version is found and sorted by."""
    from homeostat.infra.ledger_index import described

    return described(version.fact.body)[0]


def asked_for(  # noqa: PLR0913 - one keyword per option of the command
    project: Project,
    *,
    sort: str = "",
    limit: int | None = None,
    learner: str | None = None,
    passed: bool | None = None,
    stage: str | None = None,
    conditions: Sequence[str] = (),
    text: str = "",
) -> Query:
    """The query that a person's words stand for; conditions are written as ``auc > 0.8`` or ``window = all``.

    Raises:
        ProjectError: HS621, a condition that cannot be read, or no version has a measure of this name.
    """
    wanted = [_condition(project, written) for written in conditions]
    if learner is not None:
        wanted.append(Condition("learner", "=", learner))
    if passed is not None:
        wanted.append(Condition("passed", "=", "yes" if passed else "no"))
    if sort:
        _require_measure(project, sort, "--sort")
    among = tuple(fact for name, fact in project.index.pointers().items() if name == stage) if stage is not None else None
    return Query("version", tuple(wanted), text, among, sort, _less_is_better(sort), limit)


def _condition(project: Project, written: str) -> Condition:
    from homeostat.infra.ledger_index import LABELLED

    found = re.fullmatch(r"\s*([^\s<>=!]+)\s*(<=|>=|!=|==|=|<|>)\s*(\S.*?)\s*", written)
    operator = next((one for one in OPERATORS if found and one == found[2].replace("==", "=")), None)
    if found is None or operator is None:
        raise ProjectError("HS621", f"got {written!r}; write a name, one of {' '.join(OPERATORS)} and a value", place="--where")
    name, value = found[1], found[3]
    if name in LABELLED:
        if operator not in {"=", "!="}:
            raise ProjectError("HS621", f"got {written!r}; {name} is a text: it can be = or !=", place="--where")
        return Condition(name, operator, value)
    _require_measure(project, name, "--where")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ProjectError("HS621", f"got {written!r}; {name} is a number", place="--where")
    return Condition(name, operator, number)


def _require_measure(project: Project, name: str, place: str) -> None:
    if not project.index.has("version", name):
        known = ", ".join(project.index.names("version")) or "no measures yet"
        raise ProjectError("HS621", f"got {name!r}; versions have {known}", place=place)


def _less_is_better(name: str) -> bool:
    """Whether the best is the smallest; of a metric as its definition says, of an objective's by the metric after the dot."""
    from homeostat.stats.metrics import METRICS

    metric = METRICS.get(name.rpartition(".")[2])
    return not metric.greater_is_better if metric is not None else name in SMALL_IS_GOOD


def summary(version: Version) -> dict[str, Any]:
    """What a person wants to know of a version at a glance."""
    body = version.fact.body
    return {
        "version": version.number,
        "id": version.fact.id,
        "learner": body["learner"],
        "window": body["window"],
        "metric": body["metric"],
        "value": body["value"],
        "low": body.get("low"),
        "high": body.get("high"),
        "passed": body["passed"],
        "rows": body.get("measures", {}).get("train_rows"),
        "bundle": body["bundle"],
        "at": version.fact.at.isoformat(),
    }
