"""Compiles a plan to one self-contained C99 source and its header: raw values in, the answer out.

It allocates nothing and keeps nothing. What a node means is the same as in ``interpret``, what a raw value means as in ``fields``.
The hand-written parts lie beside this module in ``c_parts``; there every public name starts with ``model``, here with the given prefix.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from homeostat.graph.c_nodes import write
from homeostat.graph.c_writer import CWriter, double, lines, quoted
from homeostat.graph.fields import ALLOWED
from homeostat.graph.plan import block_columns, widths
from homeostat.graph.steps import amounts_of, steps_of
from homeostat.graph.terms import UPPER, WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from homeostat.graph.plan import Input, Plan
    from homeostat.graph.steps import Steps

KINDS = ("number", "boolean", "timestamp", "category", "text")
"""In the order of ``input_kind`` in ``model.c``."""
LONGEST_WORD = 40
TAKEN = ("code_of", "input", "read")
"""Words that the hand-written parts start names of their own with."""
DOUBLE_BYTES, VALUES_BYTES = 8, 256


def compile_c(plan: Plan, prefix: str = "model", about: str = "") -> dict[str, str]:
    """The texts of ``PREFIX.c`` and ``PREFIX.h`` by these names; equal arguments give equal texts.

    Args:
        plan: any plan without graphs of other programs.
        prefix: what all public names start with: a C identifier.
        about: one line on what the model is, for the comment at the top.

    Raises:
        BundleError: HS410, the plan holds what C cannot.
        ValueError: the prefix is no identifier.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", prefix):
        raise ValueError(f"got {prefix!r} as the prefix of C names; it must be an identifier, see ``identifier``")
    steps = steps_of(plan, "C")
    writer = CWriter(steps.widths)
    known = {each.name: _vocabulary(each, writer) for each in plan.inputs}
    answer = _answer(plan, steps, writer)
    said = re.sub(r"\*/|[^ -~]", "?", about)
    source = filled(part("model.c", prefix), _source(plan, writer, known, prefix) | answer | {"ABOUT": said})
    header = filled(part("model.h", prefix), _header(plan, steps, prefix) | {"ABOUT": said})
    return {f"{prefix}.c": source, f"{prefix}.h": header}


def identifier(text: str, fallback: str = "model") -> str:
    """The letters, digits and underscores of a text as a C identifier in lower case.

    >>> identifier("Bike demand (2011)"), identifier("7 days"), identifier("\u00e9")
    ('bike_demand_2011', 'model_7_days', 'model')
    """
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:LONGEST_WORD].strip("_")
    if not plain:
        return fallback
    return plain if plain[0].isalpha() and plain not in TAKEN else f"{fallback}_{plain}"


def part(name: str, prefix: str) -> str:
    """One of the hand-written files with its public names renamed."""
    text = (resources.files("homeostat.graph") / "c_parts" / name).read_text(encoding="utf-8").strip()
    lower = re.sub(r"\bmodel(?=_|\.[ch]\b)", prefix, text)
    return re.sub(r"\bMODEL(?=_)", prefix.upper(), lower)


def filled(template: str, values: Mapping[str, str]) -> str:
    """A hand-written file with its ``@NAMES@`` replaced."""
    return re.sub(r"@([A-Z_]+)@", lambda found: values[found[1]], template) + "\n"


def place_names(inputs: Sequence[Input], prefix: str) -> list[str]:
    """The constants that name the inputs' places in a row, each another one."""
    found: list[str] = []
    for at, each in enumerate(inputs):
        name = f"{prefix.upper()}_AT_{identifier(each.name, 'input').upper()}"
        found.append(f"{name}_{at}" if name in found else name)
    return found


def _header(plan: Plan, steps: Steps, prefix: str) -> dict[str, str]:
    fields = ["    int decision; /* an index among the classes */\n"] if plan.classes else []
    fields += ["    double lower, upper; /* the ends of the interval */\n"] if plan.interval is not None else []
    classes = f"extern const char *const {prefix}_class_names[{len(plan.classes)}];\n" if plan.classes else ""
    places = [f"    {name}, /* {each.kind} */" for name, each in zip(place_names(plan.inputs, prefix), plan.inputs, strict=True)]
    return {
        "INPUTS": str(len(plan.inputs)),
        "SCORES": str(steps.widths[plan.out]),
        "PLACES": "\n".join(places),
        "MEANING": "a probability for each class" if plan.classes else "the predicted value",
        "FIELDS": "".join(fields),
        "CLASSES_TOO": " and of the classes, in the order of scores" if plan.classes else "",
        "CLASS_NAMES": classes,
        "STACK": str(sum(steps.widths.values()) * DOUBLE_BYTES + VALUES_BYTES),
    }


