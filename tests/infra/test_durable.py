"""Durable workflows: what a kill at each point of each step leaves, and how errors and interruptions come back."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from homeostat.errors import CharterError, HomeostatError, LearningError, ProjectError, Refusal, RequestError, Unreachable
from homeostat.infra.durable import Durable, InlineSteps
from homeostat.infra.durable_codec import decode, encode

if TYPE_CHECKING:
    from pathlib import Path

    from homeostat.core.ports import Steps

STEPS = 5
POINTS = [f"{step} {when}" for step in range(1, STEPS + 1) for when in ("before", "after")]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'durable.sqlite'}"


# A program that forks one child per kill point, each of which kills itself there, and then one more per point that goes on.
KILLED = """
import json, os, signal, sys
from pathlib import Path
import dbos
from homeostat.infra.durable import Durable
from homeostat.infra import durable_engine

def live(folder, point):
    effects = folder / "effects"
    def effect(step):
        if point == f"{step} before":
            os.kill(os.getpid(), signal.SIGKILL)
        with effects.open("a") as file:
            file.write(f"{step}\\n")
        if point == f"{step} after":
            os.kill(os.getpid(), signal.SIGKILL)
        return f"result {step}"
    def chain(steps, arguments):
        return arguments["head"] + ", ".join(steps.run(f"step {i}", lambda i=i: effect(i)) for i in range(1, STEPS + 1))
    with Durable(f"sqlite:///{folder}/durable.sqlite", {"chain": chain}) as durable:
        if not point:
            (folder / "pending").write_text(json.dumps(durable.pending()))
        durable.start("chain", "the one", {"head": "got "})
        (folder / "result").write_text(durable.result("the one", 60))
        (folder / "left").write_text(json.dumps(durable.pending()))

def fork(folder, point):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            live(folder, point)
            code = 0
        finally:
            os._exit(code)
    return pid

