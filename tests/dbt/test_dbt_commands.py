"""``engagement export-dbt``, and ``engagement build … --alone`` between its steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_cli import Command, _one_message, command, flattened  # noqa: F401 - fixtures


@pytest.mark.slow
def test_a_project_is_written_and_then_left_as_it_is(
    command: Command,  # noqa: F811
    tmp_path: Path,
) -> None:
    done = command("export-dbt", "--target", "duckdb")
    assert done.exit_code == 0, done.stderr
    folder = tmp_path / "runs/dbt/duckdb"
    assert (folder / "models/commerce/orders.sql").is_file()
    assert "README.md" in done.stdout
    again = command("export-dbt", "--target", "duckdb")
    assert "0 files written, 0 removed" in again.stdout


def test_another_engine_is_refused(command: Command) -> None:  # noqa: F811
    done = command("export-dbt", "--target", "redshfit")
    assert done.exit_code == 2
    assert "did you mean 'redshift'?" in _one_message(done)


@pytest.mark.usefixtures("flattened")
def test_a_model_alone_leaves_what_it_needs(command: Command) -> None:  # noqa: F811
    day = ("--set", "as_of=2026-01-05")
    too_early = command("build", "identity_map", "--alone", *day)
    assert too_early.exit_code == 1
    assert "reads marts.identity_links, which does not exist yet" in too_early.stderr
    first = command("build", "identity_links", "consent_answers", *day)
    built = [line.split()[1] for line in first.stdout.splitlines()[1:] if line]
    assert {"marts.identity_links", "marts.consent_answers"} <= set(built)
    done = command("build", "identity_map", "--alone", *day)
    assert done.exit_code == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [line[1] for line in lines] == ["marts.identity_map"]
