"""How each node of a plan is written in C99: the same formulas as ``interpret``, in double throughout.

A forest is summed tree by tree before its bias is added, as ONNX Runtime does, so that both round alike.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from homeostat.graph.c_writer import CWriter, Number, double
from homeostat.graph.calendar import calendar_part
from homeostat.graph.plan import (
    Activation,
    Clip,
    Concat,
    Constant,
    Cycle,
    DatePart,
    Impute,
    Indicator,
    Interpolate,
    Linear,
    Link,
    Log,
    Lookup,
    Numbers,
    Pick,
    Power,
    Prior,
    Scale,
    Single,
    Tfidf,
    Trees,
)


@singledispatch
def write(node: object, c: CWriter) -> None:
    """Write the statements that fill the node's block.

    Raises:
        TypeError: no node that C can hold; ``steps.steps_of`` refuses such plans before.
    """
    raise TypeError(f"{type(node).__name__} is no node that can be written in C")


@write.register
def _numbers(node: Numbers, c: CWriter) -> None:
    c.each(node.out, f"numbers[{c.table(node.columns, 'columns', 'int')}[i]]")


@write.register
def _pick(node: Pick, c: CWriter) -> None:
    c.each(node.out, f"{c.known[node.source]}[{c.table(node.columns, 'columns', 'int')}[i]]")


@write.register
def _lookup(node: Lookup, c: CWriter) -> None:
    c.each(node.out, f"{c.table(node.table)}[codes[{node.column}] * {c.widths[node.out]} + i]")


@write.register
def _date_part(node: DatePart, c: CWriter) -> None:
    name = c.block(node.out)
    c.say(f"for (int i = 0; i < {c.widths[node.out]}; i++) {{")
    c.indent += 1
    part = calendar_part(node.part, Number(f"{c.known[node.source]}[i]", c), Number.floor)
    c.say(f"{name}[i] = {part.text};")
    c.indent -= 1
    c.say("}")


@write.register
def _cycle(node: Cycle, c: CWriter) -> None:
    width, name, x = c.widths[node.out] // 2, c.block(node.out), c.known[node.source]
    turn = double(2.0 * np.pi / node.period)
    c.say(
        f"for (int i = 0; i < {width}; i++) {{",
        f"    {name}[i] = sin({x}[i] * {turn});",
        f"    {name}[{width} + i] = cos({x}[i] * {turn});",
        "}",
    )


@write.register
def _impute(node: Impute, c: CWriter) -> None:
    x = c.known[node.source]
    c.each(node.out, f"isnan({x}[i]) ? {c.table(node.values)}[i] : {x}[i]")


@write.register
def _indicator(node: Indicator, c: CWriter) -> None:
    c.each(node.out, f"isnan({c.known[node.source]}[i]) ? 1.0 : 0.0")


@write.register
def _scale(node: Scale, c: CWriter) -> None:
    c.each(node.out, f"({c.known[node.source]}[i] - {c.table(node.offset)}[i]) / {c.table(node.divisor)}[i]")


@write.register
def _clip(node: Clip, c: CWriter) -> None:
    x, low, high = c.known[node.source], c.table(node.low), c.table(node.high)
    c.each(node.out, f"{x}[i] < {low}[i] ? {low}[i] : {x}[i]")  # not fmin and fmax: a comparison with NaN is false, so NaN stays
    name = c.known[node.out]
    c.say(f"for (int i = 0; i < {c.widths[node.out]}; i++)", f"    {name}[i] = {name}[i] > {high}[i] ? {high}[i] : {name}[i];")


@write.register
def _power(node: Power, c: CWriter) -> None:
    c.need("power.c")
    c.each(node.out, f"yeo_johnson({c.known[node.source]}[i], {c.table(node.lambdas)}[i])")


@write.register
def _tfidf(node: Tfidf, c: CWriter) -> None:
    x, norm, width = c.known[node.source], c.name("norm"), c.widths[node.out]
    c.each(node.out, f"{x}[i] > 0.0 ? (log({x}[i]) + 1.0) * {c.table(node.idf)}[i] : 0.0")
    name = c.known[node.out]
    c.say(
        f"double {norm} = 0.0;",
        f"for (int i = 0; i < {width}; i++)",
        f"    {norm} += {name}[i] * {name}[i];",
        f"{norm} = {norm} > 0.0 ? sqrt({norm}) : 1.0;",
        f"for (int i = 0; i < {width}; i++)",
        f"    {name}[i] /= {norm};",
    )


@write.register
def _single(node: Single, c: CWriter) -> None:
    c.need("single.c")
    c.each(node.out, f"single({c.known[node.source]}[i])")


@write.register
def _concat(node: Concat, c: CWriter) -> None:
    name, start = c.block(node.out), 0
    for source in node.sources:
        width = c.widths[source]
        c.say(f"for (int i = 0; i < {width}; i++)", f"    {name}[{start} + i] = {c.known[source]}[i];")
        start += width


@write.register
def _linear(node: Linear, c: CWriter) -> None:
    outputs, weights = c.widths[node.out], c.table(node.weights, "weights")
    c.each(node.out, "0.0")
    name = c.known[node.out]
    c.say(
        f"for (int j = 0; j < {c.widths[node.source]}; j++) {{",
        f"    for (int i = 0; i < {outputs}; i++)",
        f"        {name}[i] += {c.known[node.source]}[j] * {weights}[j * {outputs} + i];",
        "}",
    )
    _add(name, node.bias, c)


def _add(name: str, bias: np.ndarray, c: CWriter) -> None:
    c.say(f"for (int i = 0; i < {len(bias)}; i++)", f"    {name}[i] += {c.table(bias, 'bias')}[i];")


@write.register
def _activation(node: Activation, c: CWriter) -> None:
    x = c.known[node.source]
    if node.kind == "relu":
        c.each(node.out, f"{x}[i] > 0.0 ? {x}[i] : 0.0")
        return
    c.need("sigmoid.c")
    c.each(node.out, f"{x}[i] * sigmoid({x}[i])")


@write.register
def _trees(node: Trees, c: CWriter) -> None:
    c.each(node.out, "0.0")
    name = c.known[node.out]
    if len(node.roots):
        c.need("trees.c")
        columns = (node.threshold, node.true_child, node.false_child, node.feature, node.nan_true)
        splits = [f"{{{double(t)}, {y}, {n}, {f}, {int(m)}}}" for t, y, n, f, m in zip(*(each.tolist() for each in columns), strict=True)]
        leaves = [f"{{{double(v)}, {o}}}" for v, o in zip(node.leaf_value.tolist(), node.leaf_target.tolist(), strict=True)]
        tables = (c.table(node.roots, "roots", "int32_t"), c.rows(splits, "splits", "split", 4), c.rows(leaves, "leaves", "leaf"))
        c.say(f"add_trees({len(node.roots)}, {', '.join(tables)}, {c.known[node.source]}, {name});")
    _add(name, node.bias, c)


@write.register
def _constant(node: Constant, c: CWriter) -> None:
    c.each(node.out, f"{c.table(node.values)}[i]")


@write.register
def _link(node: Link, c: CWriter) -> None:
    x, width = c.known[node.source], c.widths[node.out]
    if node.kind == "identity":
        c.known[node.out] = x
    elif node.kind == "exp":
        c.each(node.out, f"exp({x}[i])")
    elif node.kind == "sigmoid":
        c.need("sigmoid.c")
        name = c.block(node.out)
        c.say(f"{name}[1] = sigmoid({x}[0]);", f"{name}[0] = 1.0 - {name}[1];")
    else:
        most = c.name("most")
        c.say(f"double {most} = {x}[0];", f"for (int i = 1; i < {width}; i++)", f"    {most} = {x}[i] > {most} ? {x}[i] : {most};")
        c.each(node.out, f"exp({x}[i] - {most})")
        _divide_by_sum(c.known[node.out], width, c)


def _divide_by_sum(name: str, width: int, c: CWriter) -> None:
    total = c.name("sum")
    c.say(
        f"double {total} = 0.0;",
        f"for (int i = 0; i < {width}; i++)",
        f"    {total} += {name}[i];",
        f"for (int i = 0; i < {width}; i++)",
        f"    {name}[i] /= {total};",
    )


@write.register
def _prior(node: Prior, c: CWriter) -> None:
    c.each(node.out, f"{c.known[node.source]}[i] * {c.table(node.factors)}[i]")
    _divide_by_sum(c.known[node.out], c.widths[node.out], c)


@write.register
def _log(node: Log, c: CWriter) -> None:
    x, floor = c.known[node.source], double(node.floor)
    c.each(node.out, f"log({x}[i] < {floor} ? {floor} : {x}[i])")


@write.register
def _interpolate(node: Interpolate, c: CWriter) -> None:
    c.need("interpolate.c")
    slopes = np.append(np.diff(node.y) / np.diff(node.x), 0.0)
    tables = ", ".join(c.table(values, stem) for values, stem in ((node.x, "x"), (node.y, "y"), (slopes, "slopes")))
    c.each(node.out, f"interpolate({c.known[node.source]}[i], {len(node.x)}, {tables})")
