"""From a model in memory to what is kept of it: the bundle with its parity proof, its footprint, and the profile it is watched by."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from homeostat.charter.effective import purpose
from homeostat.core import sections

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.core.records import Split
    from homeostat.flow.project import Project
    from homeostat.learning.candidate import Candidate
    from homeostat.serving.bundle import Bundle
    from homeostat.serving.parity import ParityReport

PARITY_ROWS = 2_000


def pack_candidate(project: Project, found: Candidate, split: Split, run: Fact, learning: sections.Learning) -> dict[str, object]:
    """Store the bundle and the reference profile, and measure: what a ``candidate`` fact says of them."""
    from homeostat.flow.footprint import measure_footprint
    from homeostat.serving.bundle import pack

    bundle, parity = bundle_of(project, found, split, run)
    packed = pack(bundle)
    return {
        "bundle": project.blobs.put(packed),
        "size_mb": round(len(packed) / 1e6, 4),
        **asdict(measure_footprint(bundle, split.validation)),
        "parity": {
            "rows": parity.rows,
            "max_difference": parity.max_difference,
            "flips": parity.flips,
            "tolerance": parity.tolerance,
            "passed": parity.passed,
        },
        "profile": _reference_profile(project, found, learning, bundle, split),
    }


def bundle_of(project: Project, found: Candidate, split: Split, run: Fact) -> tuple[Bundle, ParityReport]:
    """The bundle of a run's winner and its parity with the library: the same model, rows and run give the same bytes."""
    import polars as pl

    from homeostat.serving.bundle import build
    from homeostat.serving.parity import SINGLE_TOLERANCE, TOLERANCE, parity, stress_frame

    charter = project.charter
    used = {source.name for source in found.plan.inputs}
    ignored = [name for name in split.train.columns if name not in used and not name.startswith("_")]
    facts = {
        "run": run.id,
        "dataset": str(run.body["dataset"]),
        "charter": project.charter_digest,
        "commit": str(run.body["code"].get("commit", "")),
        "learner": found.learner,
        "window": found.window,
        **({"objectives": ", ".join(f"{each.weight:g} x {each.name}" for each in charter.objectives)} if charter.objectives else {}),
        **{name: str(said) for name, said in purpose(charter).items() if name in ("statement", "objective", "decision", "business_metric")},
    }
    seen = split.development
    sample = seen.sample(min(PARITY_ROWS, seen.height), seed=charter.learning.seed)
    rows = pl.concat([sample, stress_frame(sample, found.plan.inputs, charter.learning.seed)], how="diagonal_relaxed")
    bundle = build(found.plan, name=charter.name, sample=split.validation, ignored=ignored, facts=facts, created=run.at.isoformat())
    report = parity(bundle, rows, found.oracle(rows), SINGLE_TOLERANCE if found.single else TOLERANCE)
    return bundle.with_parity(report), report


def _reference_profile(project: Project, found: Candidate, learning: sections.Learning, bundle: Bundle, split: Split) -> str:
    """Digest of the profile of the rows the model learned from, with its predictions and the targets; of several models, all rows."""
    from homeostat.core.ids import canonical
    from homeostat.flow.preparing import training_window
    from homeostat.flow.references import scored_profile

    window = next((each for each in learning.windows if each.label() == found.window), sections.Window())
    rows, _ = training_window(project.charter, split.development, window)
    return project.blobs.put(canonical(scored_profile(project.charter, bundle, rows).to_dict()))
