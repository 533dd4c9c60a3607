"""FastAPI the way most write it: a pydantic model of the row, the pipeline or the graph behind it; ``HOLDER`` says which."""

from __future__ import annotations

import os

from fastapi import FastAPI
from pydantic import create_model

from benchmarks.serving.peers.answering import HOLDERS
from benchmarks.serving.rows import BOOLEAN, CATEGORIES, NUMBERS

_fields = dict.fromkeys(NUMBERS, (float | None, ...)) | dict.fromkeys(CATEGORIES, (str | None, ...)) | {BOOLEAN: (bool | None, ...)}
Asked = create_model("Asked", **_fields)
_held = HOLDERS[os.environ["HOLDER"]]()
app = FastAPI()


async def predict(row: Asked) -> dict[str, float]:  # type: ignore[valid-type]
    """The probability of one row."""
    return {"probability": _held.rows([row.model_dump()])[0]}


predict.__annotations__["row"] = Asked  # the annotation is a text, and FastAPI would look for it among the module's types
app.post("/predict")(predict)
