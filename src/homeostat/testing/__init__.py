"""Suites that any implementation of one of Homeostat's ports must pass."""
