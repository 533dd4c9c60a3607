from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from homeostat.core import sections
from homeostat.core.records import Decision
from homeostat.errors import DataError, LearningError
from homeostat.preparation.decide import decide, encoded

TASK = sections.Task(type="regression", target="y", entity=("shop",), leave_out=("leak",))
SECTION = sections.Preparation()


def kinds(frame: pl.DataFrame, section: sections.Preparation = SECTION) -> dict[str, str | None]:
    return {each.column: each.kind for each in decide(frame, TASK, section) if not each.drop}


def dropped(frame: pl.DataFrame, section: sections.Preparation = SECTION) -> dict[str, str]:
    return {each.column: each.reason for each in decide(frame, TASK, section) if each.drop}


def one(frame: pl.DataFrame, column: str, section: sections.Preparation = SECTION) -> Decision:
    return next(each for each in decide(frame, TASK, section) if each.column == column)


def test_each_type_has_its_kind() -> None:
    frame = pl.DataFrame(
        {
            "y": [1.0, 2.0, 3.0],
            "shop": ["a", "b", "b"],
            "size": [1, 2, 3],
            "share": [0.1, None, 0.3],
            "price": [Decimal("1.5"), Decimal("2.5"), None],
            "open": [True, False, None],
            "day": [date(2020, 1, d) for d in (1, 2, 3)],
            "seen": [datetime(2020, 1, d) for d in (1, 2, 3)],
            "texted": ["2020-01-01", None, "2020-01-02T08:00:00+01:00"],
            "like a date": ["2020-01-01", "2020-01-01 maybe", "2020-13-45"],
            "grade": pl.Series(["low", "high", "low"], dtype=pl.Enum(["low", "high"])),
            "sort": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
        }
    )
    assert kinds(frame) == {
        "shop": "category",
        "size": "number",
        "share": "number",
        "price": "number",
        "open": "boolean",
        "day": "timestamp",
        "seen": "timestamp",
        "texted": "timestamp",
        "like a date": "category",
        "grade": "category",
        "sort": "category",
    }


def test_the_charter_overrides_a_kind() -> None:
    frame = pl.DataFrame({"y": [1.0, 2.0], "zone": [7, 8]})
    found = one(frame, "zone", sections.Preparation(types={"zone": "category"}))
    assert (found.kind, found.encode, found.by) == ("category", "one_hot", "charter")


def test_what_tells_nothing_is_dropped_and_why_is_recorded() -> None:
    count = 60
    frame = pl.DataFrame(
        {
            "y": [float(i) for i in range(count)],
            "leak": range(count),
            "_source": ["a.csv"] * count,
            "same": [3] * count,
            "empty": [None] * count,
            "nan": [float("nan")] * count,
            "id": [f"id {i}" for i in range(count)],
            "sometimes": [1 if i % 3 else None for i in range(count)],
            "number": [i * i for i in range(count)],
            "counter": [1000 + (7 * i) % count for i in range(count)],
            "mostly": [f"id {max(i, 2)}" for i in range(count)],
            "again": [float(i * i) for i in range(count)],
            "shop": [f"s{i % 3}" for i in range(count)],
        }
    )
    told = {each.column: each.reason for each in decide(frame, TASK, sections.Preparation(), {"leak": "privacy.never_use"})}
    assert told["leak"] == "named in privacy.never_use"
    assert list(kinds(frame)) == ["sometimes", "number", "shop"], "nulls beside one value tell something"
    assert dropped(frame) == {
        "leak": "named in task.leave_out",
        "_source": "where the row came from",
        "same": "the same value in every row",
        "empty": "no value in any row",
        "nan": "no value in any row",
        "id": "a different text in every row",
        "counter": "it counts the rows",
        "mostly": "a different text in 96.7% of the rows",
        "again": "the same as number in every row",
    }
    kept = sections.Preparation(columns={name: sections.ColumnChoice(drop=False) for name in ("id", "counter", "again", "same")})
    assert list(kinds(frame, kept)) == ["same", "id", "sometimes", "number", "counter", "again", "shop"]
    assert kinds(frame, sections.Preparation(types={"again": "category"}))["again"] == "category", "the same values in another way"
    gone = sections.Preparation(columns={"shop": sections.ColumnChoice(drop=True)})
    assert one(frame, "shop", gone) == Decision("shop", None, drop=True, reason="dropped by the charter", by="charter")


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("odd", [[1], [2]]),
        pl.Series("odd", [{"a": 1}, {"a": 2}]),
        pl.Series("odd", [b"a", b"b"]),
        pl.Series("odd", [time(1), time(2)]),
        pl.Series("odd", [timedelta(1), timedelta(2)]),
    ],
    ids=lambda s: str(s.dtype),
)
def test_a_type_that_cannot_be_prepared_names_its_column(column: pl.Series) -> None:
    frame = pl.DataFrame([pl.Series("y", [1.0, 2.0]), column])
    with pytest.raises(LearningError, match=r"HS304.*column 'odd'.*task.leave_out"):
        decide(frame, TASK, SECTION)
    with pytest.raises(LearningError, match="HS304"):
        decide(frame, TASK, sections.Preparation(types={"odd": "category"}))


