"""Loading a charter: each kind of mistake gives its code, clause and line; what is right comes back as written."""

from __future__ import annotations

import json
import pickle
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.charter.load import dump_charter, load_charter, parse_charter
from homeostat.charter.schema import Charter
from homeostat.core.sections import Window
from homeostat.errors import CharterError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

GOOD = """\
version: 1
name: demand
problem:
  statement: too many vans
  objective: fewer vans
  decision: how many vans
  business_metric: vans a day
task:
  type: regression
  target: cnt
  time: day
success:
  metric: mae
data:
  source: data.csv
preparation:
  holdout: 14d
learning:
  windows:
    - {kind: all}
    - {kind: recent, length: 90d}
"""


def refused(text: str) -> CharterError:
    with pytest.raises(CharterError) as caught:
        parse_charter(text, "homeostat.yaml")
    return caught.value


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_a_good_charter_is_read() -> None:
    charter = parse_charter(GOOD, "homeostat.yaml")
    assert charter.task.target == "cnt"
    assert charter.preparation.holdout == timedelta(days=14)
    assert charter.learning.windows == (Window(), Window(kind="recent", length=timedelta(days=90)))
    assert charter.deploy.port == 8000


@pytest.mark.parametrize(
    ("old", "new", "code", "place", "says"),
    [
        ("  metric: mae", "  metirc: mae", "HS103", "success.metirc (homeostat.yaml:13)", "did you mean success.metric?"),
        (
            "learning:\n",
            "learning:\n  validation: 28d\n",
            "HS103",
            "learning.validation (homeostat.yaml:19)",
            "did you mean preparation.validation?",
        ),
        ("name: demand", "name: demand\nowner: me", "HS103", "owner (homeostat.yaml:3)", 'got an unknown clause "owner"'),
        ("  target: cnt\n", "", "HS104", "task.target (homeostat.yaml:8)", "this clause is required"),
        ("  statement: too many vans\n", "", "HS104", "problem.statement (homeostat.yaml:3)", "the business problem, in a sentence"),
        ("name: demand", "name: Big Demand", "HS105", "name (homeostat.yaml:2)", 'got "Big Demand"; allowed: lower-case letters'),
        ("type: regression", "type: ranking", "HS105", "task.type (homeostat.yaml:9)", "got \"ranking\"; allowed: 'binary'"),
        (
            "holdout: 14d",
            "holdout: 14",
            "HS105",
            "preparation.holdout (homeostat.yaml:17)",
            "got 14; allowed: a share between 0 and 1, or a duration",
        ),
        ("holdout: 14d", "holdout: 2 weeks", "HS105", "preparation.holdout (homeostat.yaml:17)", 'got "2 weeks"'),
        ("length: 90d", "length: 90", "HS105", "learning.windows[1].length (homeostat.yaml:21)", "got 90; allowed: a number and a unit"),
        ("length: 90d", "length: 0d", "HS105", "learning.windows[1].length (homeostat.yaml:21)", "no time at all"),
        ("target: cnt", "target: 5", "HS105", "task.target (homeostat.yaml:10)", "got 5; allowed: a text (put it in quotes)"),
        ("target: cnt", "target: {a: 1}", "HS105", "task.target (homeostat.yaml:10)", "got a mapping"),
        (
            "  metric: mae",
            "  metric: mae\n  threshold: true",
            "HS105",
            "success.threshold (homeostat.yaml:14)",
            "got true; allowed: a number",
        ),
        (
            "  metric: mae",
            "  metric: mae\n  threshold: .nan",
            "HS105",
            "success.threshold (homeostat.yaml:14)",
            'got ".nan"; allowed: a number',
        ),
        ("  metric: mae", "  metric: mae\n  threshold: -3", "HS105", "success.threshold (homeostat.yaml:14)", "at least 0"),
        ("  metric: mae", "  metric: mae\n  segments: day", "HS105", "success.segments (homeostat.yaml:14)", "allowed: a list"),
        ("version: 1", "version: one", "HS105", "version (homeostat.yaml:1)", 'got "one"; allowed: 1'),
        ("version: 1", "version: 2", "HS107", "version (homeostat.yaml:1)", "reads versions up to 1"),
        (
            "metric: mae",
            "metric: auc",
            "HS112",
            "success.metric (homeostat.yaml:13)",
            'got "auc" for a regression task; use one of mae, rmse, r2',
        ),
        ("metric: mae", "metric: rsme", "HS112", "success.metric (homeostat.yaml:13)", "did you mean rmse?"),
        ("success:", "value: {payoff: {}}\nsuccess:", "HS113", "value.payoff (homeostat.yaml:12)", "it is for binary tasks"),
        ("success:", "value: {over: 1}\nsuccess:", "HS113", "value.over (homeostat.yaml:12)", "give both or none"),
        ("time: day", "time: cnt", "HS106", "task.time (homeostat.yaml:11)", "which is task.target"),
        ("time: day", "time: day\n  leave_out: [a, cnt]", "HS106", "task.leave_out[1] (homeostat.yaml:12)", "which is task.target"),
        ("time: day", "time: day\n  entity: [cnt]", "HS106", "task.entity[0] (homeostat.yaml:12)", "which is task.target"),
        ("metric: mae", "metric: mae\n  segments:\n    - cnt", "HS106", "success.segments[0] (homeostat.yaml:15)", "which is task.target"),
        ("metric: mae", "metric: mae\n  segment_gap: 0.5", "HS106", "success.segment_gap (homeostat.yaml:14)", "without success.segments"),
        (
            "metric: mae",
            "metric: mae\n  improvement: 0.1\n  baseline: none",
            "HS106",
            "success.improvement (homeostat.yaml:14)",
            "nothing to improve on",
        ),
        (
            "type: regression",
            "type: regression\n  positive: yes",
            "HS106",
            "task.positive (homeostat.yaml:10)",
            'got "yes" for a regression task',
        ),
        ("{kind: all}", "{kind: all, length: 3d}", "HS106", "learning.windows[0].length (homeostat.yaml:20)", "got a length for kind all"),
        ("{kind: all}", "{kind: decay}", "HS106", "learning.windows[0].length (homeostat.yaml:20)", "missing for kind decay"),
        ("holdout: 14d", "holdout: 0d", "HS105", "preparation.holdout (homeostat.yaml:17)", "no time at all"),
        ("learning:", "learning:\n  budget: {seconds: null}", "HS106", "learning.budget (homeostat.yaml:19)", "neither seconds nor trials"),
        ("data:", "policy:\n  budget: {seconds: null}\ndata:", "HS106", "policy.budget (homeostat.yaml:15)", "neither seconds nor trials"),
        (
            "data:",
            "deploy:\n  approval: manual\ndata:",
            "HS106",
            "deploy.approval (homeostat.yaml:15)",
            "no stakeholder has the role approver",
        ),
        (
            "task:",
            "  scale: {requests_per_second: 5, peak_requests_per_second: 2}\ntask:",
            "HS106",
            "problem.scale.peak_requests_per_second (homeostat.yaml:8)",
            "below requests_per_second 5",
        ),
        ("target: cnt", "target: cnt\n  target: sum", "HS102", "task.target (homeostat.yaml:11)", "written twice, first on line 10"),
        ("  target: cnt", "\ttarget: cnt", "HS102", "homeostat.yaml:10", "got a tab"),
        ("target: cnt", "target: [cnt", "HS102", "homeostat.yaml:11", "expected"),
        ("target: cnt", "target: *cnt", "HS102", "homeostat.yaml:10", "got the alias *cnt; write the value out"),
        ("target: cnt", "target: !!python/name:os.system x", "HS102", "homeostat.yaml:10", "got the tag !!python/name:os.system"),
        ("target: cnt", "target: " + "[" * 5000 + "]" * 5000, "HS102", "homeostat.yaml:10", "levels of nesting"),
        ("target: cnt", "target: cnt\n  ? [a, b]\n  : 1", "HS102", "task (homeostat.yaml:11)", "a key is a plain text"),
        ("data:", "---\ndata:", "HS102", "homeostat.yaml:14", "single document"),
    ],
)
def test_each_mistake_has_a_code_and_a_line(old: str, new: str, code: str, place: str, says: str) -> None:
    error = refused(changed(old, new))
    assert (error.code, error.place) == (code, place)
    assert says in error.line()
    assert error.exit_code == 2
    assert "\n" not in error.line()


