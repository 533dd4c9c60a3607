"""Checks that the graph in this folder answers as it did where it was made. Run: ``python check.py``; it needs numpy and onnxruntime."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).parent
TYPES = {"tensor(double)": np.float64, "tensor(int64)": np.int64}


def main() -> int:
    """Print the largest difference and how many rows are decided otherwise; 1 when the graph is not the one that was proved."""
    proof = json.loads((HERE / "parity.json").read_text(encoding="utf-8"))
    model = next(path for path in (HERE / "model.ort", HERE / "model.onnx") if path.exists())
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    feeds = {each.name: np.array(proof["feeds"][each.name], dtype=TYPES[each.type]) for each in session.get_inputs()}  # None is NaN
    found = dict(zip(proof["wanted"], session.run(list(proof["wanted"]), feeds), strict=True))
    largest, flips = 0.0, 0
    for name, values in proof["wanted"].items():
        wanted = np.array(values)
        if name == "decision":
            flips = int(np.count_nonzero(found[name] != wanted))
        else:
            largest = max(largest, float(np.max(np.abs(found[name] - wanted) / np.maximum(1.0, np.abs(wanted)))))
    sys.stdout.write(f"{len(proof['rows'])} rows, largest difference {largest:g}, {flips} decided otherwise\n")
    return int(flips > 0 or not largest <= proof["tolerance"])


if __name__ == "__main__":
    sys.exit(main())