def test_nothing_left_is_an_error_that_says_why() -> None:
    with pytest.raises(LearningError, match=r"HS304.*leak: named in task.leave_out"):
        decide(pl.DataFrame({"y": [1.0, 2.0], "leak": [1, 2]}), TASK, SECTION)


WORDS = ["check", "out", "my", "new", "song", "please", "love", "this", "video", "so", "much", "subscribe", "now"]


def wide(count: int = 400) -> pl.DataFrame:
    """One column of every sort, from a fixed draw."""
    draw = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "y": draw.normal(size=count),
            "plain": [None if i % 10 == 0 else x for i, x in enumerate(draw.normal(size=count))],
            "income": np.exp(2 * draw.normal(size=count)),
            "debt": -np.exp(2 * draw.normal(size=count)),
            "switch": draw.integers(0, 2, count),
            "open": [None if i == 3 else bool(i % 2) for i in range(count)],
            "few": draw.choice(["a", "b", "c"], count),
            "many": [f"s{i}" for i in draw.integers(0, 20, count)],
            "very many": [f"s{i}" for i in draw.integers(0, 200, count)],
            "comment": [" ".join(draw.choice(WORDS, 6)) for _ in range(count)],
        }
    )


def test_each_decision_says_what_why_and_by_how_much() -> None:
    frame = wide()
    found = {each.column: each for each in decide(frame, TASK, SECTION)}
    assert list(found) == frame.columns[1:]
    assert all(each.reason and each.by == "analysis" and not each.drop for each in found.values())
    plain = found["plain"]
    assert (plain.impute, plain.indicator, plain.clip, plain.transform, plain.number) == ("median", True, True, "none", 0.1)
    assert "10.0% null" in plain.reason
    assert (found["income"].transform, found["debt"].transform) == ("log", "yeo_johnson")
    assert found["income"].number is not None
    assert found["income"].number > 5
    assert "skewness" in found["income"].reason
    assert (found["switch"].clip, found["switch"].transform) == (True, "none")
    assert (found["open"].kind, found["open"].impute, found["open"].indicator) == ("boolean", "median", True)
    assert [found[name].encode for name in ("few", "many", "very many", "comment")] == ["one_hot", "target", "target", "tfidf"]
    assert found["very many"].number == frame["very many"].n_unique()
    assert "are rare" in found["very many"].reason
    assert found["comment"].kind == "text"


def test_texts_that_repeat_or_are_short_are_categories() -> None:
    frame = wide()
    assert kinds(frame.with_columns(comment=pl.Series(frame["comment"].head(100).to_list() * 4)))["comment"] == "category"
    assert kinds(frame.with_columns(comment=pl.lit("no ") + pl.col("very many")))["comment"] == "category"


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_decisions_never_look_at_the_target(kind: str) -> None:
    frame = wide().with_columns(y=pl.Series(["no", "yes"] * 200))
    task = sections.Task(type=kind, target="y")  # type: ignore[arg-type]  # either is a task type
    assert decide(frame, task, SECTION) == decide(frame.with_columns(pl.col("y").shuffle(seed=1)), task, SECTION)


