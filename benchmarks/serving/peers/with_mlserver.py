"""A custom runtime of MLServer: a V2 request with the tensors ``numbers`` FP64 [n, 14] and ``texts`` BYTES [n, 6], a probability each back.

Settings: `benchmarks.serving.systems`.
"""

from __future__ import annotations

from typing import Any

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, RequestInput, ResponseOutput

from benchmarks.serving.peers.answering import HOLDERS


class Rows(MLModel):  # type: ignore[misc]  # the package is in another environment
    """Answers with what its settings name: the pipeline or the graph."""

    async def load(self) -> bool:
        """Read the model."""
        self._held = HOLDERS[self.settings.parameters.extra["holder"]]()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer all rows of the request, or of those that were gathered into one."""
        tensors = {each.name: _shaped(each) for each in payload.inputs}
        said = self._held.packed(tensors["numbers"], tensors["texts"])
        output = ResponseOutput(name="probability", shape=[len(said)], datatype="FP64", data=said)
        return InferenceResponse(model_name=self.name, outputs=[output])


def _shaped(tensor: RequestInput) -> list[list[Any]]:
    count, width = tensor.shape
    flat = [each.decode() if isinstance(each, bytes) else each for each in tensor.data.root]
    return [flat[at * width : (at + 1) * width] for at in range(count)]
