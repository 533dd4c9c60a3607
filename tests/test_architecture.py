"""The structure the design asks for, held by tests: floors, sizes, names."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src" / "homeostat"
MODULES = sorted(SRC.rglob("*.py"))


def test_floors_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=SRC.parents[1], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SRC)))
def test_module_is_small_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 500
    assert ast.get_docstring(tree), "a module opens with its contract"
    assert path.stem not in {"utils", "helpers", "manager", "common"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SRC)))
def test_functions_fit_a_screen_and_take_few_arguments(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno <= 70, f"{node.name} is too long"
            arguments = [a for a in node.args.posonlyargs + node.args.args if a.arg not in {"self", "cls"}]
            assert len(arguments) <= 6, f"{node.name} takes {len(arguments)} positional arguments"


def test_no_bare_or_swallowed_exceptions() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"{path.name}:{node.lineno} bare except"
                assert not (len(node.body) == 1 and isinstance(node.body[0], ast.Pass)), f"{path.name}:{node.lineno} swallows"
