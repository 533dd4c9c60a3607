"""What the demonstration does: train on early 2011, serve, let the months pass, and let the loop work."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeostat.app.demo.months import TARGET, Month, bundled_months
from homeostat.app.demo.traffic import Server, Tally
from homeostat.errors import ProjectError, Unreachable

if TYPE_CHECKING:
    from homeostat.flow.operate import Turn
    from homeostat.flow.project import Project

FIRST_MONTHS = 6
BROKEN = "2012-02"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class MonthResult:
    """One replayed month: mean absolute errors of the frozen first model and of what was served, and what the loop did."""

    name: str
    rows: int
    frozen_mae: float
    looped_mae: float
    version: int
    cause: str
    action: str
    status: str
    detail: str
    broken: bool


@dataclass(slots=True)
class Story:
    """What was measured in this run."""

    folder: Path
    months: list[MonthResult] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    frozen_errors: list[float] = field(default_factory=list)
    looped_errors: list[float] = field(default_factory=list)
    last_prediction: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def command(self, words: str) -> str:
        """A command on this project as the reader can type it: ``./do ...`` for who came by ``./do``."""
        return f"{os.environ.get('HOMEOSTAT_COMMAND', 'homeostat')} {words} --project {self.folder}"

    @property
    def frozen_mae(self) -> float:
        """Mean absolute error of the first model over all replayed rows."""
        return sum(self.frozen_errors) / len(self.frozen_errors)

    @property
    def looped_mae(self) -> float:
        """Mean absolute error of what was served over all replayed rows."""
        return sum(self.looped_errors) / len(self.looped_errors)


def tell(folder: Path, say: Say, *, months: int | None = None) -> Story:
    """Live through the whole story in a new folder. ``months`` limits how many are replayed (None: all 18).

    Raises:
        ProjectError: HS607, the folder is there and not empty.
    """
    started = time.monotonic()
    calendar = bundled_months()
    past, future = calendar[:FIRST_MONTHS], calendar[FIRST_MONTHS:][:months]
    found_project(folder, past)
    story = Story(folder)
    _live(folder, story, future, say)
    story.facts["seconds"] = round(time.monotonic() - started, 1)
    return story


def found_project(folder: Path, past: list[Month]) -> None:
    """The project a team would have: charter, contract, the deliveries so far, under version control where git is there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProjectError(
            "HS607", "there is something at this place already", place=str(folder), next_step="give another with --dir, or remove it"
        )
    try:
        (folder / "data").mkdir(parents=True)
        for name in ("homeostat.yaml", "contract.yaml"):
            text = files("homeostat").joinpath("data", "bike-demand", name).read_text(encoding="utf-8")
            (folder / name).write_text(text, encoding="utf-8")
        (folder / ".gitignore").write_text(".homeostat/\ndata/\nlabels/\nreport.html\n", encoding="utf-8")
    except OSError as error:
        raise ProjectError("HS602", f"cannot be written: {error.strerror}", place=str(folder)) from error
    for month in past:
        deliver(folder, month)
    git = shutil.which("git")
    if git:
        identity = ["-c", "user.name=homeostat demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false"]
        for command in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "-m", "Charter and contract"]):
            subprocess.run([git, *command], cwd=folder, check=False, capture_output=True)  # noqa: S603 - fixed arguments


def deliver(folder: Path, month: Month) -> None:
    """Put a month's file where the charter's source looks for it, whole or not at all."""
    target = folder / "data" / f"{month.name}.csv"
    partial = target.with_suffix(".partial")
    partial.write_text(month.delivery(), encoding="utf-8")
    partial.replace(target)


