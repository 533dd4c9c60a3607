"""Stage 8 as a journey: the champion online, in batch, and as files for use elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.core.records import PROVENANCE
from homeostat.errors import DataError, ProjectError
from homeostat.flow.privacy import shield_frame
from homeostat.flow.reading import read_whole
from homeostat.flow.registry import CHAMPION, Version, serving_version
from homeostat.flow.signing import check_pointer, trusted_bundle
from homeostat.flow.writing import check_suffix, write_rows

if TYPE_CHECKING:
    from pathlib import Path

    from homeostat.flow.project import Project
    from homeostat.serving.bundle import Bundle


@dataclass(frozen=True, slots=True, eq=False)
class Serving:
    """The version that serves, with its bundle."""

    version: Version
    bundle: Bundle


def serving(project: Project) -> Serving:
    """The champion with its bundle; its promotion, its registration and the bundle itself are what was signed.

    Raises:
        ProjectError: HS608, nothing is promoted yet; HS620, the ledger was altered.
        Refusal: HS711 or HS712, a signature does not hold.
        BundleError: HS401, the bundle is missing or altered.
    """
    version, pointer = serving_version(project), project.ledger.pointer(CHAMPION)
    if version is None or pointer is None:
        raise ProjectError("HS608", "no version is promoted yet", next_step="`homeostat run` trains, validates and promotes one")
    check_pointer(project, pointer)
    return Serving(version, trusted_bundle(project, version))


def score_file(project: Project, source: Path, target: Path) -> dict[str, Any]:
    """Score each row of a CSV or Parquet file in one batch; the output has its columns, the prediction, its interval, the version.

    Raises:
        DataError: the input cannot be read or lacks an input column; the output's folder or suffix will not do.
    """
    import polars as pl

    from homeostat.serving.manifest import ENDS
    from homeostat.serving.predictor import Predictor

    check_suffix(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise ProjectError("HS607", "the output is the input", place=str(target), next_step="give another output")
    now = serving(project)
    frame = read_whole(source, project.charter.data, project.root).drop(PROVENANCE)  # the caller's own: it goes out as it came
    ends = ENDS if now.bundle.manifest.intervals else ()
    taken = [name for name in ("prediction", *ends, "model_version", "run") if name in frame.columns]
    if taken:
        raise DataError("HS203", f"the input has a column {taken[0]!r}, which the output needs", place=source.name, next_step="rename it")
    predictor = Predictor(now.bundle)
    said = predictor.say_frame(shield_frame(project, frame))
    answers = predictor.answers(said.scores, said.ends)
    scored = frame.with_columns(
        *(pl.Series(name, values) for name, values in answers.items()),
        pl.lit(now.version.number).alias("model_version"),
        pl.lit(str(now.version.fact.body["run"])).alias("run"),
    )
    write_rows(target, scored, over=True)
    return {"rows": scored.height, "version": now.version.number, "output": str(target)}
