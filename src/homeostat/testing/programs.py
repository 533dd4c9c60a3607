"""Compiled models in tests and benchmarks: a C source as a library in this process, and JavaScript modules in Node."""

from __future__ import annotations

import ctypes
import json
import math
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.c import compile_c
from homeostat.graph.javascript import MODULES, compile_javascript, module, written
from homeostat.testing.servers import CannotStart

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats, Ints, Plan

C_FLAGS = ("-O2", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
LONGEST_S = 300
_NULL, _NUMBER, _INTEGER, _BOOLEAN, _TEXT = range(5)
_MANY = """
#include "model.h"
int many(const model_value *rows, int count, model_answer *answers, model_problem *problems);
int many(const model_value *rows, int count, model_answer *answers, model_problem *problems)
{
    int refused = 0;
    for (int i = 0; i < count; i++) {
        problems[i].name = 0;
        refused += model_predict(rows + (long)i * MODEL_INPUTS, answers + i, problems + i);
    }
    return refused;
}
"""


class _Value(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int),
        ("number", ctypes.c_double),
        ("integer", ctypes.c_int64),
        ("text", ctypes.c_char_p),
        ("length", ctypes.c_size_t),
    )


class _Problem(ctypes.Structure):
    _fields_ = (("input", ctypes.c_int), ("name", ctypes.c_char_p), ("allowed", ctypes.c_char_p))


class CModel:
    """A plan compiled by ``graph.c`` and gcc, loaded into this process.

    Raises:
        CannotStart: there is no gcc.
    """

    def __init__(self, plan: Plan, folder: Path, *flags: str) -> None:
        files = compile_c(plan, "model", "a test") | {"many.c": _MANY}
        for name, text in files.items():
            (folder / name).write_text(text)
        run_program("gcc", *C_FLAGS, *flags, "-shared", "-fPIC", "model.c", "many.c", "-o", "model.so", "-lm", folder=folder)
        self._library = ctypes.CDLL(str(folder / "model.so"))
        self._names = [each.name for each in plan.inputs]
        width = len(plan.classes) or 1
        fields: list[tuple[str, Any]] = [("scores", ctypes.c_double * width)]
        fields += [("decision", ctypes.c_int)] if plan.classes else []
        fields += [("lower", ctypes.c_double), ("upper", ctypes.c_double)] if plan.interval is not None else []
        self._answer: Any = type("_Answer", (ctypes.Structure,), {"_fields_": fields})
        self._layout = np.dtype(self._answer)

    def values(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        """Rows of named fields as the C program takes them."""
        cells = [value_of(row[name]) for row in rows for name in self._names]
        return (_Value * max(1, len(cells)))(*cells)

    def many(self, values: Any, count: int) -> tuple[Any, list[tuple[str, str] | None]]:
        """The answers to so many rows as one structured array, and for each row that is refused the field and what is allowed."""
        answers, problems = (self._answer * max(1, count))(), (_Problem * max(1, count))()
        self._library.many(values, count, answers, problems)
        told = [None if each.name is None else (each.name.decode(), each.allowed.decode()) for each in problems[:count]]
        return np.frombuffer(answers, dtype=self._layout)[:count], told

    def scores(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """Scores (n, k) of rows none of which is refused."""
        answers, problems = self.many(self.values(rows), len(rows))
        if any(problems):
            raise AssertionError(next(each for each in problems if each))
        return np.asarray(answers["scores"]).reshape(len(rows), -1)

    def decisions(self, rows: Sequence[Mapping[str, Any]]) -> Ints:
        """The class index of each row."""
        return np.asarray(self.many(self.values(rows), len(rows))[0]["decision"], dtype=np.int64)

    def ends(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """Lower and upper ends (n, 2)."""
        answers = self.many(self.values(rows), len(rows))[0]
        return np.column_stack([answers["lower"], answers["upper"]])


def value_of(value: Any) -> Any:
    """A raw value of Python as the C program takes it."""
    if value is None:
        return _Value(_NULL)
    if isinstance(value, bool):
        return _Value(_BOOLEAN, 0.0, int(value))
    if isinstance(value, int) and abs(value) < 2**63:
        return _Value(_INTEGER, 0.0, value)
    if isinstance(value, int | float):
        return _Value(_NUMBER, float(value))
    text = str(value).encode("utf-8", "surrogatepass")
    return _Value(_TEXT, 0.0, 0, text, len(text))


def node_answers(plan: Plan, rows: Sequence[Mapping[str, Any]], folder: Path, ignored: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What the JavaScript model answers in Node to rows of named fields, by ``predictAll``.

    Raises:
        CannotStart: there is no node.
    """
    for name in MODULES:
        (folder / name).write_text(module(name))
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "tables.js").write_text(f"export default {written(compile_javascript(plan, ignored))};\n")
    (folder / "rows.js").write_text(f"export default {javascript(rows)};\n")
    (folder / "ask.js").write_text(
        'import { Model } from "./model.js";\nimport rows from "./rows.js";\nimport tables from "./tables.js";\n'
        "process.stdout.write(JSON.stringify(new Model(tables).predictAll(rows)));\n"
    )
    return list(json.loads(run_program("node", "ask.js", folder=folder)))


def node_scores(plan: Plan, rows: Sequence[Mapping[str, Any]], folder: Path) -> Floats:
    """Scores (n, k) as ``node_answers`` tells them; of a binary plan both columns."""
    answers = node_answers(plan, rows, folder)
    if plan.task == "binary":
        return np.array([[1.0 - each["probability"], each["probability"]] for each in answers]).reshape(-1, 2)
    if plan.classes:
        return np.array([[each["probabilities"][name] for name in plan.classes] for each in answers])
    return np.array([[each["prediction"]] for each in answers]).reshape(-1, 1)


def javascript(value: Any) -> str:
    """A value of Python as a JavaScript literal; integers beyond 2**53 are bigints."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(str(key))}:{javascript(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(javascript(each) for each in value) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(value)]
    if isinstance(value, int) and abs(value) > 2**53:
        return f"{value}n"
    return json.dumps(value)


def run_program(program: str, *arguments: str, folder: Path) -> str:
    """What a program prints; it runs in the folder, where it lies itself when its name starts with ``./``.

    Raises:
        CannotStart: it is not installed.
        AssertionError: it failed; the text is what it said.
    """
    if program.startswith("./"):
        program = str(folder / program)
    if shutil.which(program) is None:
        raise CannotStart(f"{program} is not installed")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=LONGEST_S)  # noqa: S603 - our own words
    if done.returncode:
        raise AssertionError(f"{program} failed with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout
