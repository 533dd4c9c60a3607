"""Benchmarks: one command each, results beside them."""
