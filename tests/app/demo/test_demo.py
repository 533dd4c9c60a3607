"""The demonstration: its months, its page, and the command itself as a process in an empty folder."""

from __future__ import annotations

import csv
import itertools
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import homeostat
from homeostat.app.cli.main import main
from homeostat.app.demo.months import Month, to_csv
from homeostat.app.demo.report import page, write_report
from homeostat.app.demo.story import MonthResult, Story
from homeostat.app.demo.traffic import Tally
from homeostat.flow.project import open_project

PROGRAM = str(Path(sys.executable).parent / "homeostat")


def test_the_months_are_the_bundled_file_cut_by_calendar(months: list[Month]) -> None:
    with (Path(homeostat.__file__).parent / "data" / "bike_hourly.csv").open(encoding="utf-8") as file:
        whole = list(csv.DictReader(file))
    assert [month.name for month in months] == [f"{year}-{month:02}" for year in (2011, 2012) for month in range(1, 13)]
    assert [dict(row) for month in months for row in month.rows] == whole
    assert len(whole) == 17_379
    assert all(row["dteday"].startswith(month.name) for month in months for row in month.rows)


def test_a_month_closes_where_the_next_one_begins(months: list[Month]) -> None:
    for month, following in itertools.pairwise(months):
        assert month.closes.isoformat() == f"{following.name}-01T00:00:00+00:00"
    assert months[-1].closes.isoformat() == "2013-01-01T00:00:00+00:00"


def test_deliveries_labels_and_requests_say_the_same_rows(months: list[Month]) -> None:
    month = months[6]
    delivered = list(csv.DictReader(StringIO(month.delivery())))
    assert delivered == [dict(row) for row in month.rows]
    labels = list(csv.DictReader(StringIO(month.labels())))
    assert labels == [{name: row[name] for name in ("dteday", "hr", "cnt")} for row in delivered]
    for request, row in zip(month.requests(), month.rows, strict=True):
        assert set(row) - set(request) == {"casual", "registered", "cnt"}  # unknown before the hour is over
        assert request["dteday"] == row["dteday"]
        assert all(float(request[name]) == float(row[name]) for name in request if name != "dteday")
        assert isinstance(request["hr"], int)


def test_a_broken_month_differs_in_the_two_temperatures_only(months: list[Month]) -> None:
    month = months[13]
    for good, bad in zip(month.rows, month.broken().rows, strict=True):
        assert {name for name in good if good[name] != bad[name]} == {"temp", "atemp"}
        assert list(good) == list(bad)
        assert float(bad["temp"]) == pytest.approx(float(good["temp"]) * 41, abs=0.005)  # degrees Celsius, as the source documents
        assert float(bad["atemp"]) == pytest.approx(float(good["atemp"]) * 50, abs=0.005)
    assert month.broken().name == month.name


def test_csv_text_keeps_commas_and_quotes() -> None:
    rows = [{"a": "1,5", "b": 'say "x"'}, {"a": "", "b": "line\nbreak"}]
    assert list(csv.DictReader(StringIO(to_csv(rows)))) == rows


