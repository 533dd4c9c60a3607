"""Stage 8: the bundle (graph, manifest, plan), its parity proof, and the predictor. Values in, values out."""
