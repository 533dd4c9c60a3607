"""LitServe with the pipeline or the graph, as ``HOLDER`` says, requests gathered: ``-m benchmarks.serving.peers.with_litserve PORT``.

It reads the annotations as they stand, so they must be no texts.
"""

import os
import sys
from typing import Any

import litserve

from benchmarks.serving.peers.answering import HOLDERS


class Rows(litserve.LitAPI):  # type: ignore[misc]  # the package is in another environment
    """Rows of named fields in, probabilities out."""

    def setup(self, device: str) -> None:
        """Read the model."""
        self._held = HOLDERS[os.environ["HOLDER"]]()

    def decode_request(self, request: dict[str, Any]) -> dict[str, Any]:
        """The row."""
        return request

    def batch(self, inputs: list[Any]) -> list[Any]:
        """Rows as they came."""
        return list(inputs)

    def predict(self, x: list[dict[str, Any]]) -> list[float]:
        """A probability per row."""
        return self._held.rows(x)

    def unbatch(self, output: list[float]) -> list[float]:
        """One by one."""
        return output

    def encode_response(self, output: float) -> dict[str, float]:
        """The reply."""
        return {"probability": output}


if __name__ == "__main__":
    server = litserve.LitServer(Rows(max_batch_size=32, batch_timeout=0.002), accelerator="cpu", workers_per_device=1, track_requests=False)
    server.run(port=int(sys.argv[1]), host="127.0.0.1", num_api_servers=1, generate_client_file=False, log_level="error")
