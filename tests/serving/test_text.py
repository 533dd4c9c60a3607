"""A text from a raw row to an answer: parity with the library, rows as frames, what the manifest and the V2 protocol say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from homeostat.app.rest.v2 import DATATYPES
from homeostat.core import sections
from homeostat.core.targets import classes_of
from homeostat.errors import RequestError
from homeostat.graph.decode import decode_frame
from homeostat.learning.search import search
from homeostat.learning.trials import Stages
from homeostat.monitoring.profile import Profile, merge, profile, reference_profile
from homeostat.preparation.fit import fit
from homeostat.preparation.split import split
from homeostat.preparation.window import select
from homeostat.serving import predictor as serving
from homeostat.serving.bundle import Bundle, build, pack, unpack
from homeostat.serving.parity import parity, stress_frame
from homeostat.serving.predictor import Predictor
from homeostat.stats.metrics import metric

if TYPE_CHECKING:
    from homeostat.learning.candidate import Candidate

TASK = sections.Task(type="binary", target="spam", positive="yes")
HAM = ["love this song so much", "who else is here in 2015?", "best video ever \u2764", "this brings back memories", "her voice is perfect"]
SPAM = ["check out my channel", "subscribe please, I subscribe back", "win a free phone: http://x.org", "visit my page", "FREE $$$ now"]


def comments(count: int = 500) -> pl.DataFrame:
    """Sentences of two kinds, mixed; some null, some empty."""
    rng = np.random.default_rng(0)
    spam = rng.random(count) < 0.4
    said: list[str | None] = []
    for row in range(count):
        main, other = (SPAM, HAM) if spam[row] else (HAM, SPAM)
        said.append(" ".join([*rng.choice(main, 3), *rng.choice(other, 1), f"{rng.integers(50)}"]))
    said[7], said[11] = None, ""
    return pl.DataFrame({"said": said, "likes": rng.poisson(3, count), "spam": np.where(spam, "yes", "no")})


@pytest.fixture(scope="module")
def found() -> dict[str, tuple[Candidate, Bundle]]:
    frame, made = comments(), {}
    parts = split(frame, TASK, sections.Preparation())
    classes = classes_of(frame["spam"], TASK)
    for learner in ("linear", "lightgbm"):
        stages = Stages(
            lambda rows, flavour, categories: fit(rows, TASK, sections.Preparation(), flavour, classes),
            lambda rows, window: select(rows, TASK, window),
        )
        section = sections.Learning.model_validate({"learners": [learner], "budget": {"seconds": None}})
        candidate = search(parts, TASK, section, metric("auc"), stages, clock=lambda: 0.0)
        bundle = build(candidate.plan, name="spam", sample=frame, ignored=["spam"], facts={}, created="2026-01-01T00:00:00+00:00")
        made[learner] = (candidate, unpack(pack(bundle)))
    return made


@pytest.mark.parametrize("learner", ["linear", "lightgbm"])
def test_the_graph_agrees_with_the_library_on_texts_of_every_sort(found: Any, learner: str) -> None:
    candidate, bundle = found[learner]
    frame = comments()
    assert candidate.value > 0.97
    stress = stress_frame(frame, candidate.plan.inputs, 3)
    texts = set(stress["said"].to_list())
    assert {None, "", " .,!? "} <= texts
    assert any("\N{SNOWMAN}" in text for text in texts if text)
    assert max(len(text) for text in texts if text) > 10_000
    rows = pl.concat([frame, stress], how="vertical_relaxed")
    report = parity(bundle, rows, candidate.oracle(rows))
    assert report.passed, report
    assert report.max_difference < 1e-12


def test_rows_columns_and_frames_are_answered_alike(found: Any) -> None:
    _, bundle = found["linear"]
    predictor = Predictor(bundle)
    frame = comments().head(60)
    whole = predictor.predict_frame(frame)
    rows = frame.drop("spam").to_dicts()
    np.testing.assert_allclose(predictor.score_rows(rows)[0], whole, rtol=0, atol=1e-14)
    columns = {name: frame[name].to_list() for name in ("said", "likes")}
    np.testing.assert_allclose(predictor.score_columns(columns)[0], whole, rtol=0, atol=1e-14)
    with pytest.raises(RequestError, match=r"HS502.*'said'.*a text or null"):
        predictor.predict_one({"said": 5, "likes": 1})


def test_a_large_batch_is_decoded_in_parts(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, bundle = found["linear"]
    frame = comments()
    whole = Predictor(bundle).predict_frame(frame)
    heights: list[int] = []

    def watched(inputs: Any, part: pl.DataFrame) -> Any:
        heights.append(part.height)
        return decode_frame(inputs, part)

    monkeypatch.setattr(serving, "decode_frame", watched)
    monkeypatch.setattr(serving, "FRAME_TERMS_AT_ONCE", 40 * len(bundle.inputs()[0].vocabulary))
    np.testing.assert_array_equal(Predictor(bundle).predict_frame(frame), whole)
    assert max(heights) == 40
    assert sum(heights) == frame.height


def test_the_manifest_says_it_is_a_text_and_keeps_no_whole_novel(found: Any) -> None:
    _, bundle = found["lightgbm"]
    field = next(each for each in bundle.manifest.inputs if each.name == "said")
    assert (field.kind, field.nullable) == ("text", True)
    assert "subscribe" in field.vocabulary
    assert isinstance(field.example, str)
    assert len(field.example) <= 80
    assert DATATYPES[field.kind] == "BYTES"
    assert set(DATATYPES) == {"number", "boolean", "category", "timestamp", "text"}
    assert json.loads(bundle.manifest.to_json())["inputs"][0]["kind"] == "text"


def test_monitoring_watches_the_length_and_the_nulls_of_a_text(found: Any) -> None:
    _, bundle = found["linear"]
    frame = comments()
    reference = reference_profile(frame, bundle.inputs())
    column = reference.columns["said"]
    assert column.measure == "length"
    assert column.nulls == 1
    assert column.mean == pytest.approx(frame["said"].str.len_chars().mean())
    assert Profile.from_dict(json.loads(json.dumps(reference.to_dict()))) == reference
    halves = [profile(part, reference) for part in (frame.head(200), frame.tail(300))]
    assert merge(*halves) == profile(frame, reference)
    numbers = profile(frame.with_columns(said=pl.col("likes")), reference).columns["said"]
    assert numbers.nulls == frame.height, "no text at all"
