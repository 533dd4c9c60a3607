"""The queue asks where it helps: uncertain, not twice the same, and a share at random."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.preparation.queue import choose, embed

RNG = np.random.default_rng(5)


def frame_of(x: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"x": x, "_source": ["f"] * len(x)}, schema_overrides={"x": pl.Float64})


def scores_of(p: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - p, p])


def test_the_uncertain_come_first_and_the_reason_is_the_margin() -> None:
    frame = frame_of(list(range(200)))
    p = np.concatenate([np.full(100, 0.99), np.linspace(0.5, 0.9, 100)])
    found = choose(frame, frame.clear(), scores_of(p), 10, 0)
    sure = found.rows[:9]
    assert (sure >= 100).all()
    assert sure[0] == 100
    assert found.why[0] == "uncertain: the two likeliest classes are 0.000 apart"
    assert found.why[9].startswith("random")
    margins = np.abs(2 * p - 1)[sure]
    assert (np.diff(margins) >= 0).all()


def test_near_duplicates_take_one_place() -> None:
    many = [0.0] * 300 + [0.0001 * n for n in range(300)] + [1000.0, 2000.0, 3000.0]
    p = np.concatenate([np.full(600, 0.5), np.full(3, 0.6)])
    found = choose(frame_of(many), frame_of([]), scores_of(p), 20, 0)
    uncertain = found.rows[: len(found.rows) - 2]
    assert (uncertain < 300).sum() <= 1  # of 300 equal rows one
    assert {600, 601, 602} & set(uncertain.tolist())


def test_of_a_regression_unfamiliar_rows_are_asked() -> None:
    labelled = frame_of([float(n) for n in range(100)])
    frame = frame_of([50.2, 50.3, 99.5, 400.0, 500.0, 600.0, *np.linspace(1, 98, 30).tolist()])
    found = choose(frame, labelled, np.zeros((36, 1)), 4, 0)
    assert set(found.rows[:3].tolist()) == {3, 4, 5}
    assert found.why[0].startswith("unfamiliar")


def test_without_a_model_the_rows_are_spread_over_the_clusters() -> None:
    centres = [0.0, 100.0, 200.0, 300.0, 400.0]
    sizes = [200, 20, 20, 20, 20]
    x = [centre + float(noise) for centre, size in zip(centres, sizes, strict=True) for noise in RNG.normal(0, 1, size)]
    kind = [str(abs(round(value, -2))) for value in x]
    frame = pl.DataFrame({"x": x, "kind": kind})
    found = choose(frame, frame.clear(), None, 6, 0)
    assert {kind[row] for row in found.rows[:5].tolist()} == {str(centre) for centre in centres}


def test_points_hold_numbers_in_standard_deviations_and_texts_as_corners() -> None:
    frame = pl.DataFrame({"x": [1.0, 3.0, None], "s": ["a", "b", None], "b": [True, None, False], "_line": [1, 2, 3]})
    points = embed(frame, frame.clear())
    assert points.shape == (3, 1 + 2 + 2)
    np.testing.assert_allclose(points[:, 0], [-(0.5**0.5), 0.5**0.5, 0.0])
    assert np.linalg.norm(points[0, 1:3] - points[1, 1:3]) == pytest.approx(1.0)


@settings(max_examples=40)
@given(st.integers(0, 60), st.integers(1, 30), st.integers(0, 3), st.sampled_from(["none", "classes", "value"]))
def test_a_queue_has_distinct_rows_one_tenth_random_and_is_the_same_again(rows: int, size: int, seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {"x": rng.integers(0, 8, rows), "s": rng.choice(["a", "b"], rows).tolist()}, schema={"x": pl.Int64, "s": pl.String}
    )
    given_scores = {"none": None, "classes": scores_of(rng.uniform(size=rows)), "value": np.zeros((rows, 1))}[kind]
    found = choose(frame, frame.head(5), given_scores, size, seed)
    places = found.rows.tolist()
    assert len(set(places)) == len(places) == len(found.why) <= min(size, rows)
    assert all(0 <= place < rows for place in places)
    blind = [reason for reason in found.why if reason.startswith("random")]
    assert len(blind) == (min(max(1, round(min(size, rows) * 0.1)), rows) if rows else 0)
    again = choose(frame, frame.head(5), given_scores, size, seed)
    assert again.rows.tolist() == places
    assert again.why == found.why
