"""ONNX Runtime's own format for phones: its converter, run in a process and a temporary folder of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from homeostat.errors import BundleError

CONVERTER = ("-m", "onnxruntime.tools.convert_onnx_models_to_ort", "--optimization_style", "Fixed", "--enable_type_reduction")
LONGEST_S = 600
SAID = 300


def mobile_model(graph: bytes) -> tuple[bytes, bytes]:
    """The graph in the ``.ort`` format, optimised for no one kind of processor, and the operators and types that it needs.

    Equal graphs give equal bytes of the list; those of the model may differ between versions of ONNX Runtime.

    Raises:
        BundleError: HS410, ONNX Runtime does not convert the graph.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "model.onnx").write_bytes(graph)
        command = [sys.executable, *CONVERTER, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_S)  # noqa: S603 - our own words
        model, config = folder / "model.ort", folder / "required_operators_and_types.config"
        if done.returncode or not model.exists() or not config.exists():
            said = (done.stderr or done.stdout).strip()[-SAID:]
            raise BundleError("HS410", f"ONNX Runtime does not convert the graph: {said}", place="--to ort")
        # Comments name the temporary folder.
        needed = [line for line in config.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        return model.read_bytes(), ("\n".join(needed) + "\n").encode()
