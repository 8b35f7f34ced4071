"""Benchmarks of flattening, run by ``make bench``: see docs/benchmarks.md."""
