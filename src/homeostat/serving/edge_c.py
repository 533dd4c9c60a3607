"""The folder for C: source, header, and a program that checks rows which are compiled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.graph.c import compile_c, filled, identifier, part
from homeostat.graph.c_writer import double, lines, quoted

if TYPE_CHECKING:
    from homeostat.graph.plan import Plan
    from homeostat.serving.bundle import Bundle
    from homeostat.serving.proof import Proof


def c_program(bundle: Bundle, plan: Plan, proof: Proof) -> dict[str, bytes]:
    """``NAME.c``, ``NAME.h`` and ``check.c``; all public names start with the bundle's name.

    Raises:
        BundleError: HS410, the plan holds what C cannot.
    """
    manifest = bundle.manifest
    prefix = identifier(manifest.name)
    about = f"{manifest.name}: a model of {manifest.target}, bundle graph {manifest.graph_sha256[:16]}, made by homeostat"
    files = compile_c(plan, prefix, about) | {"check.c": _check(bundle, proof, prefix)}
    return {name: text.encode() for name, text in files.items()}


def _check(bundle: Bundle, proof: Proof, prefix: str) -> str:
    names = [each.name for each in bundle.manifest.inputs]
    upper = prefix.upper()
    cells = [f"    {{{', '.join(_value(row[name], upper) for name in names)}}}" for row in proof.rows]
    wanted = [f"    {{{', '.join(double(score) for score in row)}}}" for row in proof.scores.tolist()]
    tables = [
        f"static const {prefix}_value CELLS[ROWS][{upper}_INPUTS] = {{\n" + ",\n".join(cells) + "\n};",
        f"static const double WANTED[ROWS][{upper}_SCORES] = {{\n" + ",\n".join(wanted) + "\n};",
    ]
    checks = ""
    if bundle.manifest.classes:
        tables.append(f"static const int DECISIONS[ROWS] = {{\n{lines(map(str, proof.decisions.tolist()), 20)}\n}};")
        checks = "        flips += answer.decision != DECISIONS[row];\n"
    if proof.ends is not None:
        ends = [f"    {{{double(low)}, {double(high)}}}" for low, high in proof.ends.tolist()]
        tables.append("static const double ENDS[ROWS][2] = {\n" + ",\n".join(ends) + "\n};")
        checks += (
            "        largest = fmax(largest, difference(answer.lower, ENDS[row][0]));\n"
            "        largest = fmax(largest, difference(answer.upper, ENDS[row][1]));\n"
        )
    said = {"ROWS": str(len(proof.rows)), "TOLERANCE": double(proof.tolerance), "TABLES": "\n\n".join(tables), "CHECKS": checks}
    return filled(part("check.c", prefix), said)


def _value(value: Any, upper: str) -> str:
    if value is None:
        return f"{{{upper}_NULL, 0.0, 0, NULL, 0}}"
    if isinstance(value, bool):
        return f"{{{upper}_BOOLEAN, 0.0, {int(value)}, NULL, 0}}"
    if isinstance(value, int) and abs(value) < 2**63:
        return f"{{{upper}_INTEGER, 0.0, {value}, NULL, 0}}"
    if isinstance(value, int | float):
        return f"{{{upper}_NUMBER, {double(value)}, 0, NULL, 0}}"
    return f"{{{upper}_TEXT, 0.0, 0, {quoted(value)}, {len(value.encode())}}}"
