"""Benches of the models, for what reads their tables."""

from tests.models.conftest import bench, make_bench, opened  # noqa: F401 (fixtures)
