"""``engagement estimate`` against the statement log, for a landing it was not calibrated on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engagement import samples
from engagement.estimate.bill import what_lands
from engagement.estimate.calibration import calibration
from engagement.estimate.scans import Run, first_run, increment
from engagement.estimate.volume import Volume
from engagement.warehouse import open_warehouse
from tests.athena import measure
from tests.athena.calibrate import LANDINGS
from tests.athena.stand import Stand

pytestmark = pytest.mark.slow

OTHER = samples.GeneratorSettings(users=2_000, days=5, seed=77)
NOTEBOOKS = ("02_flatten_events", "03_model_customers")
"""They scan most. All seven are compared by ``python -m tests.athena.calibrate --check``, which
takes longer than a test may."""

WITHIN = 0.15


def test_the_landing_is_another_one() -> None:
    for settings, _ in LANDINGS.values():
        assert (settings.users, settings.days, settings.seed) != (
            OTHER.users,
            OTHER.days,
            OTHER.seed,
        )
        assert settings.seed != OTHER.seed


def test_bytes_scanned_are_foreseen_within_15_percent(
    aws_environment: Stand, tmp_path: Path
) -> None:
    landing = tmp_path / "landing"
    samples.generate(OTHER, landing)
    own = measure.settings("estimated", aws_environment, tmp_path / "runs")[0]
    before: Volume | None = None
    for run in measure.measured(
        aws_environment, landing, (4, 1), "estimated", tmp_path / "runs", notebooks=NOTEBOOKS
    ):
        now = what_lands(open_warehouse(own))
        if before is None:
            expected = first_run(now, calibration())
        else:
            # The day as it came, since no day is the mean of those before it.
            expected = increment(with_day_to(before, now), calibration())
        before = now
        for notebook in (*NOTEBOOKS, None):
            took = scanned(run, notebook)
            wanted = reckoned(expected, notebook)
            assert wanted == pytest.approx(took, rel=WITHIN), (run.kind, notebook)
        statements = sum(one["notebook"] in NOTEBOOKS for one in run.statements)
        wanted = sum(one.statements for one in expected.groups if one.notebook in NOTEBOOKS)
        assert wanted == pytest.approx(statements, rel=WITHIN)


def with_day_to(before: Volume, after: Volume) -> Volume:
    """A volume whose next day brings what came between it and another."""
    return replace(
        before,
        events_a_day=after.events - before.events,
        files_a_day=after.files - before.files,
        landed_bytes_a_day=after.landed_bytes - before.landed_bytes,
        partitions_a_day=after.partitions - before.partitions,
    )


def scanned(run: measure.Measured, notebook: str | None) -> int:
    """Bytes that the log reports."""
    return sum(
        one["scanned"]
        for one in run.statements
        if one["notebook"] in (NOTEBOOKS if notebook is None else (notebook,))
        and one["status"] == "done"
    )


def reckoned(run: Run, notebook: str | None) -> float:
    """Bytes that were foreseen."""
    return sum(
        one.scanned_bytes
        for one in run.groups
        if one.notebook in (NOTEBOOKS if notebook is None else (notebook,))
    )
