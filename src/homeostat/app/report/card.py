"""A version's model card in the layout of Hugging Face: YAML front matter with a model index, then sections. Recorded facts in, text out.

Layout: the Hugging Face Hub's model-card metadata specification and its annotated template. What is not on record is said not to be.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from homeostat.app.report.frame import markdown
from homeostat.app.report.vega import shown
from homeostat.stats.metrics import METRICS

if TYPE_CHECKING:
    from homeostat.flow.recorded import Recorded
    from homeostat.serving.manifest import Manifest

NOT_RECORDED = "Not recorded."
PIPELINES = {"regression": "tabular-regression", "binary": "tabular-classification", "multiclass": "tabular-classification"}
MOST_ROWS = 60


def card(known: Recorded, manifest: Manifest) -> str:
    """The whole card as Markdown.

    Args:
        known: what is on record of a registered version.
        manifest: of its bundle.
    """
    import yaml

    front = yaml.safe_dump(front_matter(known), sort_keys=False, allow_unicode=True, width=120)
    found = known.examination
    evaluation, charter = known.evaluation.body, known.charter
    body = {
        "known": known,
        "manifest": manifest,
        "found": found,
        "problem": charter["problem"],
        "value": charter.get("value", {}),
        "scores": [each for each in evaluation["scores"] if not each["segment"]],
        "segments": [each for each in evaluation["scores"] if each["segment"]][:MOST_ROWS],
        "intervals": evaluation.get("intervals", [])[:MOST_ROWS],
        "descriptions": {one.name: one.description for one in METRICS.values()},
        "beside": {each["metric"]: each for each in found["beside"]},
        "inputs": manifest.inputs[:MOST_ROWS],
        "more_inputs": max(0, len(manifest.inputs) - MOST_ROWS),
        "params": _flat(known.candidate.body["params"]),
        "gates": known.verdict.body["gates"] if known.verdict else [],
        "not_recorded": NOT_RECORDED,
    }
    return f"---\n{front}---\n\n{markdown('card.md.j2', body)}"


def front_matter(known: Recorded) -> dict[str, Any]:
    """The card's metadata: what the Hub indexes a model by, with each score of the whole holdout as a result."""
    task, version = str(known.task["type"]), known.version
    pipeline = PIPELINES[task]
    results = [
        {"type": each["metric"], "value": each["value"], "name": METRICS[each["metric"]].description}
        for each in known.evaluation.body["scores"]
        if not each["segment"] and not each.get("objective") and each["metric"] in METRICS
    ]
    dataset = {
        "type": "tabular",
        "name": f"{known.charter['name']}, sealed holdout of {known.evaluation.body['rows']} rows",
        "split": "holdout",
        "revision": str(known.dataset.body["digest"]),
    }
    name = f"{known.charter['name']}-{version.number}" if version else str(known.charter["name"])
    return {
        "library_name": "onnx",
        "pipeline_tag": pipeline,
        "tags": ["homeostat", "tabular", task, *_words(str(known.candidate.body["learner"]))],
        "metrics": [each["type"] for each in results],
        "model-index": [{"name": name, "results": [{"task": {"type": pipeline}, "dataset": dataset, "metrics": results}]}],
    }


def _words(learner: str) -> list[str]:
    """The names of learners in ``ensemble of lightgbm, linear``."""
    return [word for word in re.split(r"[,\s+]+", learner) if word not in {"ensemble", "of", ""}]


def _flat(params: Any) -> list[tuple[str, str]]:
    """Parameters as lines: of an ensemble each member's, of objectives each one's."""
    if "members" in params:
        return [
            (f"{each['learner']} on {each['window']}, weight {each['weight']:.3g}", _told(each["params"])) for each in params["members"]
        ]
    if params and all(isinstance(each, dict) for each in params.values()):
        return [(f"{name}: {label}", text) for name, own in params.items() for label, text in _flat(own)]
    return [("", _told(params))]


def _told(params: Any) -> str:
    return ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items()) or "none"


def cell(value: object) -> str:
    r"""A text that stays one cell of a Markdown table and starts no markup, whatever it holds.

    >>> cell("a|b\n<i>*c*")
    'a\\|b &lt;i&gt;\\*c\\*'
    """
    text = " ".join(shown(str(value)).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", text)