def _live(folder: Path, story: Story, future: list[Month], say: Say) -> None:
    from homeostat.flow.founding import found_key
    from homeostat.flow.lifecycle import run
    from homeostat.flow.operating import operating
    from homeostat.flow.project import open_project

    found_key(folder)
    with open_project(folder) as project:
        say(f"train the first model on {FIRST_MONTHS} months")
        first = run(project)
        if first.promotion is None:
            raise ProjectError("HS608", f"the first model failed its gates: {'; '.join(first.failed)}")
        frozen = _frozen(project, str(first.version.body["bundle"]))
        with operating(project) as turn, Server(folder) as server:
            for place, month in enumerate(future, start=1):
                say(f"{month.name} ({place} of {len(future)}): {len(month.rows)} requests, then their labels, then the loop's turn")
                _month(project, story, month, frozen, server, turn)
        say("write the report")
        _facts(project, story)


def _frozen(project: Project, bundle: str) -> Callable[[list[dict[str, Any]]], list[float]]:
    from homeostat.flow.registry import load_bundle
    from homeostat.serving.predictor import Predictor

    predictor = Predictor(load_bundle(project, bundle))
    return lambda rows: [float(answer.prediction) for answer in predictor.predict_rows(rows)]


def _month(
    project: Project,
    story: Story,
    month: Month,
    frozen: Callable[..., list[float]],
    server: Server,
    turn: Callable[[datetime | None], Turn],
) -> None:
    from homeostat.flow.labels import take_labels
    from homeostat.flow.registry import champion

    broken = month.name == BROKEN
    seen = month.broken() if broken else month
    serving = champion(project)
    if serving is not None:
        server.wait_for(serving.number)
    rows = list(seen.requests())
    truth = [float(row[TARGET]) for row in month.rows]
    answered = [(a, p, y) for a, p, y in zip(server.predict(rows, story.tally), frozen(rows), truth, strict=True) if a is not None]
    if not answered:
        raise Unreachable("HS801", f"the server answered no request of {month.name}", next_step="see .homeostat/serve.log")
    looped = [abs(float(answer["prediction"]) - y) for answer, _, y in answered]
    still = [abs(p - y) for _, p, y in answered]
    story.looped_errors += looped
    story.frozen_errors += still
    last = answered[-1][0]
    story.last_prediction = last["id"]
    # The month is over: the warehouse delivers its file, the labels follow, and the loop takes its turn.
    deliver(story.folder, seen)
    labels = story.folder / "labels" / f"{month.name}.csv"
    labels.parent.mkdir(exist_ok=True)
    labels.write_text(month.labels(), encoding="utf-8")
    take_labels(project, labels)
    done = turn(month.closes + project.charter.task.label_delay)
    told = _told(project, done)
    story.months.append(
        MonthResult(
            name=month.name,
            rows=len(rows),
            frozen_mae=sum(still) / len(still),
            looped_mae=sum(looped) / len(looped),
            version=int(last["version"]),
            broken=broken,
            **told,
        )
    )
    if broken:
        deliver(story.folder, month)  # the feed is mended and the month delivered again


def _told(project: Project, done: Turn) -> dict[str, str]:
    action = project.require(done.action).body if done.action else {"name": "none", "reason": "", "diagnosis": ""}
    diagnosis = project.require(str(action["diagnosis"])).body if done.action else {"cause": "", "reason": ""}
    outcome = project.require(done.outcome).body if done.outcome else {"status": "", "detail": action["reason"]}
    detail = str(outcome["detail"]) if outcome["status"] not in {"promoted", ""} else str(diagnosis["reason"])
    return {"cause": str(diagnosis["cause"]), "action": str(action["name"]), "status": str(outcome["status"]), "detail": detail}


def _facts(project: Project, story: Story) -> None:
    from homeostat.flow.registry import summary, versions
    from homeostat.flow.trace import trace

    outcomes = [fact.body["status"] for fact in project.ledger.find("outcome")]
    promotions = len(project.ledger.find("promotion"))
    story.facts |= {
        "model_versions": [summary(version) for version in versions(project)],
        "promotions": promotions,
        "rejections": outcomes.count("rejected"),
        "findings": len(project.ledger.find("finding")),
        "quarantined_rows": sum(int(f.body["quarantined"]) for f in project.ledger.find("delivery")),
        "trace": trace(project, story.last_prediction),
        "told_at": datetime.now(UTC).isoformat(),
    }