STEPS, root, points = int(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
folders = [root / point.replace(" ", "-") for point in points]
for folder in folders:
    folder.mkdir()
killed = [os.waitpid(pid, 0)[1] for pid in [fork(*pair) for pair in zip(folders, points)]]
ended = [os.waitpid(pid, 0)[1] for pid in [fork(folder, "") for folder in folders]]
print(json.dumps({"killed": killed, "ended": ended}))
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("killed")
    words = [sys.executable, "-c", KILLED, str(STEPS), str(root), json.dumps(POINTS)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {"killed": [9] * len(POINTS), "ended": [0] * len(POINTS)}, done.stderr
    return root


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_workflow_goes_on_at_the_broken_step(killed: Path, point: str) -> None:
    folder = killed / point.replace(" ", "-")
    step, when = point.split()
    expected = [str(i) for i in range(1, STEPS + 1)]
    if when == "after":  # its effect was made, its end never written: it alone is made again
        expected.insert(int(step), step)
    assert (folder / "effects").read_text().split() == expected
    assert (folder / "result").read_text() == "got " + ", ".join(f"result {i}" for i in range(1, STEPS + 1))
    assert json.loads((folder / "pending").read_text()) == ["the one"]
    assert json.loads((folder / "left").read_text()) == []


def test_starting_twice_runs_once(url: str) -> None:
    runs: list[str] = []

    def note(steps: Steps, arguments: dict[str, str]) -> str:
        return steps.run("note", lambda: runs.append(arguments["word"]) or arguments["word"])

    with Durable(url, {"note": note}) as durable:
        durable.start("note", "a", {"word": "first"})
        durable.start("note", "a", {"word": "second"})
        assert durable.result("a", 20) == "first"
        durable.start("note", "b", {"word": "third"})
        assert durable.result("b", 20) == "third"
    with Durable(url, {"note": note}) as durable:
        durable.start("note", "a", {"word": "fourth"})
        assert durable.result("a", 20) == "first"
        assert durable.pending() == []
    assert runs == ["first", "third"]


ERRORS: list[HomeostatError] = [
    HomeostatError("HS001", "ours", place="here", next_step="report it"),
    LearningError("HS301", "one class only", place="column y"),
    Refusal("HS701", "a gate failed"),
    RequestError("HS502", "bad fields", status=422, fields=({"row": 1, "field": "x", "got": None},)),
    CharterError("HS103", "first", place="a.yaml:1", others=(CharterError("HS104", "second", place="a.yaml:2"),)),
]


def same(one: HomeostatError, other: HomeostatError) -> bool:
    def content(error: HomeostatError) -> object:
        fields = {k: [content(o) for o in v] if k == "others" else v for k, v in vars(error).items()}
        return type(error), str(error), error.exit_code, fields

    return content(one) == content(other)


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_errors_are_written_down_whole(error: HomeostatError) -> None:
    assert same(decode(encode(error)), error)
    assert same(pickle.loads(pickle.dumps(error)), error)  # noqa: S301 - our own bytes


def test_an_error_of_a_class_that_is_gone_is_still_ours() -> None:
    told = decode(encode(ERRORS[1]).replace("LearningError", "FormerError"))
    assert type(told) is HomeostatError
    assert told.code == "HS301"


def test_only_plain_values_are_written_down() -> None:
    assert decode(encode({"args": ({"a": "ü"},), "kwargs": {}})) == {"args": [{"a": "ü"}], "kwargs": {}}
    with pytest.raises(TypeError, match="object"):
        encode({"a": object()})


def test_a_steps_error_ends_its_workflow_and_reaches_whoever_asks(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    tries: list[int] = []

    def fail(steps: Steps, arguments: dict[str, str]) -> str:
        def body() -> str:
            tries.append(1)
            raise ERRORS[int(arguments["which"])]

        return steps.run("fail", body)

    def catch(steps: Steps, arguments: dict[str, str]) -> str:
        try:
            return fail(steps, arguments)
        except LearningError as error:
            code = error.code
            return steps.run("close", lambda: f"closed on {code}")

    with Durable(url, {"fail": fail, "catch": catch}) as durable:
        for which, error in enumerate(ERRORS):
            durable.start("fail", f"w{which}", {"which": str(which)})
            with pytest.raises(type(error)) as caught:
                durable.result(f"w{which}", 20)
            assert same(caught.value, error)
        durable.start("catch", "caught", {"which": "1"})
        assert durable.result("caught", 20) == "closed on HS301"
    with Durable(url, {"fail": fail, "catch": catch}) as durable:
        durable.start("fail", "w2", {"which": "2"})
        with pytest.raises(Refusal, match="HS701"):
            durable.result("w2", 20)
    assert len(tries) == len(ERRORS) + 1
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err == ""


def test_a_fault_in_a_step_is_told_as_one_of_ours(url: str) -> None:
    def fault(steps: Steps, arguments: dict[str, str]) -> str:
        return steps.run("divide", lambda: str(1 / len(arguments)))

    with Durable(url, {"fault": fault}) as durable:
        durable.start("fault", "a", {})
        with pytest.raises(HomeostatError, match=r"HS001\] test_durable.py:\d+: ZeroDivisionError: division by zero"):
            durable.result("a", 20)


def test_waiting_has_an_end_and_unknown_workflows_none(url: str) -> None:
    free = threading.Event()

    def hang(steps: Steps, arguments: dict[str, str]) -> str:
        return steps.run("hang", lambda: str(free.wait(30)))

    with Durable(url, {"hang": hang}) as durable:
        with pytest.raises(ProjectError, match="HS605"):
            durable.result("nobody", 1)
        durable.start("hang", "a", {})
        with pytest.raises(Unreachable, match="HS803"):
            durable.result("a", 0.05)
        assert durable.pending() == ["a"]
        free.set()
        assert durable.result("a", 20) == "True"


def test_an_interrupted_step_is_given_up_and_run_again_at_the_next_launch(url: str) -> None:
    free, begun = threading.Event(), threading.Event()
    effects: list[str] = []

    def chain(steps: Steps, arguments: dict[str, str]) -> str:
        def slow() -> str:
            begun.set()
            free.wait(30)
            return "slow"

        first = steps.run("first", lambda: effects.append("first") or "first")
        return first + " " + steps.run("slow", slow) + " " + steps.run("last", lambda: effects.append("last") or "last")

    def interrupted() -> None:
        with Durable(url, {"chain": chain}, grace_s=0.05) as durable:
            durable.start("chain", "a", {})
            assert begun.wait(20)
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - start < 15
    free.set()
    assert effects == ["first"], "what was given up must not go on behind the next launch"
    with Durable(url, {"chain": chain}) as durable:
        assert durable.result("a", 20) == "first slow last"
    assert effects == ["first", "last"]


def test_leaving_lets_a_running_step_finish_and_starts_no_other(url: str) -> None:
    free, begun = threading.Event(), threading.Event()
    effects: list[str] = []

    def chain(steps: Steps, arguments: dict[str, str]) -> str:
        def slow() -> str:
            begun.set()
            free.wait(30)
            effects.append("slow")
            return "slow"

        return steps.run("slow", slow) + steps.run("last", lambda: effects.append("last") or "last")

    with Durable(url, {"chain": chain}) as durable:
        durable.start("chain", "a", {})
        assert begun.wait(20)
        threading.Timer(0.2, free.set).start()
    assert effects == ["slow"]
    with Durable(url, {"chain": chain}) as durable:
        assert durable.result("a", 20) == "slowlast"
    assert effects == ["slow", "last"]


def test_a_database_that_is_none_is_told_and_the_next_launch_works(tmp_path: Path, url: str, capfd: pytest.CaptureFixture[str]) -> None:
    letter = tmp_path / "letter"
    letter.write_bytes(b"not a database" * 100)
    for bad, code in (
        (f"sqlite:///{letter}", "HS610"),
        (f"sqlite:///{tmp_path}/no/where", "HS602"),
        ("postgresql://u:hunter2@127.0.0.1:1/d", "HS802"),
    ):
        with pytest.raises(HomeostatError, match=code) as caught, Durable(bad, {}):
            raise AssertionError("launched on nothing")
        assert "hunter2" not in str(caught.value)
    with Durable(url, {"echo": lambda steps, arguments: steps.run("echo", lambda: arguments["word"])}) as durable:
        durable.start("echo", "a", {"word": "again"})
        assert durable.result("a", 20) == "again"
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "")


def test_steps_of_one_name_run_once_in_a_workflow(url: str) -> None:
    def twice(steps: Steps, arguments: dict[str, str]) -> str:
        made: list[int] = []
        return "".join(steps.run("same", lambda: made.append(1) or str(len(made))) for _ in range(2))

    assert twice(InlineSteps(), {}) == "11"
    with Durable(url, {"twice": twice}) as durable:
        durable.start("twice", "a", {})
        assert durable.result("a", 20) == "11"