def _source(plan: Plan, writer: CWriter, known: Mapping[str, str], prefix: str) -> dict[str, str]:
    wide, columns = widths(plan.inputs), block_columns(plan.inputs)
    texts = [each for each in plan.inputs if each.kind == "text"]
    terms = [_terms(texts, prefix)] if texts else []
    read = [f"    {{{each.kind.upper()}, {columns[each.name][1].start}, {known[each.name]}}}," for each in plan.inputs]
    names = ",\n".join(f"    {quoted(each)}" for each in plan.classes)
    return {
        "PARTS": "\n\n".join(
            [*(part(name, prefix) for name in ("values.c", "categories.c")), *terms, *(part(name, prefix) for name in writer.parts)]
        ),
        "ALLOWED": "\n".join(f"    {quoted(ALLOWED[kind])}," for kind in KINDS),  # type: ignore[index]
        "READ": "\n".join(read),
        "NAMES": ",\n".join(f"    {quoted(each.name)}" for each in plan.inputs),
        "CLASSES": f"\nconst char *const {prefix}_class_names[{len(plan.classes)}] = {{\n{names}\n}};\n" if names else "",
        "READ_TEXT": "read_terms(one->known, value, terms + one->place)" if texts else "(void)terms, 0",
        "NUMBERS": str(max(1, wide["numbers"])),
        "CODES": str(max(1, wide["codes"])),
        "TERMS": str(max(1, wide["terms"])),
    }


def _terms(texts: Sequence[Input], prefix: str) -> str:
    """The part that counts terms, with the tables of its rule in front."""
    longest = max((len(term.encode()) for each in texts for term in each.vocabulary), default=1)
    text = part("terms.c", prefix).replace("} range;", "} range;\n\n@RULE@")
    ranges = lines([f"{{0x{first:X}, 0x{last:X}}}" for first, last in WORDS], 4)
    upper = lines([f"{{0x{first:X}, 0x{last:X}}}" for first, last, _ in UPPER], 4)
    rule = (
        f"static const range WORDS[] = {{\n{ranges}\n}};\nstatic const range UPPER[] = {{\n{upper}\n}};\n"
        f"static const uint32_t UPPER_SHIFTS[] = {{{', '.join(str(shift) for _, _, shift in UPPER)}}};\n"
        f"#define LONGEST_TERM {longest}"
    )
    return text.replace("@RULE@", rule)


def _vocabulary(field: Input, writer: CWriter) -> str:
    """The table of a category's or a text's vocabulary; the expression of its address, NULL for what has none."""
    if field.kind not in ("category", "text"):
        return "NULL"
    first = 1 if field.kind == "category" else 0  # codes of categories, places of terms
    spelled = sorted((text.encode("utf-8", "surrogatepass"), code) for code, text in enumerate(field.vocabulary, first))
    texts = [f"{{{quoted(text.decode('utf-8', 'surrogatepass'))}, {len(text)}, {code}}}" for text, code in spelled]
    amounts = enumerate(amounts_of(field.vocabulary), first) if field.kind == "category" else ()
    numbers = [f"{{{double(value)}, {code}}}" for value, code in sorted((value, code) for code, value in amounts if value is not None)]
    tables = writer.rows(texts or ['{"", 0, 0}'], "texts", "spelling", 4), writer.rows(numbers or ["{0.0, 0}"], "numbers", "amount")
    name = writer.name("known")
    writer.tables.append(f"static const vocabulary {name} = {{{len(texts)}, {len(numbers)}, {', '.join(tables)}}};")
    return f"&{name}"


def _answer(plan: Plan, steps: Steps, writer: CWriter) -> dict[str, str]:
    """The statements from decoded values to the answer, and the check of the interval's ends."""
    for node in steps.scores:
        write(node, writer)
    scores, count = writer.known[plan.out], steps.widths[plan.out]
    writer.say(f"for (int i = 0; i < {count}; i++)", f"    answer->scores[i] = {scores}[i];")
    if plan.classes:
        _decision(plan, scores, writer)
    finite = ""
    if plan.interval is not None:
        for node in steps.ends:
            write(node, writer)
        ends = writer.known[plan.interval.out]
        writer.say(f"answer->lower = {ends}[0];", f"answer->upper = {ends}[1];")
        finite = (
            "    if (!isfinite(found.lower) || !isfinite(found.upper))\n"
            '        return refuse(-1, "", "numbers of a size the model can compute with", problem);\n'
        )
    return {"STEPS": "\n".join(writer.statements), "TABLES": "\n\n".join(writer.tables), "ENDS": finite}


def _decision(plan: Plan, scores: str, writer: CWriter) -> None:
    if plan.task == "binary":
        writer.say(f"answer->decision = {scores}[1] >= {double(plan.threshold)};")
        return
    count, judged = len(plan.classes), scores
    if plan.costs is not None:  # what each decision is expected to cost, so the least is best
        judged, costs = writer.name("expected"), writer.table(np.asarray(plan.costs), "costs")
        writer.say(
            f"double {judged}[{count}] = {{0.0}};",
            f"for (int j = 0; j < {count}; j++) {{",
            f"    for (int i = 0; i < {count}; i++)",
            f"        {judged}[i] += {scores}[j] * {costs}[j * {count} + i];",
            "}",
        )
    better = "<" if plan.costs is not None else ">"
    writer.say(
        "answer->decision = 0;",
        f"for (int i = 1; i < {count}; i++) {{",
        f"    if ({judged}[i] {better} {judged}[answer->decision])",
        "        answer->decision = i;",
        "}",
    )