@pytest.mark.parametrize(
    ("text", "says"), [("", "empty"), ("# nothing\n", "empty"), ("- a\n", "got a list"), ("5\n", "got one value"), ("a\x00b", "not allow")]
)
def test_what_is_no_charter_at_all(text: str, says: str) -> None:
    error = refused(text)
    assert (error.code, error.place) == ("HS102", "homeostat.yaml:1")
    assert says in error.message


def test_a_list_whose_items_are_wrong_is_not_called_too_short() -> None:
    error = refused(changed("    - {kind: all}\n    - {kind: recent, length: 90d}", "    - {kind: recent, length: 6000w}"))
    assert error.place == "learning.windows[0].length (homeostat.yaml:20)"
    assert error.message == 'got "6000w"; allowed: at most 5218w (a hundred years)'
    assert not error.others


def test_windows_and_spans_need_a_time_column() -> None:
    error = refused(changed("  time: day\n", ""))
    assert [(one.code, one.place) for one in (error, *error.others)] == [
        ("HS106", "preparation.holdout (homeostat.yaml:16)"),
        ("HS106", "learning.windows[1].length (homeostat.yaml:20)"),
    ]


def test_the_default_windows_of_the_loop_need_none() -> None:
    charter = parse_charter(GOOD.replace("  time: day\n", "").replace("14d", "0.2").replace("    - {kind: recent, length: 90d}\n", ""), "x")
    assert parse_charter(dump_charter(charter), "x") == charter


