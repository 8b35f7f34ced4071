"""Rounds: what has landed is in the tables and in the files, and what hinders one is waited for."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from engagement.demo import answers, prepare, rounds
from engagement.settings import Settings
from engagement.warehouse import LeaseHeldError, WarehouseError, open_warehouse

MADE = rounds.Round(1.0, 2, 3, answers.Exported("v", 4, is_new=True))


@pytest.mark.slow
def test_a_round_builds_tables_segments_and_files(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(landing__location=str(tmp_path / "shoppers"), as_of="latest")
    prepare.land_shoppers(tmp_path / "shoppers", 8, 2, date(2026, 10, 4))
    first = rounds.play(settings, tmp_path / "answers")
    assert (first.events > 0, first.exported.is_new) == (True, True)
    warehouse = open_warehouse(settings)
    counts = warehouse.query(
        "select (select count(*) from marts.customer_360) as people, "
        "(select count(distinct segment) from marts.segment_sizes) as segments, "
        "(select count(*) from landing.ledger "
        "where records <> events + duplicates + quarantined) as unbalanced"
    ).iloc[0]
    assert counts["people"] >= 8
    assert counts["segments"] == len(list((settings.path("params/segments")).glob("*.yaml")))
    assert counts["unbalanced"] == 0
    version = json.loads((tmp_path / "answers/current.json").read_text())["version"]
    assert json.loads((tmp_path / f"answers/{version}/shop.json").read_text())["popular"]
    # What is taken in already gives the same files, and nothing is held that a run would need.
    again = rounds.play(settings, tmp_path / "answers")
    assert (again.events, again.orders, again.exported.is_new) == (
        first.events,
        first.orders,
        False,
    )
    with warehouse.lease("a run"), pytest.raises(LeaseHeldError):
        rounds.play(settings, tmp_path / "answers")


class OverError(Exception):
    """Ends a loop that has no end."""


def test_a_round_waits_for_a_run_and_goes_on_after_a_failure(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(demo__wait_seconds=0)
    day = tmp_path / "landing/received_at_utc_date=2026-10-01"
    day.mkdir(parents=True)
    outcomes = iter([LeaseHeldError("a run"), MADE, WarehouseError("broken"), MADE, OverError()])
    landed = iter(range(10))
    told: list[object] = []

    def play(of: Settings, folder: Path) -> rounds.Round:
        (day / f"more-{next(landed)}").write_text("{}\n")  # so that another round is due
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(rounds, "play", play)
    monkeypatch.setattr(rounds, "_LEASE_SECONDS", 0.01)
    monkeypatch.setattr(rounds, "_LOOK_SECONDS", 0.01)
    (day / "first").write_text("{}\n")
    with pytest.raises(OverError):
        rounds.follow(
            settings,
            tmp_path / "answers",
            done=lambda this, before: told.append((this, before)),
            failed=lambda error: told.append(str(error)),
        )
    assert told == [(MADE, None), "broken", (MADE, MADE)]
