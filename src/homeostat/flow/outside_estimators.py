"""An estimator of another program as a plan: its trees or weights as our nodes, else converted to ONNX; its own predict is the oracle."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.errors import LearningError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from homeostat.graph.plan import Floats, Plan
    from homeostat.learning.outside import Outside
    from homeostat.serving.adopt import Asked, Wrapped


def wrap_estimator(outside: Outside, frame: pl.DataFrame, asked: Asked, signed: Sequence[str]) -> tuple[Wrapped, bool]:
    """The plan of an estimator, and whether it is of our own nodes; ``signed`` are the columns of the model's signature.

    Raises:
        LearningError: HS376, it cannot be converted; HS377, its columns do not fit; HS378, its classes do not fit the target.
    """
    from homeostat.learning.outside import to_onnx
    from homeostat.serving.adopt import Wrapped, wrap

    if outside.task != asked.task:
        raise LearningError("HS378", f"the model answers a {outside.task} task; the charter's is {asked.task}", place="task.type")
    columns = _columns(outside, frame, asked, signed)
    own = bool(outside.nodes)
    if own:
        plan, order = _plan(outside, columns, frame, asked)
    else:
        from homeostat.graph.ports import ports_of

        content = to_onnx(outside, frame, columns)
        ports = ports_of(content).inputs
        said = {ports[0].name: columns} if len(ports) == 1 else {port.name: (name,) for port, name in zip(ports, columns, strict=True)}
        named = asked.named or outside.classes
        plan = wrap(content, frame, replace(asked, said=said, named=named, output="")).plan
        order = tuple(named.index(name) for name in plan.classes) or (0,)
    return Wrapped(plan, _oracle(outside, columns, order, _fills(frame, columns) if asked.fill else {}), {"features": columns}), own


def _columns(outside: Outside, frame: pl.DataFrame, asked: Asked, signed: Sequence[str]) -> tuple[str, ...]:
    said = next((names for names in asked.said.values() if names), ())
    known = (said, outside.features, signed, asked.columns)
    chosen = next(tuple(names) for names in known if names)
    lost = [name for name in chosen if name not in frame.columns]
    if lost:
        have = ", ".join(frame.columns)
        raise LearningError("HS377", f"the model was fitted on {lost[0]!r}; the reference rows have {have}", place=f"column {lost[0]!r}")
    if outside.width not in (None, len(chosen)):
        raise LearningError(
            "HS377",
            f"the model takes {outside.width} columns and there are {len(chosen)}: {', '.join(chosen)}",
            next_step="say which, in the model's order: --map COLUMN,COLUMN,...",
        )
    return chosen


def _plan(outside: Outside, columns: Sequence[str], frame: pl.DataFrame, asked: Asked) -> tuple[Plan, tuple[int, ...]]:
    """The model's nodes behind its columns, and which of its classes each of the plan's is."""
    from homeostat.graph.plan import Impute, Input, Numbers, Pick, Plan
    from homeostat.learning.outside import FEATURES
    from homeostat.serving.adopt import ordered_classes

    texts = [name for name in columns if not frame.schema[name].is_numeric() and not _is_boolean(frame, name)]
    if texts:
        shown = str(frame[texts[0]].drop_nulls().head(1).to_list())[:40]
        raise LearningError("HS377", f"the model takes numbers, and the column holds {shown}", place=f"column {texts[0]!r}")
    inputs = tuple(Input(name, "boolean" if _is_boolean(frame, name) else "number") for name in columns)
    taken = tuple(range(len(columns)))
    front = (Numbers(FEATURES, taken),)
    if asked.fill:
        fills = _fills(frame, columns)
        front = (Numbers("given", taken), Impute(FEATURES, "given", np.array([fills[name] for name in columns])))  # type: ignore[assignment]
    if asked.task == "regression":
        return Plan("regression", asked.target, inputs, (*front, *outside.nodes)), (0,)
    width = len(outside.classes) or (2 if outside.task == "binary" else int(outside.predict(np.zeros((1, len(columns)))).shape[1]))
    counted = tuple(str(each) for each in range(width))
    have = asked.named or outside.classes or (asked.classes if asked.task == "binary" or set(asked.classes) != set(counted) else counted)
    if asked.task == "multiclass" and not (asked.named or outside.classes) and have != counted:
        have = ()  # boosters know their classes by number only: which is which must be told
    classes, order = ordered_classes(have, width, asked)
    last = outside.nodes[-1].out
    behind = () if order == tuple(range(width)) else (Pick("classes", last, order),)
    return Plan(asked.task, asked.target, inputs, (*front, *outside.nodes, *behind), classes), order


def _is_boolean(frame: pl.DataFrame, name: str) -> bool:
    import polars as pl

    return frame.schema[name] == pl.Boolean


def _fills(frame: pl.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    """What nulls become: the median, of texts the most frequent."""
    import polars as pl

    found: dict[str, Any] = {}
    for name in columns:
        series = frame[name]
        if series.dtype == pl.String:
            found[name] = next(iter(series.drop_nulls().mode().sort().to_list()), "")
        else:
            middle = series.cast(pl.Float64).fill_nan(None).median()
            found[name] = float(middle) if isinstance(middle, float) else 0.0
    return found


def _oracle(outside: Outside, columns: Sequence[str], order: tuple[int, ...], fills: dict[str, Any]) -> Callable[[pl.DataFrame], Floats]:
    """The library's own prediction on rows of a frame, its classes in the plan's order.

    Raises (when it is called):
        LearningError: HS379, the library refuses the rows.
    """

    def answers(rows: pl.DataFrame) -> Floats:
        taken = rows.select(columns)
        if fills:
            import polars as pl

            texts = [name for name in columns if rows.schema[name] == pl.String]
            numbers = [pl.col(name).cast(pl.Float64).fill_nan(None).fill_null(fills[name]) for name in columns if name not in texts]
            taken = taken.with_columns(*numbers, *(pl.col(name).fill_null(fills[name]) for name in texts))
        try:
            return outside.predict(_as_fitted(outside, taken))[:, list(order)]
        except Exception as error:  # a library raises anything for rows that it does not take
            told = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            step = "where it takes no nulls, --fill-nulls gives it the reference's medians instead"
            raise LearningError("HS379", f"the model itself does not answer the reference rows: {told}", next_step=step) from error

    return answers


def _as_fitted(outside: Outside, rows: pl.DataFrame) -> Any:
    """A pandas frame for an estimator that was fitted on named columns, else a matrix."""
    import polars as pl

    if outside.features and type(outside.model).__name__ != "Booster":
        import pandas as pd  # type: ignore[import-untyped]

        made = {
            name: pd.Series(each.to_list(), dtype=object) if each.dtype == pl.String else each.cast(pl.Float64).to_numpy()
            for name, each in zip(rows.columns, rows.iter_columns(), strict=True)
        }
        return pd.DataFrame(made)
    return rows.select(pl.all().cast(pl.Float64)).to_numpy()
