"""Callers: a real server in a process of its own, and rows sent to it over real HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from homeostat.errors import Unreachable

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(slots=True)
class Tally:
    """Requests sent, and those not answered with 200."""

    requests: int = 0
    failed: int = 0


class Server(AbstractContextManager["Server"]):
    """``homeostat serve`` on a free port, for as long as the block lasts."""

    def __init__(self, project: Path) -> None:
        self.log = (project / ".homeostat" / "serve.log").open("w", encoding="utf-8")
        command = [sys.executable, "-m", "homeostat.app.cli.main", "serve", "--project", str(project), "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)  # noqa: S603 - our own program
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise Unreachable("HS801", f"the server did not start; see {project / '.homeostat' / 'serve.log'}")
        ready = json.loads(line)
        self.url: str = ready["url"]
        self.model: str = ready["model"]
        place = urlsplit(self.url)
        self.connection = HTTPConnection(str(place.hostname), place.port, timeout=30)

    def predict(self, rows: Iterable[dict[str, Any]], tally: Tally) -> list[dict[str, Any] | None]:
        """Send each row as a request of its own, in order; return the answers, None where a request failed."""
        answers: list[dict[str, Any] | None] = []
        for row in rows:
            tally.requests += 1
            status, body = self._call("POST", "/predict", row)
            if status == 200:
                answers.append({**body["predictions"][0], "version": body["version"]})
            else:
                tally.failed += 1
                answers.append(None)
        return answers

    def wait_for(self, version: int, timeout_s: float = 10.0) -> None:
        """Return once the server answers with this version.

        Raises:
            Unreachable: HS801, it does not within the time.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            status, body = self._call("GET", f"/v2/models/{self.model}", None)
            if status == 200 and body["versions"][-1:] == [str(version)]:
                return
            time.sleep(0.05)
        raise Unreachable("HS801", f"the server did not follow to version {version} within {timeout_s:g} s")

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        try:
            content = None if body is None else json.dumps(body).encode()
            self.connection.request(method, path, content, {"content-type": "application/json"})
            response = self.connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, HTTPException) as error:
            self.connection.close()
            return 0, {"error": str(error)}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait(timeout=20)
        if self.process.stdout:
            self.process.stdout.close()
        self.log.close()
