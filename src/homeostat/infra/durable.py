"""Durable workflows (DBOS, embedded): named steps that survive the death of the process.

A step that finished is never run again; the one that was running when the process died is run again from its start, so
a step's effect must be safe to repeat. One process at a time may hold a database's workflows: hold a ``Lease`` around it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from homeostat.core.ports import Steps
from homeostat.errors import ProjectError, Unreachable

if TYPE_CHECKING:
    import sqlalchemy as sa

Workflow = Callable[[Steps, dict[str, str]], str]

FORMAT = "homeostat-1"
"""Pinned, because DBOS takes up only workflows of its own version: change it when a workflow's steps change."""

UNFINISHED = ("PENDING", "ENQUEUED", "DELAYED")


class InlineSteps:
    """``core.ports.Steps`` that simply runs each step: for a command that is run again from its start when it dies."""

    def __init__(self) -> None:
        self._done: dict[str, str] = {}

    def run(self, name: str, do: Callable[[], str]) -> str:
        """Run ``do``, or return what the step of this name returned before in this workflow."""
        if name not in self._done:
            self._done[name] = do()
        return self._done[name]


class Durable:
    """Launched durable workflows; entering takes up what a dead process left unfinished. One per process at a time.

    Leaving lets a running step finish; after an exception (such as Ctrl+C) it is given up after ``grace_s`` seconds,
    which is to a workflow as if the process had been killed there.

    Args:
        url: a database URL; ``sqlite:///FILE`` or PostgreSQL.
        workflows: by name; each gets its steps and its arguments and returns a text.
        executor: whose unfinished workflows are taken up.
        grace_s: see above.
    """

    def __init__(self, url: str, workflows: Mapping[str, Workflow], *, executor: str = "loop", grace_s: float = 5.0) -> None:
        self._url = url
        self._workflows = dict(workflows)
        self._executor = executor
        self._grace_s = grace_s
        self._engine: sa.Engine | None = None
        self._registered: dict[str, Callable[[dict[str, str]], str]] = {}
        self._runner = _Runner()

    def __enter__(self) -> Self:
        """Launch.

        Raises:
            ProjectError: HS602 or HS610, the database file is not usable.
            Unreachable: HS802, the database does not answer.
        """
        from homeostat.infra.durable_engine import launch

        self._engine, self._registered = launch(
            self._url, self._executor, FORMAT, {name: partial(self._run, workflow) for name, workflow in self._workflows.items()}
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        from dbos import DBOS

        was_busy = self._runner.stop(None if kind is None else self._grace_s)
        # A workflow that was running when asked to stop gets the time to write down the step it ended with.
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=2 if was_busy else 0)
        if self._engine is not None:
            self._engine.dispose()

    def start(self, name: str, workflow_id: str, arguments: dict[str, str]) -> None:
        """Start a workflow in the background unless one with this id was ever started."""
        from dbos import DBOS, SetWorkflowID

        with SetWorkflowID(workflow_id):
            DBOS.start_workflow(self._registered[name], arguments)

    def result(self, workflow_id: str, timeout_s: float) -> str:
        """What a workflow returned, once it has; the error it raised is raised here, with its class and code.

        Raises:
            ProjectError: HS605, no workflow has this id.
            Unreachable: HS803, it has not ended within the time; it goes on.
        """
        from dbos import DBOS

        end = time.monotonic() + timeout_s
        pause = 0.005
        while True:
            status = DBOS.get_workflow_status(workflow_id)
            if status is None:
                raise ProjectError("HS605", f"no workflow {workflow_id!r} was started here")
            if status.status not in UNFINISHED:
                return _outcome(workflow_id, status)
            if time.monotonic() >= end:
                raise Unreachable("HS803", f"the workflow {workflow_id} has not ended within {timeout_s:g} s; it goes on")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)

    def pending(self) -> list[str]:
        """Ids of the workflows that were started and have not ended, oldest first."""
        from dbos import DBOS

        found = DBOS.list_workflows(status=list(UNFINISHED), load_input=False, load_output=False)
        return [str(status.workflow_id) for status in found]

    def _run(self, workflow: Workflow, arguments: dict[str, str]) -> str:
        with self._runner.busy():
            return workflow(_DurableSteps(self._runner), arguments)


def _outcome(workflow_id: str, status: Any) -> str:
    if status.status == "SUCCESS":
        return str(status.output)
    if status.error is not None:
        raise status.error
    raise Unreachable("HS803", f"the workflow {workflow_id} was given up ({status.status})")


class _Stopped(BaseException):
    """Ends a workflow's thread and leaves the workflow unfinished; not an Exception, so that no one records it as an answer."""


class _DurableSteps:
    """``core.ports.Steps`` inside one run of a DBOS workflow."""

    def __init__(self, runner: _Runner) -> None:
        self._runner = runner
        self._done: dict[str, str] = {}

    def run(self, name: str, do: Callable[[], str]) -> str:
        """Run ``do`` unless this step of this workflow has finished; return its result."""
        from dbos import DBOS

        if name not in self._done:
            self._done[name] = str(DBOS.run_step({"name": name}, self._runner.run, do))
        return self._done[name]


class _Runner:
    """Runs the bodies of steps, each in a thread of its own, until it is stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workflows = 0
        self._running: set[Future[str]] = set()
        self._stopping = False
        self._given_up: Future[str] = Future()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Counts a running workflow."""
        with self._lock:
            self._workflows += 1
        try:
            yield
        finally:
            with self._lock:
                self._workflows -= 1

    def run(self, do: Callable[[], str]) -> str:
        """Run ``do`` in a thread that does not keep the interpreter from exiting; return its result."""
        done: Future[str] = Future()
        with self._lock:
            if self._stopping:
                raise _Stopped
            self._running.add(done)
        threading.Thread(target=_work, args=(do, done), name="homeostat-step", daemon=True).start()
        wait([done, self._given_up], return_when=FIRST_COMPLETED)
        with self._lock:
            self._running.discard(done)
        if not done.done():
            raise _Stopped
        return done.result()

    def stop(self, grace_s: float | None) -> bool:
        """Start no more steps, wait for the running ones (None: as long as they take), then give them up.

        Returns whether a workflow was running.
        """
        with self._lock:
            self._stopping = True
            running, workflows = set(self._running), self._workflows
        try:
            wait(running, timeout=grace_s)
        finally:
            self._given_up.set_result("")
        return workflows > 0


def _work(do: Callable[[], str], done: Future[str]) -> None:
    try:
        done.set_result(do())
    except BaseException as error:  # noqa: BLE001 - re-raised by whoever waits for the result
        done.set_exception(error)
