"""Benchmarks: side by side in one run on the same real servers, read as ratios.

`python -m benchmarks --help`.
"""