def test_the_charter_decides_column_by_column() -> None:
    choices = {
        "plain": {"impute": "zero", "indicator": False, "clip": False},
        "income": {"transform": "none"},
        "many": {"encode": "frequency"},
        "few": {"encode": "ordinal"},
        "comment": {"encode": "one_hot"},
    }
    section = sections.Preparation.model_validate({"columns": choices})
    found = {each.column: each for each in decide(wide(), TASK, section)}
    for name, asked in choices.items():
        assert {field: getattr(found[name], field) for field in asked} == asked
        assert found[name].by == "charter"
        assert "the charter: " in found[name].reason
    assert found["comment"].kind == "category", "an encoding that only categories have"
    assert found["debt"].by == "analysis"
    tfidf = sections.Preparation.model_validate({"columns": {"many": {"encode": "tfidf"}}})
    assert one(wide(), "many", tfidf).kind == "text"


@pytest.mark.parametrize(
    ("column", "asked", "said"),
    [
        ("plain", {"encode": "tfidf"}, r"columns.plain.encode: got tfidf for a number, which takes impute.*set preparation.types.plain"),
        ("plain", {"encode": "one_hot"}, "got one_hot for a number"),
        ("open", {"transform": "log"}, "got log for a boolean"),
        ("few", {"impute": "median"}, r"got median for a category, which takes encode: one_hot or ordinal or frequency or target"),
        ("few", {"indicator": True}, "got true for a category"),
        ("debt", {"transform": "log"}, r"columns.debt.transform: got log for values down to -.*use yeo_johnson"),
    ],
)
def test_a_wish_that_does_not_fit_the_column_is_refused_by_name(column: str, asked: dict[str, object], said: str) -> None:
    section = sections.Preparation.model_validate({"columns": {column: asked}})
    with pytest.raises(LearningError, match=rf"HS308.*{said}"):
        decide(wide(), TASK, section)


def test_not_to_do_something_can_always_be_asked_for() -> None:
    nothing = {"impute": "none", "indicator": False, "clip": False, "transform": "none"}
    section = sections.Preparation.model_validate({"columns": {"few": nothing, "open": nothing}})
    assert one(wide(), "few", section).by == "charter"


def test_contradicting_wishes_and_unknown_columns_are_refused() -> None:
    frame = wide().with_columns(leak=pl.lit(1), empty=pl.lit(None))
    for name, said in (("leak", "named in task.leave_out"), ("empty", "without a value")):
        section = sections.Preparation.model_validate({"columns": {name: {"drop": False}}})
        with pytest.raises(LearningError, match=rf"HS308.*columns.{name}.drop: got false.*{said}"):
            decide(frame, TASK, section)
    with pytest.raises(DataError, match=r"HS203. preparation.columns: got 'incme'.*did you mean income"):
        decide(frame, TASK, sections.Preparation.model_validate({"columns": {"incme": {"drop": True}}}))
    with pytest.raises(DataError, match=r"HS203. preparation.types"):
        decide(frame, TASK, sections.Preparation(types={"what": "number"}))


def test_one_encoding_for_all_categories_leaves_the_charters_own_alone() -> None:
    frame = pl.DataFrame({"a": ["x", "y"] * 30, "b": ["u", "v", "w"] * 20, "n": [float(i % 7) for i in range(60)], "y": [0.0, 1.0] * 30})
    section = sections.Preparation(columns={"b": sections.ColumnChoice(encode="frequency")})
    decided = decide(frame, sections.Task(type="regression", target="y"), section)
    assert encoded(decided, "") == encoded(decided, "decided") == decided
    changed = {each.column: each.encode for each in encoded(decided, "ordinal")}
    assert changed == {"a": "ordinal", "b": "frequency", "n": ""}
