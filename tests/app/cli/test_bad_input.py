"""What a user can get wrong: one clear line with a code, the right exit code, the ledger as it was, nothing lost."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from homeostat.app.cli.main import main
from homeostat.flow.operating import operating
from homeostat.flow.project import open_project


def facts(folder: Path) -> int:
    import sqlite3

    ledger = folder / ".homeostat" / "ledger.sqlite"
    if not ledger.exists():
        return 0
    connection = sqlite3.connect(ledger)
    try:
        return int(connection.execute("select count(*) from facts where kind <> 'charter'").fetchone()[0])
    finally:
        connection.close()


def edit(folder: Path, old: str, new: str, name: str = "homeostat.yaml") -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def rewrite(folder: Path, change: Callable[[list[str]], list[str]]) -> None:
    for path in sorted((folder / "data").glob("*.csv"))[1:]:
        path.unlink()
    path = next((folder / "data").glob("*.csv"))
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def one_value(folder: Path) -> None:
    for path in (folder / "data").glob("*.csv"):
        head, *lines = path.read_text().splitlines()
        path.write_text("\n".join([head, *(line.rpartition(",")[0] + ",7" for line in lines)]) + "\n")


CASES: dict[str, tuple[Callable[[Path], object], list[str], str, str]] = {
    "no data": (lambda f: [p.unlink() for p in (f / "data").glob("*.csv")], ["run"], "HS201", "data/"),
    "missing file": (lambda f: edit(f, "source: data/ ", "source: gone.csv "), ["ingest"], "HS201", "gone.csv"),
    "unknown column": (lambda f: edit(f, "segments: [workingday]", "segments: [workday]"), ["run"], "HS203", "workday"),
    "target missing": (lambda f: edit(f, "target: cnt", "target: count"), ["run"], "HS204", "count"),
    "typo in a clause": (lambda f: edit(f, "  metric: mae", "  metrics: mae"), ["check"], "HS103", "metric"),
    "typo in a value": (lambda f: edit(f, "  metric: mae", "  metric: auc"), ["run"], "HS112", "mae"),
    "not yaml": (lambda f: (f / "homeostat.yaml").write_text("name: [1, 2"), ["run"], "HS102", "homeostat.yaml"),
    "newer charter": (lambda f: edit(f, "version: 1", "version: 9"), ["run"], "HS107", "9"),
    "no charter": (lambda f: (f / "homeostat.yaml").unlink(), ["run"], "HS601", "init"),
    "no contract": (lambda f: (f / "contract.yaml").unlink(), ["ingest"], "HS206", "contract.yaml"),
    "empty file": (lambda f: rewrite(f, lambda _: []), ["ingest"], "HS202", "2011-01.csv"),
    "header only": (lambda f: rewrite(f, lambda lines: lines[:1]), ["ingest"], "HS202", "2011-01.csv"),
    "one value only": (one_value, ["check"], "HS301", "cnt"),
    "state is a file": (lambda f: (f / ".homeostat").write_text(""), ["run"], "HS602", ".homeostat"),
    "unknown option": (lambda f: None, ["run", "--fast"], "HS609", "--fast"),
    "unknown command": (lambda f: None, ["dance"], "HS609", "dance"),
    "bad moment": (lambda f: None, ["monitor", "--as-of", "soon"], "HS609", "soon"),
    "moment before time": (lambda f: None, ["monitor", "--as-of", "0001-01-01T00:00:00+14:00"], "HS609", "0001"),
    "no number of seconds": (lambda f: None, ["operate", "--every", "nan"], "HS609", "nan"),
    "unknown kind": (lambda f: None, ["history", "--kind", "nope"], "HS609", "nope"),
    "not text": (lambda f: None, ["show", "\udcff"], "HS609", "UTF-8"),
    "contract not text": (lambda f: (f / "contract.yaml").write_bytes(b"\xff\xfe"), ["ingest"], "HS206", "UTF-8"),
    "demo over a file": (lambda f: (f / "x").write_text(""), ["demo", "--dir", "x"], "HS607", "x"),
    "train before ingest": (lambda f: None, ["train"], "HS608", "ingest"),
    "evaluate before train": (lambda f: None, ["evaluate"], "HS608", "train"),
    "promote before validate": (lambda f: None, ["promote"], "HS605", "version"),
    "export before promote": (lambda f: None, ["export", "out"], "HS608", "run"),
    "show nothing": (lambda f: None, ["show", "fact-000"], "HS605", "fact-000"),
    "trace nothing": (lambda f: None, ["trace", "pr-0"], "HS605", "pr-0"),
    "labels of nothing": (lambda f: None, ["labels", "gone.csv"], "HS201", "gone.csv"),
    "init over a charter": (lambda f: None, ["init", "--from", "data/2011-01.csv", "--target", "cnt"], "HS607", "homeostat.yaml"),
    "demo over a folder": (lambda f: None, ["demo", "--dir", "."], "HS607", "--dir"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_a_code_exit_2_and_the_ledger_as_it_was(
    founded: Path, case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil, command, code, word = CASES[case]
    spoil(founded)
    monkeypatch.chdir(founded)
    before = facts(founded)
    exit_code = main(command)
    told = capsys.readouterr().err.strip().splitlines()
    errors = [line for line in told if "[HS" in line]
    assert exit_code == 2, told
    assert len(errors) == 1
    assert errors[0] == told[-1]
    assert f"[{code}]" in errors[0]
    assert word in errors[0]
    assert "Traceback" not in "\n".join(told)
    assert facts(founded) == before


def test_the_same_error_as_json(founded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(founded, "target: cnt", "target: count")
    assert main(["ingest", "--json", "--project", str(founded)]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["error"]["code"] == "HS204"


def test_a_csv_with_a_broken_line_keeps_the_line_and_goes_on(founded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = founded / "data" / "2011-01.csv"
    path.write_text(path.read_text() + "what,is,this\n")
    assert main(["ingest", "--json", "--project", str(founded)]) == 0
    assert json.loads(capsys.readouterr().out)["quarantined_rows"] == 1
    with open_project(founded) as project:
        kept = project.table("quarantine").read()
    assert kept.height == 1
    assert "what,is,this" in kept["_row"][0]


def test_one_class_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d.csv").write_text("a,y\n" + "\n".join(f"{i},yes" for i in range(300)) + "\n")
    assert main(["init", "--from", str(tmp_path / "d.csv"), "--target", "y", "--project", str(tmp_path)]) == 2
    assert "[HS301]" in capsys.readouterr().err
    assert not (tmp_path / "homeostat.yaml").exists()


@pytest.mark.parametrize(("source", "target", "code"), [("gone.csv", "y", "HS201"), ("d.csv", "z", "HS204"), ("d.txt", "y", "HS209")])
def test_init_says_what_is_wrong_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, target: str, code: str
) -> None:
    for name in ("d.csv", "d.txt"):
        (tmp_path / name).write_text("a,y\n1,no\n2,yes\n" * 50)
    assert main(["init", "--from", str(tmp_path / source), "--target", target, "--project", str(tmp_path)]) == 2
    assert f"[{code}]" in capsys.readouterr().err
    assert not (tmp_path / "homeostat.yaml").exists()


def test_a_port_in_use(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port), "--project", str(trained)]) == 2
    told = capsys.readouterr().err
    assert "[HS604]" in told
    assert str(port) in told


def test_a_second_operate_is_told_who_holds_the_loop(trained: Path) -> None:
    with open_project(trained) as project, operating(project):
        before = facts(trained)
        command = [sys.executable, "-m", "homeostat.app.cli.main", "operate", "--once", "--project", str(trained)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "[HS603]" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert facts(trained) == before


def test_a_ledger_that_is_not_there_is_exit_4(founded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(founded, "version: 1", "version: 1\nstore:\n  ledger: postgresql+psycopg://user:secret@127.0.0.1:9/none")
    code = main(["history", "--project", str(founded)])
    told = capsys.readouterr().err
    assert code in {2, 4}  # without the postgres extra its driver is missing, which is the user's to install
    assert "secret" not in told
    assert "[HS" in told


def test_a_failed_gate_is_exit_3(founded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(founded, "threshold: 60", "threshold: 1")
    assert main(["run", "--project", str(founded)]) == 3
    assert "not at most 1" in capsys.readouterr().out


def test_a_fault_of_ours_is_exit_1_and_one_line(founded: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOMEOSTAT_DEBUG", raising=False)
    monkeypatch.setattr("homeostat.flow.ingest.ingest", lambda *_: 1 / 0)
    assert main(["ingest", "--project", str(founded)]) == 1
    told = capsys.readouterr().err
    assert "[HS001]" in told
    assert "Traceback" not in told


def test_three_rows_are_a_no_go_for_check_and_too_few_for_train(founded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite(founded, lambda lines: lines[:4])
    assert main(["check", "--json", "--project", str(founded)]) == 3
    assert json.loads(capsys.readouterr().out)["verdict"] == "no-go"
    assert main(["run", "--project", str(founded)]) == 2
    assert "[HS302]" in capsys.readouterr().err
    with open_project(founded) as project:
        assert project.ledger.find("run") == []


def test_a_working_folder_that_is_gone(founded: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os, sys; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})\n"
    code += "from homeostat.app.cli.main import main; sys.exit(main(['history']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=founded)
    assert done.returncode == 2
    assert "[HS601]" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "operate" in capsys.readouterr().out


def test_the_table_that_is_lost_is_named(founded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    assert main(["ingest", "--project", str(founded)]) == 0
    shutil.rmtree(founded / ".homeostat" / "tables")
    assert main(["ingest", "--project", str(founded)]) == 2
    assert "[HS610]" in capsys.readouterr().err


def test_scoring_a_file_onto_itself_or_over_its_own_columns_is_refused(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = trained / "data" / "2011-01.csv"
    before = path.read_bytes()
    assert main(["score", str(path), str(path), "--project", str(trained)]) == 2
    assert "[HS607]" in capsys.readouterr().err
    assert path.read_bytes() == before
    head, *lines = path.read_text().splitlines()
    odd = trained / "odd.csv"
    odd.write_text("\n".join([f"{head},prediction", *(f"{line},1" for line in lines)]) + "\n")
    assert main(["score", str(odd), str(trained / "out.csv"), "--project", str(trained)]) == 2
    assert "rename it" in capsys.readouterr().err
