"""The how-to of forecasts is run: its charter and its commands on the first months of the bundled series; then the loop on what came."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

import homeostat
from homeostat.app.cli.main import main
from homeostat.flow.project import open_project
from homeostat.flow.registry import champion, version_of
from homeostat.flow.signing import signed
from homeostat.infra.prediction_records import read

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "forecasting.md").read_text(encoding="utf-8")
BLOCKS: dict[str, str] = dict(re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
BIKE = pl.read_csv(Path(homeostat.__file__).parent / "data" / "bike_hourly.csv")
FIRST = BIKE.filter(pl.col("dteday") < "2011-03-06")
KNOWN_AHEAD = BIKE.filter(pl.col("dteday") == "2011-03-06").with_columns(cnt=None, casual=None, registered=None)
QUICK = {
    "holdout: 60d": "holdout: 10d",
    "validation: 60d": "validation: 10d",
    "budget: {seconds: 60}": (
        "budget: {seconds: null, trials: 2}\n  learners: [linear]\n  intervals: {coverage: 0.9, by: horizon}\nmonitor: {min_rows: 10}"
    ),
}


@pytest.fixture(scope="module")
def bikes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forecast") / "bikes"
    (folder / "data").mkdir(parents=True)
    FIRST.write_csv(folder / "data" / "first.csv")
    charter = BLOCKS["yaml"]
    for said, quick in QUICK.items():
        assert said in charter
        charter = charter.replace(said, quick)
    (folder / "homeostat.yaml").write_text(charter)
    (folder / "features.sql").write_text(BLOCKS["sql"])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in BLOCKS["sh"].splitlines():
            assert main(line.split()[1:]) == 0
    return folder


def asked(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    capsys.readouterr()
    assert main([*words, "--json", "--project", str(folder)]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_a_forecast_of_each_step_and_what_is_told_of_the_model(bikes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = pl.read_csv(bikes / "forecast.csv", try_parse_dates=True)
    assert rows.columns == ["origin", "moment", "horizon", "prediction", "lower", "upper"]
    assert rows.filter(pl.col("lower") <= pl.col("prediction"), pl.col("prediction") <= pl.col("upper")).height == 24
    assert (rows["upper"] - rows["lower"]).n_unique() > 12, "each horizon has a width of its own"
    assert rows["horizon"].to_list() == list(range(1, 25))
    assert str(rows["moment"][0]) == "2011-03-06 00:00:00"
    told = asked(bikes, capsys, "evaluate")
    baseline = told["baseline"]
    assert baseline["kind"] == "seasonal 1d"  # type: ignore[index]
    assert 0 < baseline["rows_without"] < 40, "a few hours of the day before are not in the data"  # type: ignore[index]
    scores = {each["metric"]: each["value"] for each in told["scores"] if not each["segment"]}  # type: ignore[attr-defined]
    assert 0 < scores["mase"] < 2
    horizons = told["horizons"]
    assert [each["horizon"] for each in horizons] == list(range(1, 25))  # type: ignore[attr-defined]
    weighted = sum(each["rows"] * each["ours"] for each in horizons) / sum(each["rows"] for each in horizons)  # type: ignore[attr-defined]
    assert weighted == pytest.approx(scores["mae"])


def test_a_forecast_is_logged_once_and_known_values_ahead_are_used(bikes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = asked(bikes, capsys, "forecast")
    lines = len("".join(each.read_text() for each in (bikes / ".homeostat" / "predictions").glob("*.jsonl")).splitlines())
    assert asked(bikes, capsys, "forecast")["logged"] == first["logged"]
    assert len("".join(each.read_text() for each in (bikes / ".homeostat" / "predictions").glob("*.jsonl")).splitlines()) == lines == 24
    assert first["unknown"] == {"holiday": 24, "workingday": 24}
    KNOWN_AHEAD.write_csv(bikes / "data" / "ahead.csv")
    asked(bikes, capsys, "ingest")
    there = dict.fromkeys(("holiday", "workingday"), 24 - KNOWN_AHEAD.height)
    assert asked(bikes, capsys, "forecast")["unknown"] == there, "an hour of the day is not in the data"
    earlier = asked(bikes, capsys, "forecast", "--at", "2011-02-20T05:30")
    assert earlier["rows"][0]["origin"] == "2011-02-20T05:00:00"  # type: ignore[index]
    assert main(["forecast", "--at", "2001-01-01", "--project", str(bikes)]) == 2
    assert "HS359" in capsys.readouterr().err


def test_what_came_is_the_label_and_the_loop_turns(bikes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bikes / "data" / "ahead.csv").unlink(missing_ok=True)
    BIKE.filter(pl.col("dteday").is_between(pl.lit("2011-03-06"), pl.lit("2011-03-07"))).write_csv(bikes / "data" / "ahead.csv")
    turn = asked(bikes, capsys, "operate", "--once", "--as-of", "2011-03-09")
    assert turn["problem"] == ""
    windows = [each for each in asked(bikes, capsys, "history")["facts"] if str(each["id"]).startswith("diagnosis-")]  # type: ignore[attr-defined]
    assert windows
    log = read(bikes / ".homeostat" / "predictions").records
    first = next(each for each in log if str(each["inputs"]["moment"]).startswith("2011-03-06T00:00"))
    assert first["lower"] <= first["prediction"] <= first["upper"]
    traced = asked(bikes, capsys, "trace", first["id"])
    row = traced["trace"]["row"]  # type: ignore[index]
    wanted = BIKE.filter((pl.col("dteday") == "2011-03-06") & (pl.col("hr") == 0))["cnt"][0]
    assert row["value"] == wanted  # type: ignore[index]


def test_a_forecast_is_routed_for_callers_and_the_command_stays_with_the_champion(bikes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_project(bikes) as project:
        first = project.ledger.find("version")[-1]
        body = {name: value for name, value in first.body.items() if name != "signature"}
        added = project.record("version", "beside", signed(project, "version", "beside", body, first.causes), causes=first.causes)
        number, now = version_of(project, added.id).number, champion(project)
    assert now is not None
    routed = asked(bikes, capsys, "route", "--canary", str(number), "--share", "50%", "--each-request", "--segment", "horizon=1:1")
    names = [arm["name"] for arm in routed["traffic"]["arms"]]  # type: ignore[index]
    assert names == ["champion", "canary", "segment-1"]
    assert asked(bikes, capsys, "forecast")["version"] == now.number


def test_another_charter_has_no_forecast(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = re.sub(r"  forecast:\n(    .*\n)+", "", BLOCKS["yaml"])
    (tmp_path / "homeostat.yaml").write_text(text)
    assert main(["forecast", "--project", str(tmp_path)]) == 2
    assert "HS360" in capsys.readouterr().err