def test_every_mistake_of_a_file_is_found_in_the_order_of_its_lines() -> None:
    text = GOOD.replace("metric: mae", "metric: auc").replace("name: demand", "name: De mand").replace("kind: all", "kind: decay")
    text += "monitor:\n  widnow: day\n  min_rows: many\n"
    error = refused(text)
    assert [(one.code, one.place) for one in (error, *error.others)] == [
        ("HS105", "name (homeostat.yaml:2)"),
        ("HS112", "success.metric (homeostat.yaml:13)"),
        ("HS106", "learning.windows[0].length (homeostat.yaml:20)"),
        ("HS103", "monitor.widnow (homeostat.yaml:23)"),
        ("HS105", "monitor.min_rows (homeostat.yaml:24)"),
    ]
    assert "and 4 more: success.metric (homeostat.yaml:13), " in error.line()
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own object, to show that an error crosses processes whole
    assert [one.line() for one in again.others] == [one.line() for one in error.others]


@pytest.mark.parametrize(
    ("written", "positive"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("Off", "Off"),
        ("y", "y"),
        ("true", True),
        ("1", 1),
        ('"1"', "1"),
        ("007", "007"),
        ("2024-01-01", "2024-01-01"),
    ],
)
def test_the_positive_class_is_read_as_written(written: str, positive: object) -> None:
    text = GOOD.replace("type: regression", f"type: binary\n  positive: {written}").replace("mae", "auc")
    task = parse_charter(text, "x").task
    assert task.positive == positive
    assert type(task.positive) is type(positive)


def test_column_names_are_read_as_written() -> None:
    charter = parse_charter(GOOD.replace("target: cnt", "target: no\n  entity: [on, 12:30, 1_000]") + "  \n", "x")
    assert charter.task.target == "no"
    assert charter.task.entity == ("on", "12:30", "1_000")
    typed = parse_charter(changed("holdout: 14d", "holdout: 14d\n  types: {no: category, 7: number}"), "x")
    assert typed.preparation.types == {"no": "category", "7": "number"}


