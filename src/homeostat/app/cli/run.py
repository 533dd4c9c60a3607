"""``homeostat run``: stages 1 to 8 in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command

if TYPE_CHECKING:
    from pathlib import Path


def _run(project: Path) -> Answer:
    from homeostat.flow.lifecycle import run
    from homeostat.flow.project import open_project
    from homeostat.flow.registry import champion, summary, version_of

    with open_project(project) as opened:
        progress = StderrProgress()
        done = run(opened, progress)
        progress.close()
        version = summary(version_of(opened, done.version.id))
        serving = champion(opened)
        body, made = done.version.body, done.candidate.body
        how = f"best of {made['trials']} trials" if made["trials"] else f"the models of {made['reweighted_from']} by other weights"
        lines = [
            f"dataset   {done.dataset.id}: {done.dataset.body['rows']} rows, {done.dataset.body['quarantined']} quarantined",
            f"candidate {done.candidate.id}: {body['learner']} on {body['window']}, {how}",
            f"holdout   {body['metric']} {body['value']:.4f} ({body['low']:.4f} to {body['high']:.4f})",
            f"version   {version['version']} ({done.version.id}): {'passed every gate' if body['passed'] else 'failed'}",
            *(f"  FAIL {detail}" for detail in done.failed),
            f"champion  version {serving.number}" if serving else "champion  none",
        ]
        data = {
            "dataset": done.dataset.id,
            "candidate": done.candidate.id,
            "evaluation": done.evaluation.id,
            "version": version,
            "promotion": done.promotion.id if done.promotion else None,
            "champion": serving.number if serving else None,
            "failed": list(done.failed),
        }
    return Answer(data, lines, exit_code=3 if done.failed else 0)


command = lifecycle_command("run", "Do stages 1 to 8 in one go; repeat only what changed.")(_run)