class Read(HTMLParser):
    """The page as a reader has it: text, cells by row, classes; and whether each tag is closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "link"}:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] in {"td", "th"}:
            self.rows[-1][-1] += data


def story(folder: Path) -> Story:
    quiet = MonthResult("2011-07", 744, 61.25, 61.25, 1, "covariate_shift", "none", "", 'temp rose & "hum" < 0.2', broken=False)
    told = Story(folder, [quiet, replace(quiet, name="2011-08", frozen_mae=80.5, looped_mae=40.25, version=2, status="promoted")])
    told.months.append(replace(quiet, name="2011-09", cause="broken_data", action="quarantine", broken=True))
    told.tally = Tally(2_180, 3)
    told.frozen_errors, told.looped_errors = [60.0, 100.0], [40.0, 60.0]
    told.last_prediction = "pr-0-1"
    told.facts = {"promotions": 2, "rejections": 4, "quarantined_rows": 1_234, "seconds": 7.5, "told_at": "2026-01-02T03:04:05+00:00"}
    return told


def test_the_page_is_well_formed_and_has_the_figures(tmp_path: Path) -> None:
    path = write_report(story(tmp_path))
    assert path == tmp_path / "report.html"
    text = path.read_text(encoding="utf-8")
    read = Read(text)
    assert read.open == []
    for figure in ("0.62", "80.0", "50.0", "1,234", "2,180", "3 failed", "4challengers", "homeostat trace pr-0-1 --project", "7.5 s"):
        assert figure in read.text, figure
    assert [row[0] for row in read.rows] == ["Month", "2011-07", "2011-08", "2011-09"]
    assert read.rows[2] == ["2011-08", "80.5", "40.2", "2", "covariate shift", "promoted", 'temp rose & "hum" < 0.2']
    assert read.rows[3][4:6] == ["broken data", "quarantine"]
    assert read.tags.count("circle") == 6
    assert read.tags.count("rect") == 1  # the one broken month
    assert "script" not in read.tags
    assert "http" not in text.replace("http-equiv", "")  # nothing is loaded from anywhere


def test_the_page_of_a_single_month_is_well_formed(tmp_path: Path) -> None:
    one = story(tmp_path)
    one.months = one.months[:1]
    assert Read(page(one)).open == []


def test_a_folder_that_holds_something_is_refused_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    assert main(["demo", "--dir", str(tmp_path), "--json"]) == 2
    told = capsys.readouterr()
    assert "[HS607]" in told.err
    assert json.loads(told.out)["error"]["code"] == "HS607"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=250)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The demonstration's first month under the charter's own budgets, as a process in an empty folder: folder and JSON."""
    folder = tmp_path_factory.mktemp("demo")
    done = run(folder, "demo", "--months", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return folder, json.loads(done.stdout)


@pytest.mark.slow
def test_a_month_is_answered_judged_and_told(told: tuple[Path, dict[str, Any]], months: list[Month]) -> None:
    folder, data = told
    july = months[6]
    assert data["ok"] is True
    assert (data["requests"], data["requests_failed"]) == (len(july.rows), 0)
    assert data["quarantined_rows"] == 0
    assert 0 < data["seconds"] < 240
    assert data["model_versions"][0]["passed"] is True
    assert data["promotions"] + data["rejections"] >= 1
    (month,) = data["months"]
    assert (month["name"], month["rows"], month["version"]) == ("2011-07", len(july.rows), 1)
    # One month is served by the first model alone: the loop's error is the frozen one's.
    assert data["looped_mae"] == data["frozen_mae"]
    assert 10 < data["frozen_mae"] < 144  # better than answering 0 in a year of 144 rentals an hour
    report = folder / "homeostat-demo" / "report.html"
    assert Path(data["report"]) == report.resolve()
    assert f"{data['looped_mae']:.1f}" in Read(report.read_text(encoding="utf-8")).text


@pytest.mark.slow
def test_the_error_told_is_that_of_the_logged_answers(told: tuple[Path, dict[str, Any]], months: list[Month]) -> None:
    from homeostat.infra.prediction_records import read

    with open_project(told[0] / "homeostat-demo") as project:
        logged = {(r["inputs"]["dteday"], str(r["inputs"]["hr"])): r["prediction"] for r in read(project.predictions).records}
    errors = [abs(logged[row["dteday"], row["hr"]] - float(row["cnt"])) for row in months[6].rows]
    assert len(logged) == len(errors)
    assert told[1]["looped_mae"] == pytest.approx(sum(errors) / len(errors), abs=5e-5)


@pytest.mark.slow
def test_the_last_answer_can_be_traced(told: tuple[Path, dict[str, Any]], months: list[Month]) -> None:
    folder, data = told
    chain = data["trace"]
    assert {"version", "run", "dataset", "contract", "sources", "code"} <= set(chain)
    assert [source["path"] for source in chain["sources"]] == [f"data/{month.name}.csv" for month in months[:6]]
    assert sum(source["rows"] for source in chain["sources"]) == chain["dataset"]["rows"] == sum(len(m.rows) for m in months[:6])
    assert chain["label"]["value"] == months[6].rows[-1]["cnt"]
    done = run(folder, "trace", chain["prediction"]["id"], "--project", "homeostat-demo")
    assert done.returncode == 0, done.stderr
    for line in (
        rf"^version     1 \({chain['version']['id']}\), {chain['version']['learner']}, bundle \w{{12}}$",
        rf"^run         {chain['run']['id']} at .* by ",
        rf"^dataset     {chain['dataset']['id']}: version \d+ of table loaded/data, {chain['dataset']['rows']} rows",
        rf"^contract    contract\.yaml {chain['contract']['sha256'][:12]}$",
        rf"^source      data/2011-06\.csv: {len(months[5].rows)} rows, sha256 \w{{12}}$",
        r"^promoted    .*, approved by auto ",
        r"^code        (commit [0-9a-f]{40}|none: .*)$",  # none where git is not installed
    ):
        assert re.search(line, done.stdout, re.MULTILINE), f"{line} not in\n{done.stdout}"


@pytest.mark.slow
def test_a_second_demo_beside_the_first_is_refused(told: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = told
    before = sorted((folder / "homeostat-demo").iterdir())
    done = run(folder, "demo", "--months", "1")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "[HS607]" in line
    assert "--dir" in line
    assert sorted((folder / "homeostat-demo").iterdir()) == before
