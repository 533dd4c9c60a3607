"""The demonstration: one model's whole life on bundled real data, with real parts."""
