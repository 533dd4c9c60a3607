"""Services of BentoML: rows of named fields in, probabilities out; alone, and gathered into batches by its dispatcher."""

from __future__ import annotations

from typing import Any

import bentoml

from benchmarks.serving.peers.answering import ByGraph, ByPipeline


@bentoml.service(workers=1)
class Pipeline:
    """The scikit-learn pipeline."""

    def __init__(self) -> None:
        self._held = ByPipeline()

    @bentoml.api
    async def predict(self, rows: list[dict[str, Any]]) -> list[float]:
        """A probability per row."""
        return self._held.rows(rows)


@bentoml.service(workers=1)
class PipelineInBatches:
    """The scikit-learn pipeline, requests gathered."""

    def __init__(self) -> None:
        self._held = ByPipeline()

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=1_000)
    async def predict(self, rows: list[dict[str, Any]]) -> list[float]:
        """A probability per row."""
        return self._held.rows(rows)


@bentoml.service(workers=1)
class Graph:
    """The graph in ONNX Runtime."""

    def __init__(self) -> None:
        self._held = ByGraph()

    @bentoml.api
    async def predict(self, rows: list[dict[str, Any]]) -> list[float]:
        """A probability per row."""
        return self._held.rows(rows)
