"""The README is run: its first blocks, its table of commands, its charter, its own-data walk, its links, its exit codes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

import homeostat
from homeostat.app.cli.main import COMMANDS, main
from homeostat.charter.load import parse_charter

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
BIKE = Path(homeostat.__file__).parent / "data" / "bike_hourly.csv"
PROGRAMS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where `homeostat` is after ./do


def block(start: str) -> str:
    """The one fenced block that starts like this."""
    (found,) = [text for _, text in BLOCKS if text.startswith(start)]
    return found


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env={**os.environ, "PATH": PROGRAMS}, capture_output=True, text=True, check=False, timeout=200
    )


def command_of(name: str) -> click.Command:
    command: click.Command = import_module(f"homeostat.app.cli.{name}").command
    return command


def test_it_opens_with_the_two_statements_of_do() -> None:
    assert BLOCKS[:2] == [("sh", "./do demo\n"), ("sh", "./do test\n")]
    assert os.access(ROOT / "do", os.X_OK)
    assert subprocess.run(["sh", "-n", str(ROOT / "do")], check=False).returncode == 0
    assert re.search(r"^ {2}test\)$.*?tests/run\.sh", (ROOT / "do").read_text(), re.MULTILINE | re.DOTALL)
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("./do test")  # continuous integration runs the same


def table() -> list[tuple[str, list[str]]]:
    """The statements of the command table: name and words after it."""
    rows = re.findall(r"^\| (`.*?) \|", README.partition("## Commands")[2].partition("\n## ")[0], re.MULTILINE)
    statements = [span.removeprefix("homeostat ").split() for row in rows for span in re.findall(r"`([^`]+)`", row)]
    return [(words[0], words[1:]) for words in statements]


def leaves(name: str) -> dict[str, click.Command]:
    """A command, or those of its group, by how they are written after ``homeostat``."""
    found = command_of(name)
    return {f"{name} {part}": leaf for part, leaf in found.commands.items()} if isinstance(found, click.Group) else {name: found}


def written(name: str, words: list[str]) -> tuple[str, list[str]]:
    """The command of a statement, with the word that names it in its group, and the words after it."""
    return (f"{name} {words[0]}", words[1:]) if isinstance(command_of(name), click.Group) else (name, words)


def test_the_table_has_every_command_and_no_other() -> None:
    there = sorted(path for name in COMMANDS for path in leaves(name))
    assert sorted(written(name, words)[0] for name, words in table()) == there


@pytest.mark.parametrize(("name", "words"), table())
def test_what_the_table_writes_after_a_command_is_what_it_takes(name: str, words: list[str]) -> None:
    path, words = written(name, words)
    taken = leaves(name)[path].params
    options = {each for p in taken if isinstance(p, click.Option) for each in p.opts}
    given = {word for word in words if word.startswith("--")}
    assert given <= options
    assert {each for p in taken if isinstance(p, click.Option) and p.required for each in p.opts} <= given
    arguments = [p for p in taken if isinstance(p, click.Argument) and p.required]
    plain = [word for at, word in enumerate(words) if not word.startswith("--") and (at == 0 or not words[at - 1].startswith("--"))]
    assert len(plain) == len(arguments)


def test_every_command_takes_json_and_all_but_demo_a_project() -> None:
    options = {path: {each for p in leaf.params for each in p.opts} for name in COMMANDS for path, leaf in leaves(name).items()}
    assert {name for name, taken in options.items() if "--json" not in taken} == set()
    assert {name for name, taken in options.items() if "--project" not in taken} == {"demo"}


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_relative_links_point_at_files(name: str) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not t.startswith("#") and not (ROOT / t.partition("#")[0]).exists()]
    assert missing == []


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_named_in_code_spans_are_there(name: str) -> None:
    spans = re.findall(r"`([\w./-]+\.(?:py|md)|[\w-]+(?:/[\w-]+)*/)`", (ROOT / name).read_text(encoding="utf-8"))
    state = {"tables/", "blobs/", "predictions/", "online/", "raw/", "reports/", ".homeostat/"}
    places = (ROOT, ROOT / "src" / "homeostat")
    assert len(spans) >= 5
    assert [span for span in spans if span not in state and not any((place / span).exists() for place in places)] == []


def test_the_charter_it_shows_is_valid_and_runs(tmp_path: Path) -> None:
    text = block("name: bike-demand")
    charter = parse_charter(text, "README.md")
    assert (charter.task.type, charter.task.target, charter.success.threshold) == ("regression", "cnt", 60)
    # The statement of the README with one thing added: a small budget, so that the run takes seconds.
    (tmp_path / charter.data.source).write_bytes(BIKE.read_bytes())
    (tmp_path / "homeostat.yaml").write_text(text + "learning:\n  budget: {seconds: null, trials: 3}\n")
    done = shell("homeostat run --json", tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["champion"] == 1
    assert told["failed"] == []
    assert 20 < told["version"]["value"] < 60


@contextmanager
def served(statement: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``homeostat serve`` as a process of its own; yields it and the host and port it answers on."""
    command = [*shlex.split(statement), "--port", "0"]  # the default, 8000, may be taken on this machine
    environment = {**os.environ, "PATH": PROGRAMS}
    with (
        (folder / "serve.err").open("w") as errors,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["event"] == "ready"
            yield process, ready["url"].removeprefix("http://")
        finally:
            if process.poll() is None:
                process.kill()


def call(place: str, method: str, path: str, body: str | None = None) -> tuple[int, str]:
    connection = HTTPConnection(place, timeout=20)
    try:
        connection.request(method, path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def curl(statement: str, place: str, folder: Path) -> dict[str, Any]:
    """The answer to the README's request, by the statement itself where curl is installed."""
    assert statement.startswith("curl -s localhost:8000/predict ")
    statement = statement.replace("localhost:8000", place.replace("127.0.0.1", "localhost"))
    if shutil.which("curl"):
        done = shell(statement, folder)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))
    words = shlex.split(statement)
    status, text = call(place, "POST", "/predict", words[words.index("-d") + 1])
    assert status == 200, text
    return dict(json.loads(text))


