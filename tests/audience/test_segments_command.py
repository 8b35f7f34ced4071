"""``engagement segments`` and ``engagement segments show NAME``, as a person uses them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from engagement.as_of import whole_day
from engagement.audience import snapshots
from engagement.audience.segments import load
from engagement.cli import app
from engagement.settings import load_settings
from engagement.warehouse import Table, open_warehouse
from tests.audience.conftest import AS_OF, COLUMNS, person
from tests.values import values_query

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run the command in a shop of three people and two segments."""
    folder = tmp_path / "segments"
    folder.mkdir()
    rule = "name: {0}\ndescription: {1}\nchannels: [email]\nwho:\n  {{feature: plan, is: {0}}}\n"
    (folder / "gold.yaml").write_text(rule.format("gold", "People on the best plan."))
    (folder / "free.yaml").write_text(rule.format("free", "Everybody else."))
    overrides = {
        "warehouse.duckdb.path": str(tmp_path / "warehouse.duckdb"),
        "landing.location": str(tmp_path),
        "audience.segment": str(folder / "gold.yaml"),
        "as_of": AS_OF.isoformat(),
    }
    settings = load_settings("params/local.yaml", overrides)
    rows = [
        person("ann", plan="gold"),
        person("ben", plan="gold", email="planted@@shop.example"),
        person("cat", plan="free", consent_email=False),
    ]
    warehouse = open_warehouse(settings)
    columns = {"id_type": "varchar", "id": "varchar", "person_id": "varchar"}
    with warehouse.session(write=True) as session:
        content = [[row.get(name) for name in COLUMNS] for row in rows]
        session.publish(Table("marts", "customer_360"), values_query(COLUMNS, content))
        session.publish(Table("marts", "identity_map"), values_query(columns, []))
    earlier = whole_day(AS_OF.replace(day=1), "UTC")
    snapshots.publish(warehouse, settings, [load(folder / "free.yaml")], earlier)

    def run(*words: str) -> Result:
        sets = [word for key, value in overrides.items() for word in ("--set", f"{key}={value}")]
        return CliRunner().invoke(app, ["segments", *words, *sets])

    return run


def test_segments_are_listed_with_sizes_reach_and_change(command: Command) -> None:
    done = command()
    assert done.exit_code == 0, done.output
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines == [
        "segment people reached by since the last snapshot what it is",
        "free 1 email 0 as many as on 2026-01-01 Everybody else.",
        "gold 2 email 1 none People on the best plan.",
        "As of 2026-01-31. 'engagement segments show NAME' shows one of them.",
    ]


def test_one_segment_is_shown_with_rule_sql_size_and_reach(command: Command) -> None:
    done = command("show", "gold")
    assert done.exit_code == 0, done.output
    assert "{feature: plan, is: gold}" in done.stdout
    assert """COALESCE("plan" = 'gold', FALSE)""" in done.stdout
    assert "As of 2026-01-31: 2 of 3 people; there is no snapshot of an earlier day" in done.stdout
    assert "bad_address" in done.stdout
    assert "planted" not in done.stdout + done.stderr


def test_a_segment_that_there_is_not_is_wrong_input(command: Command) -> None:
    done = command("show", "golt")
    assert done.exit_code == 2
    assert "there is no segment 'golt'; did you mean 'gold'?" in done.stderr


def test_only_days_that_are_over_can_be_filled_in(command: Command) -> None:
    assert "'yesterday' is no day such as" in command("backfill", "--on", "yesterday").stderr
    done = command("backfill", "--on", AS_OF.isoformat())
    assert done.exit_code == 2
    assert "2026-01-31 is not before 2026-01-31, the as-of day" in done.stderr
