"""``engagement estimate`` as people call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engagement.cli import app

SERVICES = ["Athena", "S3", "Glue", "Firehose"]


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


def test_tables_with_formulas_totals_and_what_is_left_out(runner: CliRunner) -> None:
    result = runner.invoke(app, ["estimate", "--events-per-day", "1000000"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("Reckoned from 1,000,000 events a day for 30 days, as told")
    places = [lines.index(name) for name in [*SERVICES, "Total", "Not included"]]
    assert places == sorted(places)
    assert "1,000,000 events x 5 KB" in result.output
    assert any(line.strip().startswith("02_flatten_events") for line in lines)
    assert "10 MB at least for each" in result.output


def test_json_holds_the_same(runner: CliRunner) -> None:
    result = runner.invoke(
        app,
        [
            *("estimate", "--json", "--events-per-day", "1000", "--days", "2"),
            *("--event-bytes", "6000", "--tables", "5"),
            *("--set", "estimate.prices={firehose_gigabyte: 1.0}"),
        ],
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["volume"]["events"] == 2_000
    assert found["volume"]["tables"] == 5
    [taken] = [
        line
        for line in found["lines"]
        if (line["service"], line["period"], line["what"]) == ("Firehose", "a day", "taking in")
    ]
    assert taken["usd"] == pytest.approx(1_000 * 10 * 1024 / 2**30)
    for period, total in found["totals"].items():
        parts = sum(line["usd"] for line in found["lines"] if line["period"] == period)
        assert total == pytest.approx(parts, abs=1e-6)
    assert found["prices"]["firehose_gigabyte"]["sure"] == "own"
    assert found["not_included"]


def test_what_has_landed_is_reckoned_without_reading_it(runner: CliRunner, tmp_path: Path) -> None:
    folder = tmp_path / "received_at_utc_date=2026-09-01"
    folder.mkdir()
    (folder / "a.gz").write_bytes(b"x" * 132_000)  # no gzip at all: it is not opened
    sets = ["--set", f"landing.location={tmp_path}"]
    sets += ["--set", f"warehouse.duckdb.path={tmp_path / 'w.duckdb'}"]
    result = runner.invoke(app, ["estimate", "--json", *sets])
    assert result.exit_code == 0, result.output
    volume = json.loads(result.output)["volume"]
    assert 500 < volume["events"] < 2_000
    assert (volume["days"], volume["files"]) == (1, 1)
    assert not (tmp_path / "w.duckdb").exists()


def test_nothing_to_reckon_from_is_wrong_input(runner: CliRunner, tmp_path: Path) -> None:
    sets = ["--set", f"landing.location={tmp_path}"]
    sets += ["--set", f"warehouse.duckdb.path={tmp_path / 'w.duckdb'}"]
    result = runner.invoke(app, ["estimate", *sets])
    assert result.exit_code == 2
    assert "--events-per-day" in result.output


@pytest.mark.parametrize(
    "wrong", [["--events-per-day", "0"], ["--set", "estimate.prices={gold: 1}"], ["--days", "0"]]
)
def test_wrong_input(runner: CliRunner, wrong: list[str]) -> None:
    result = runner.invoke(app, ["estimate", *wrong])
    assert result.exit_code == 2
