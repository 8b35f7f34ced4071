"""The benchmark of the dashboards' tables fails where they take too much."""

import pytest
from bench.__main__ import too_dear

FLATTENING = 500.0


@pytest.mark.parametrize(
    ("cpu", "peak", "told"),
    [
        (500.0, 4_000_000_000, []),
        (500.1, 4_000_000_000, ["500.1 CPU s, more than flattening (500.0)"]),
        (499.0, 4_100_000_000, ["4.10 GB, more than 4"]),
        (900.0, 5_000_000_000, ["900.0 CPU s, more than flattening (500.0)", "5.00 GB"]),
    ],
)
def test_the_aggregates_may_take_as_much_as_flattening_and_4_gb(
    cpu: float, peak: int, told: list[str]
) -> None:
    stages = {"flattening": FLATTENING, "people, sessions, orders": 750.0, "aggregates": cpu}
    # What flattening holds is another matter.
    peaks = {"flattening": 4_200_000_000, "aggregates": peak}
    found = list(too_dear(stages, peaks))
    assert len(found) == len(told)
    for one, words in zip(found, told, strict=True):
        assert words in one
