"""Starting is cheap: what is loaded, asserted on ``sys.modules`` of fresh processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = (
    "sklearn",
    "pandas",
    "polars",
    "optuna",
    "lightgbm",
    "scipy",
    "onnx",
    "onnxruntime",
    "duckdb",
    "deltalake",
    "pyarrow",
    "sqlalchemy",
    "dbos",
    "numpy",
)


def loaded_by(code: str) -> set[str]:
    asked = f"import sys\n{code}\nsys.stderr.write('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.splitlines()[-1].split()}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import homeostat").isdisjoint({*HEAVY, "click", "pydantic", "yaml", "msgspec"})


def test_help_loads_nothing_heavy() -> None:
    assert loaded_by("from homeostat.app.cli.main import main; main(['--help'])").isdisjoint({*HEAVY, "pydantic", "yaml"})


def test_the_help_of_every_command_loads_nothing_heavy() -> None:
    code = "from homeostat.app.cli.main import COMMANDS, main\nfor name in COMMANDS: assert main([name, '--help']) == 0"
    assert loaded_by(code).isdisjoint({*HEAVY, "pydantic", "yaml"})


def test_the_prediction_server_of_a_project_loads_no_training(trained: Path) -> None:
    code = f"""
import threading, urllib.request
from pathlib import Path
from homeostat.app.rest.project import wanted_of, ServeSettings, serve
from homeostat.flow.project import open_project
from homeostat.infra.predictions import PredictionLog
stop = threading.Event()
def ask(url):
    def call():
        assert urllib.request.urlopen(url + '/v2/health/ready').status == 200
        stop.set()
    threading.Thread(target=call).start()
with open_project(Path({str(trained)!r})) as project, PredictionLog(project.predictions) as log:
    serve(ServeSettings(project.charter.name, port=0), wanted_of(project), log, on_ready=ask, stop=stop)
"""
    assert loaded_by(code).isdisjoint(
        {"sklearn", "pandas", "optuna", "lightgbm", "scipy", "polars", "duckdb", "deltalake", "dbos", "pyarrow", "onnx"}
    )


def test_public_names_are_complete_sorted_and_loadable() -> None:
    import homeostat

    assert homeostat.__all__ == sorted(homeostat.__all__)
    for name in homeostat.__all__:
        assert getattr(homeostat, name) is not None