def test_a_section_without_clauses_has_its_defaults() -> None:
    assert parse_charter(GOOD + "monitor:\nstore: ~\n", "x") == parse_charter(GOOD, "x")
    error = refused(changed("success:\n  metric: mae", "success:"))
    assert (error.code, error.place) == ("HS104", "success.metric (homeostat.yaml:12)")


def test_a_database_password_is_not_repeated() -> None:
    error = refused(GOOD + "store:\n  ledgr: postgresql://me:secret@db/x\n")
    assert error.code == "HS103"
    assert "secret" not in error.line()


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "homeostat.yaml"
    for content, place in [
        (None, str(path)),
        (b"name: \xff\xfe", f"{path}:1"),
        (b"# fine\nname: \xe9t\xe9\n", f"{path}:2"),
        (b"#" * 1_000_001, str(path)),
    ]:
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(CharterError) as caught:
            load_charter(path)
        assert (caught.value.code, caught.value.place) == ("HS101", place)
    with pytest.raises(CharterError) as caught:
        load_charter(tmp_path)
    assert caught.value.code == "HS101"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_charter(path) == parse_charter(GOOD, "x")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/homeostat.yaml")), ids=lambda path: path.parent.name)
def test_the_example_charters_load(path: Path) -> None:
    charter = load_charter(path)
    assert charter.name == path.parent.name
    assert parse_charter(dump_charter(charter), "x") == charter


texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
names = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,20}", fullmatch=True)
windows = st.one_of(
    st.just({"kind": "all"}),
    st.builds(lambda kind, days: {"kind": kind, "length": f"{days}d"}, st.sampled_from(["recent", "decay"]), st.integers(1, 900)),
)


@st.composite
def charters(draw: st.DrawFn) -> Charter:
    kind = draw(st.sampled_from(["binary", "multiclass", "regression"]))
    raw = {
        "name": draw(names),
        "problem": {key: draw(texts) for key in ("statement", "objective", "decision", "business_metric")},
        "task": {
            "type": kind,
            "target": "the target",
            "time": draw(texts),
            "leave_out": draw(st.lists(texts, max_size=3)),
            "label_delay": f"{draw(st.integers(0, 400))}{draw(st.sampled_from('smhdw'))}",
            "positive": draw(st.one_of(st.none(), texts, st.integers(), st.booleans())) if kind == "binary" else None,
        },
        "success": {
            "metric": {"binary": "auc", "multiclass": "log_loss", "regression": "mae"}[kind],
            "confidence": draw(st.floats(0.6, 0.99)),
        },
        "data": {"source": draw(texts), "delimiter": draw(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="."))},
        "preparation": {
            "types": draw(st.dictionaries(texts, st.just("category"), max_size=3)),
            "holdout": draw(st.sampled_from([0.1, "30d"])),
        },
        "learning": {"windows": draw(st.lists(windows, min_size=1, max_size=3)), "seed": draw(st.integers(-(2**62), 2**62))},
    }
    return Charter.model_validate_json(json.dumps(raw))


@settings(deadline=None)
@given(charters())
def test_a_dumped_charter_parses_back_equal(charter: Charter) -> None:
    assert parse_charter(dump_charter(charter), "homeostat.yaml") == charter


@settings(deadline=None)
@given(st.one_of(st.text(max_size=60), st.text("-?:[]{}*&!|>'\"#\n\t abn1.~", max_size=40)))
def test_any_other_text_is_refused_in_one_line(text: str) -> None:
    error = refused(text)
    assert "\n" not in error.line()


@settings(deadline=None)
@given(st.integers(0, GOOD.count("\n") - 1), st.text("-?:[]{}*&!|>'\"#\t abn1.~", max_size=12))
def test_a_damaged_charter_loads_or_is_refused_with_a_place(line: int, junk: str) -> None:
    lines = GOOD.splitlines()
    lines[line] += junk
    try:
        place = parse_charter("\n".join(lines), "homeostat.yaml") and ""
    except CharterError as error:
        place = error.place
    assert not place or "homeostat.yaml:" in place
