"""Parameters: typed, every mistake at once, near misses named."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engagement.settings import Settings, SettingsError, load_settings, parse_override


def _problems(overrides: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings("params/local.yaml", overrides)
    return caught.value.problems


def test_every_mistake_is_reported_at_once_by_key() -> None:
    problems = _problems(
        {"sessions.gap_minute": 20, "timezone": "Europe/Berln", "duplicates.window_days": -1}
    )
    assert len(problems) == 3
    assert "sessions.gap_minute: there is no such key; did you mean 'sessions.gap_minutes'?" in (
        problems
    )
    assert any("did you mean 'Europe/Berlin'?" in problem for problem in problems)
    assert any(problem.startswith("duplicates.window_days: ") for problem in problems)


def test_a_value_cannot_stand_where_a_section_is() -> None:
    assert _problems({"timezone.name": "UTC"}) == [
        "timezone.name: 'timezone' is a value, not a section"
    ]


def test_from_after_to_is_refused() -> None:
    [problem] = _problems({"landing.from": "2026-02-01", "landing.to": "2026-01-01"})
    assert "is after 'to'" in problem


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("timezone: UTC\nlanding: {location: x}\ntimezone: Europe/Berlin\n")
    with pytest.raises(SettingsError, match="the key 'timezone' is given twice"):
        load_settings(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("landing: [", "line 1"),
        ("- a\n- b\n", "a mapping of keys is wanted"),
        ("", "landing: is missing"),
    ],
)
def test_a_file_that_is_no_parameter_file(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=expected):
        load_settings(path)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match=r"nope\.yaml.*\n.*there is no such file"):
        load_settings("params/nope.yaml")


def test_an_override_is_json_also_when_it_is_a_date() -> None:
    key, value = parse_override("as_of=2026-10-31")
    assert json.dumps({key: value}) == '{"as_of": "2026-10-31"}'
    assert load_settings("params/local.yaml", {key: value}).as_of == date(2026, 10, 31)


def test_an_override_may_be_a_list() -> None:
    key, value = parse_override("events.order_completed=[Purchase, Order Completed]")
    events = load_settings("params/local.yaml", {key: value}).events
    assert events.order_completed == ("Purchase", "Order Completed")


def test_the_environment_names_the_file_only_where_nobody_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("landing: {location: elsewhere}\n")
    monkeypatch.setenv("ENGAGEMENT_PARAMS", str(path))
    assert load_settings().landing.location == "elsewhere"
    assert load_settings("params/local.yaml").landing.location != "elsewhere"


def test_relative_paths_start_at_the_projects_folder(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make_settings().path("runs")
    monkeypatch.chdir(tmp_path)
    assert make_settings().path("runs") == before
