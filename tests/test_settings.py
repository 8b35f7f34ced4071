"""Parameters: typed, every mistake at once, near misses named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engagement.settings import (
    Settings,
    SettingsError,
    known_keys,
    load_settings,
    parse_override,
)


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
        ("- a\n- b\n", "holds no keys with values"),
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
    assert events.order_completed.names == ("Purchase", "Order Completed")


def test_a_single_name_stands_for_a_list_of_one() -> None:
    key, value = parse_override("events.order_completed=Purchase")
    assert load_settings("params/local.yaml", {key: value}).events.order_completed.names == (
        "Purchase",
    )
    key, value = parse_override("events.order_completed={names: buy, properties: {total: sum}}")
    concept = load_settings("params/local.yaml", {key: value}).events.order_completed
    assert (concept.names, concept.properties) == (("buy",), {"total": "sum"})


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


# --- values of the wrong kind ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("sessions.gap_minutes", True, "write a number (given: True)"),
        ("sessions.gap_minutes", 30.5, "write a whole number"),
        ("sessions.gap_minutes", "half an hour", "write a whole number"),
        ("sessions.gap_minutes", 0, "write 1 or more"),
        ("sessions.silence_hours", 0, "write 1 or more"),
        ("sessions.silence_hours", 1.5, "write a whole number"),
        ("attribution.reset", "always", "'conversion' or 'none' (given: 'always')"),
        ("attribution.reset", None, "'conversion' or 'none'"),
        ("metrics.exclude_bots", "perhaps", "write true or false (given: 'perhaps')"),
        ("events.order_completed", 1, "a name, a list of names, or keys of names and properties"),
        ("events.order_completed.names", [], "needs at least 1 item"),
        ("landing.write_keys", "abc", "write a list"),
        ("landing", None, "write keys with their values"),
        ("landing.location", "", "must not be empty"),
        ("currency.rates", {"eur": 1}, "'eur' is not a currency code such as EUR"),
        ("currency.rates", {"EUR": 0}, "write more than 0"),
        ("currency.rates", {"EUR": float("nan")}, "write a number (given: nan)"),
        ("currency.rates", {"EUR": 1e10}, "less than 10000000000"),
        ("currency.rates", {"EUR": "0.000000009"}, "rounded to 0"),
        ("currency.reporting", "Dollar", "write a currency code such as EUR (given: 'Dollar')"),
        ("as_of", "2026-02-30", "valid date"),
        ("as_of", "2026-01-05T10:00", "not a valid date such as 2026-10-30, and not 'latest'"),
        ("as_of", "Latest", "not a valid date such as 2026-10-30, and not 'latest'"),
        ("as_of", 20260105, "not a valid date"),
        ("as_of", True, "not a valid date"),
        ("as_of", "0001-01-01", "not between 2000-01-01 and 2199-12-31"),
        ("as_of", "9999-12-31", "not between 2000-01-01 and 2199-12-31"),
        ("metrics.settling_days", -1, "write 0 or more"),
        ("timezone", "Mars", "is not a time zone of the IANA database"),
        ("timezone", "localtime", "is not a time zone of the IANA database"),
        ("consent.traits", {"fax": "consent_fax"}, "'email', 'sms' or 'push'"),
        (
            "tracking_plan",
            {"identifies": {"consent.email": "boolean"}},
            "identifies.consent.email: an answer about consent may be any word: declare it as",
        ),
        ("customers.recency_days", [30, 60, 90], "four values above 0"),
        ("customers.recency_days", [30, 60, 60, 365], "each greater than the one before"),
        ("customers.recency_days", [0, 60, 90, 365], "four values above 0"),
        ("customers.frequency_orders", [1, 2, 3, 4], "the first value must be 2 or more"),
        ("customers.monetary", [50, 100, 250, 0.001], "each greater than the one before"),
        ("customers.monetary", [50, 100, 250, 500.001], "at most two decimal places"),
        ("personalize.event_types", {"viewed": "View"}, "'viewed' is no concept under 'events'"),
        ("tracking_plan", {"Seen": {"x": "text"}}, "'string' or 'timestamp' (given: 'text')"),
        ("warehouse.databases.marts", "events", "three different names"),
        ("warehouse.databases.marts", 'x"; drop', "write a name of small letters"),
        ("warehouse.engine", "spark", "'duckdb' or 'athena'"),
        ("warehouse.engine", "duckdbb", "did you mean 'duckdb'?"),
        ("warehouse.duckdb.memory_limit", "lots", "write a size such as 4GB (given: 'lots')"),
        ("customers.recency_days", ["a", 2, 3, 4], "recency_days.0: write a whole number"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(key: str, value: Any, problem: str) -> None:
    (found,) = _problems({key: value})
    assert found.startswith(key.rpartition(".")[0])
    assert problem in found
    # Neither patterns nor the words of the library that validates.
    assert not re.search(r"input|string should|valid (int|bool)|tuple|\\d|\[a-z\]|validat", found)


def test_what_is_about_several_keys_names_them() -> None:
    (problem,) = _problems({"landing.location": "s3://bucket/events"})
    assert problem.startswith("landing.location: DuckDB reads a folder, not 's3://bucket/events'")
    assert "warehouse.engine" in problem


def test_numbers_may_come_as_text_as_on_a_command_line() -> None:
    settings = load_settings("params/local.yaml", {"sessions.gap_minutes": "20"})
    assert settings.sessions.gap_minutes == 20


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("landing: {location: x}\nlanding.location: y\n", "write 'location' below 'landing:'"),
        ("landing:\n\tlocation: x\n", "line 2, column 1"),
        ("? [a]\n: b\n", "line 1, column 3: a key has to be a text"),
        ("1: a\nlanding: {location: x}\n", "1: a key has to be a text: put it in quotes"),
        ("a: &a [*a]\n", "line 1"),
        ("landing: !!python/object:os.system {}\n", "values with a tag ('!…') are not read"),
        ("landing: {location: x}\n---\na: 1\n", "several documents, divided by '---'"),
        ('landing: {location: "\x00"}\n', "is not valid YAML"),
    ],
)
def test_odd_files_are_refused_with_the_place(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert any(problem in found for found in caught.value.problems), caught.value.problems


def test_anchors_may_be_merged(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("landing:\n  <<: {location: x}\n  write_keys: [a]\n")
    assert load_settings(path).landing.location == "x"
    assert load_settings(path).landing.write_keys == ("a",)


@pytest.mark.parametrize("content", [b"a: \xe9", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "params.yaml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        load_settings(path)
    assert caught.value.source == str(path)


# --- overrides ------------------------------------------------------------------------------------


def test_overrides_are_left_as_they_were_given() -> None:
    section = {"location": "x"}
    settings = load_settings("params/local.yaml", {"landing": section, "landing.location": "y"})
    assert (settings.landing.location, section) == ("y", {"location": "x"})


def test_an_override_may_open_a_section_that_the_file_has_not(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("landing: {location: x}\nsessions:\n")
    assert load_settings(path, {"sessions.gap_minutes": 5}).sessions.gap_minutes == 5
    path.write_text("landing: {location: x}\n")
    assert load_settings(path, {"metrics.exclude_bots": False}).metrics.exclude_bots is False


@pytest.mark.parametrize("text", ["as_of", "=5", "", "as_of=["])
def test_an_override_that_is_none_says_how(text: str) -> None:
    with pytest.raises(SettingsError, match=r"write it as key=value|the value cannot be read"):
        parse_override(text)


def test_overrides_have_to_be_a_mapping() -> None:
    with pytest.raises(SettingsError, match="write dotted keys and their values"):
        load_settings("params/local.yaml", ["as_of=2026-01-05"])  # type: ignore[arg-type]


def test_settings_do_not_change() -> None:
    settings = load_settings("params/local.yaml")
    with pytest.raises(ValueError, match="frozen"):
        settings.timezone = "UTC"  # type: ignore[misc]


def test_the_names_that_others_rely_on_are_keys() -> None:
    known = set(known_keys())
    assert known >= {
        *("landing.location", "landing.from", "landing.to", "landing.write_keys"),
        *("warehouse.engine", "warehouse.duckdb.path", "run.directory", "as_of", "timezone"),
        *("sessions.gap_minutes", "events.product_viewed", "events.order_completed"),
    }
    assert "landing.from_" not in known


# --- own domains and a team's seeds ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "domain"),
    [
        ("Shop.Example", "shop.example"),
        ("https://shop.example/", "shop.example"),
        ("HTTP://www.Shop.Example:8080/cart?a=b#c", "shop.example"),
        ("//shop.example", "shop.example"),
        ("*.shop.example", "shop.example"),
        (".shop.example", "shop.example"),
        ("shop.example.", "shop.example"),
        (" shop.example\t", "shop.example"),
        ("eu.shop.example", "eu.shop.example"),
        ("shop.co.uk", "shop.co.uk"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("localhost:8888", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_an_own_domain_is_stored_as_referrers_have_it(given: str, domain: str) -> None:
    settings = load_settings("params/local.yaml", {"traffic.own_domains": [given]})
    assert settings.traffic.own_domains == (domain,)


def test_own_domains_are_there_once_and_one_may_stand_alone() -> None:
    both = ["shop.example", "www.shop.example", "b.example"]
    settings = load_settings("params/local.yaml", {"traffic.own_domains": both})
    assert settings.traffic.own_domains == ("shop.example", "b.example")
    alone = load_settings("params/local.yaml", {"traffic.own_domains": "Shop.example"})
    assert alone.traffic.own_domains == ("shop.example",)


@pytest.mark.parametrize(
    "domain",
    ["", " ", "shop", "shop.*", "*", "shop example", "a.example, b.example", "me@shop.example",
     "shop..example", "https://", "com", "co.uk", "-shop.example", 5],
)  # fmt: skip
def test_what_is_no_domain_is_refused_with_what_to_write(domain: Any) -> None:
    [problem] = _problems({"traffic.own_domains": ["shop.example", domain]})
    assert problem == (
        f"traffic.own_domains: {domain!r} is not a domain of one owner; write it whole, such as "
        "shop.example"
    )


def test_the_folder_of_seeds_has_to_be_there() -> None:
    [problem] = _problems({"models.seeds": "params/segment"})
    assert problem.startswith(
        "models.seeds: there is no folder 'params/segment'; did you mean 'params/segments'?"
    )
    [problem] = _problems({"models.seeds": "params/local.yaml"})
    assert problem.startswith("models.seeds: 'params/local.yaml' is a file; write the folder")
    assert load_settings("params/local.yaml", {"models.seeds": "params/segments"}).models.seeds
    assert load_settings("params/local.yaml").models.seeds is None


BOMB = "a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BOMB, "line 6: its aliases stand for more than 200,000 values"),
        ("a: " + "[" * 100_000, "line 1: nested more than 50 levels deep"),
        ("a: " + "{b: " * 5_000 + "1" + "}" * 5_000, "line 1: nested more than 50 levels deep"),
        ("\n".join(f"{' ' * n}k:" for n in range(60)), "nested more than 50 levels deep"),
    ],
)
def test_yaml_that_would_exhaust_the_machine_is_refused(
    text: str, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert expected in caught.value.problems[0]
    if text != BOMB:
        with pytest.raises(SettingsError, match="50 levels"):
            parse_override(f"a={text}")


def test_aliases_may_be_used(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(
        "landing: {location: x}\n"
        "sessions: {gap_minutes: &twenty 20}\n"
        "funnel: {window_days: *twenty}\n"
    )
    settings = load_settings(path)
    assert (settings.sessions.gap_minutes, settings.funnel.window_days) == (20, 20)
