"""Numerics that two stages or more need: metrics, money, bootstrap intervals, paired tests, distances. Pure NumPy; seeds are arguments."""