@pytest.mark.slow
def test_your_own_data_word_for_word(tmp_path: Path) -> None:
    """The block as printed, in an empty folder, on the data it names; the search takes the 30 s of the inferred charter."""
    shutil.copy(ROOT / re.search(r"copy\n`(src/\S+\.csv)` under that name", README)[1], tmp_path / "rentals.csv")  # type: ignore[index]
    *stages, serve = block("homeostat init").splitlines()
    assert stages == ["homeostat init --from rentals.csv --target cnt", "homeostat check", "homeostat run"]
    for stage in stages:
        done = shell(stage, tmp_path)
        assert done.returncode == 0, f"{stage}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
    assert (tmp_path / "homeostat.yaml").exists()
    assert (tmp_path / "contract.yaml").exists()
    version = re.search(r"^version   1 \((version-\w{12})\): passed every gate$", done.stdout, re.MULTILINE)
    assert version, done.stdout
    again = shell("homeostat run", tmp_path)  # "repeats only what changed"
    assert again.stdout == done.stdout

    with served(serve, tmp_path) as (process, place):
        answer = curl(block("curl "), place, tmp_path)
        assert answer["version"] == 1
        (found,) = answer["predictions"]
        assert 0 < found["prediction"] < 1000
        what_the_server_speaks(place)
        traced = shell(f"homeostat trace {found['id']}", tmp_path)
        assert traced.returncode == 0, traced.stderr
        assert f"prediction  {found['id']} at " in traced.stdout
        assert version[1] in traced.stdout
        assert "source      rentals.csv: 17379 rows" in traced.stdout
        process.send_signal(signal.SIGINT)  # "Ctrl-C ends"
        assert process.wait(20) == 0


def what_the_server_speaks(place: str) -> None:
    """The section of that name, sentence by sentence."""
    about = json.loads(call(place, "GET", "/")[1])
    example, model = about["example"], about["model"]
    for body, rows in ((example, 1), ([example] * 3, 3), ({"rows": [example] * 2}, 2)):
        status, text = call(place, "POST", "/predict", json.dumps(body))
        assert status == 200, text
        ids = {each["id"] for each in json.loads(text)["predictions"]}
        assert len(ids) == rows
    status, text = call(place, "POST", "/predict", json.dumps([example, {**example, "hr": "noon"}]))
    assert status == 422
    (wrong,) = json.loads(text)["error"]["fields"]
    assert (wrong["row"], wrong["field"], wrong["got"]) == (1, "hr", '"noon"')
    assert call(place, "GET", "/v2/health/ready")[0] == 200
    metadata = json.loads(call(place, "GET", f"/v2/models/{model}")[1])
    assert {each["name"] for each in metadata["inputs"]} == set(example)
    tensors = [
        {"name": each["name"], "datatype": each["datatype"], "shape": [1], "data": [example[each["name"]]]} for each in metadata["inputs"]
    ]
    status, text = call(place, "POST", f"/v2/models/{model}/infer", json.dumps({"inputs": tensors}))
    assert status == 200, text
    assert "homeostat_healthy 1" in call(place, "GET", "/metrics")[1]


def test_the_exit_codes_it_names(founded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Exit codes: 0 done" in README
    assert main(["ingest", "--project", str(founded)]) == 0
    charter = founded / "homeostat.yaml"
    sound = charter.read_text()
    capsys.readouterr()
    charter.write_text(sound.replace("type: regression", "type: ranking"))
    assert main(["check", "--project", str(founded)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    for word in ("homeostat.yaml", "task.type", "ranking", "regression"):  # where, what, and what is allowed
        assert word in line
    charter.write_text(sound.replace("threshold: 60 ", "threshold: 1 "))
    assert main(["run", "--project", str(founded)]) == 3
    assert "FAIL" in capsys.readouterr().out
