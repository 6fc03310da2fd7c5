"""Measurements, as ratios or per-node figures from one run. `python -m benchmarks` runs all."""
