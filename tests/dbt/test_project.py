"""The text of an exported project: complete, valid, and the same each time."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from sqlglot import exp

from engagement.dbt import inputs, project, targets
from engagement.dbt.inputs import ExportError
from engagement.errors import FailedError
from engagement.models.definition import models
from engagement.settings import Settings, load_settings
from engagement.warehouse import loaded_views

Files = Mapping[str, str]

REF = re.compile(r"ref\('(\w+)'\)")
SOURCE = re.compile(r"source\('(\w+)', '(\w+)'\)")


@cache
def exported(target: str) -> Files:
    return project.export(load_settings("params/local.yaml"), targets.find(target))


@pytest.fixture(params=targets.TARGETS)
def files(request: pytest.FixtureRequest) -> Files:
    return exported(request.param)


@pytest.fixture
def postgres() -> Files:
    return exported("postgres")


@pytest.fixture(scope="module")
def other() -> Files:
    """The same for PostgreSQL, with other parameters."""
    settings = load_settings(
        "params/local.yaml",
        {
            "as_of": date(2026, 1, 31),
            "sessions.gap_minutes": 47,
            "timezone": "Asia/Kolkata",
            "identity.placeholder_ids": ["{{ boom() }}", "{% raw %}", "{# x"],
            "events.product_viewed": {
                "names": ["Ansicht", "Product Viewed"],
                "properties": {"price": "preis", "category": "waren[0].gruppe"},
            },
        },
    )
    return project.export(settings, targets.find("postgres"))


def sql(files: Files, *folders: str) -> dict[str, str]:
    chosen = folders or ("models/", "tests/", "macros/")
    return {
        path: text
        for path, text in files.items()
        if path.endswith(".sql") and path.startswith(chosen)
    }


def documents(files: Files, key: str) -> list[dict[str, Any]]:
    found = []
    for path, text in files.items():
        if path.endswith(".yml") and path.startswith(("models/", "seeds/")):
            found += read(text).get(key, [])
    return found


@cache
def read(text: str) -> dict[str, Any]:
    # The loader in C: these are long texts.
    document: dict[str, Any] = yaml.load(text, yaml.CSafeLoader)
    return document


def test_every_model_is_a_model_or_a_source(files: Files) -> None:
    of_sql = {path.split("/")[-1].removesuffix(".sql") for path in sql(files, "models/")}
    python = {
        table["name"]
        for source in documents(files, "sources")
        if source["name"] == "python_models"
        for table in source["tables"]
    }
    for name, model in models().items():
        if model.document.python:
            assert name in python
            assert name not in of_sql
        else:
            assert f"models/{model.layer}/{name}.sql" in files
            assert name not in python
    others = {name for name in of_sql - models().keys() if not name.startswith("stg_")}
    assert others == {"identity_nodes"}


def test_every_reference_is_to_something_that_is_there(files: Files) -> None:
    made = {path.split("/")[-1].partition(".")[0] for path in sql(files, "models/")}
    made |= {path.split("/")[-1].removesuffix(".csv") for path in files if path.endswith(".csv")}
    declared = {
        (source["name"], table["name"])
        for source in documents(files, "sources")
        for table in source["tables"]
    }
    for path, text in sql(files).items():
        assert set(REF.findall(text)) <= made, path
        assert set(SOURCE.findall(text)) <= declared, path
    referred = {name for text in sql(files).values() for name in REF.findall(text)}
    for name in made - models().keys():
        assert name in referred, f"nobody reads {name}"


def test_no_table_is_named_as_the_models_name_it(files: Files) -> None:
    for path, text in sql(files, "models/", "tests/").items():
        code = re.sub(r"(?m)^ *--.*$", "", text)
        code = re.sub(r"'(?:[^']|'')*'", "''", code)
        assert not re.search(r'(?i)\b"?(sources|seeds|marts|work|events|landing)"?\."?\w', code), (
            path
        )
        assert "__ref__" not in text, path
        assert "__python__" not in text, path
        assert "__nodes__" not in text, path
        assert not re.search(r"(?<![:\w]):[a-z_]+\b", code), path  # a parameter left open


def test_the_day_is_a_macro_and_no_date(postgres: Files, other: Files) -> None:
    text = postgres["models/customer/customer_360.sql"]
    assert "'{{ as_of() }}'" in text
    assert "vars" not in yaml.safe_load(postgres["dbt_project.yml"])
    of_project = yaml.safe_load(other["dbt_project.yml"])
    assert of_project["vars"] == {"engagement": {"as_of": "2026-01-31"}}
    for files in (postgres, other):
        for path, text in sql(files).items():
            if path != "macros/as_of.sql":  # an example in what it says
                assert not re.search(r"2000-01-0|2026-01-31|2026-02-01", text), path


def test_other_parameters_are_written_as_they_are(other: Files) -> None:
    assert "47" in other["models/behaviour/client_sessions.sql"]
    assert "timezone('Asia/Kolkata')" in other["macros/as_of.sql"]
    assert "'Asia/Kolkata'" in other["models/people/person_events.sql"]


def test_columns_and_checks_are_all_there(files: Files) -> None:
    listed = {entry["name"]: entry for entry in documents(files, "models")}
    for source in documents(files, "sources"):
        if source["name"] == "python_models":
            listed |= {entry["name"]: entry for entry in source["tables"]}
    names = [path.split("/")[-1].removesuffix(".sql") for path in sql(files, "tests/")]
    for name, model in models().items():
        entry = listed[name]
        assert [one["name"] for one in entry["columns"]] == list(model.document.columns)
        of_columns = [test for one in entry["columns"] for test in one.get("data_tests", [])]
        tests = [*entry.get("data_tests", []), *of_columns]
        said = [next(iter(test.values()))["name"] for test in tests]
        names += said
        singular = [n for n in names if n.startswith(f"{name}__") and n not in said]
        # Besides the checks: one for the key, one for each of its columns.
        assert len(said) + len(singular) == len(model.document.checks) + 1 + len(model.document.key)
    assert len(names) == len(set(names))


def test_the_forms_of_checks(postgres: Files) -> None:
    orders = next(e for e in documents(postgres, "models") if e["name"] == "orders")
    status = next(one for one in orders["columns"] if one["name"] == "status")
    assert status["data_tests"] == [
        {
            "accepted_values": {
                "name": "orders__status_is_known",
                "description": "status is known",
                "arguments": {
                    "values": ["completed", "cancelled", "refunded", "partially_refunded"]
                },
            }
        }
    ]
    assert {
        "never": {
            "name": "orders__every_order_is_somebody_s",
            "description": "every order is somebody's",
            "arguments": {"condition": "person_id IS NULL"},
        }
    } in orders["data_tests"]
    # It reads another table: a query of its own.
    assert (
        "ref('order_refunds')"
        in postgres["tests/commerce/orders__refunds_are_those_of_the_order_s_refunds.sql"]
    )


def test_tests_of_python_models_wait_for_the_step_in_which_these_are_there(postgres: Files) -> None:
    for path, text in sql(postgres, "tests/").items():
        waits = re.match(r"\{\{ config\(tags=\['step_(\d)'\]\)", text)
        read = {name for kind, name in SOURCE.findall(text) if kind == "python_models"}
        assert bool(waits) == bool(read), path
        if read == {"user_agents"}:
            assert waits is not None
            assert waits[1] == "3"
        elif read:
            assert waits is not None
            assert waits[1] == "5"


def test_every_template_is_valid(files: Files) -> None:
    environment = jinja2.Environment(
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"], autoescape=False
    )
    for path, text in sql(files).items():
        if path in ("macros/tests.sql", "macros/fixed_point.sql"):
            continue  # tags that are dbt's own
        environment.parse(text)


def test_the_example_of_a_profile_holds_no_secret(files: Files) -> None:
    profile = yaml.safe_load(files["profiles.example.yml"])["engagement"]
    (output,) = profile["outputs"].values()
    for key, value in output.items():
        if key in ("host", "port", "user", "password", "dbname", "path", "region_name"):
            assert value.startswith("{{ env_var("), key


def test_what_is_open_in_a_template_is_filled(files: Files) -> None:
    for path, text in files.items():
        assert "@@" not in text, path


def digest_of_some() -> str:
    """Of a project of a few models, with everything around them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project, "models", lambda: models(["people", "behaviour"]))
        files = project.export(load_settings("params/local.yaml"), targets.find("postgres"))
    whole = "\0".join(f"{path}\0{text}" for path, text in files.items())
    return hashlib.sha256(whole.encode()).hexdigest()


def test_another_process_writes_the_same_bytes() -> None:
    script = "from tests.dbt import test_project as t\nprint(t.digest_of_some())"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "20"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == digest_of_some()


# --- what the parameters bring along ------------------------------------------------------------


def test_a_text_of_the_parameters_is_no_template(other: Files) -> None:
    text = other["models/people/identity_links.sql"]
    shown = jinja2.Template(text).render(config=lambda **_: "", ref=lambda name: name)
    assert "'{{ boom() }}'" in shown
    assert "'{% raw %}'" in shown
    assert "'{# x'" in shown


def test_a_shops_own_properties_come_first(other: Files) -> None:
    text = other["models/staging/stg_product_viewed.sql"]
    assert text.index("source('events', 'ansicht')") < text.index("'product_viewed')")
    assert "['price', 'double', [['preis', ''], ['price', '']]]" in text
    category = next(line for line in text.splitlines() if "['category'," in line)
    assert "[['waren', '" in category
    assert "F_JSON_TEXT" in category
    assert "$.gruppe" in category
    assert category.endswith("['category', '']]],")


def test_seeds_are_those_of_the_parameters_and_their_types_the_engines() -> None:
    given = {"currency": {"reporting": "EUR", "rates": {"USD": "0.90"}}}
    seed = inputs.seed(
        "exchange_rates", load_settings("params/local.yaml", given), targets.find("redshift")
    )
    assert seed.text == "currency,rate\nUSD,0.90\nEUR,1\n"
    assert seed.columns == {"currency": "varchar(65535)", "rate": "decimal(18, 8)"}


def test_cells_of_seeds_are_as_dbt_reads_them() -> None:
    target, settings = targets.find("postgres"), load_settings("params/local.yaml")
    lines = inputs.seed("click_ids", settings, target).text.splitlines()
    assert lines[0] == "parameter,precedence,source,medium,category,is_paid"
    assert any(line.endswith(",true") for line in lines)
    # The row that nothing matches.
    assert inputs.seed("experiment_arms", settings, target).text.splitlines()[1:] == [",,,,,"]


def test_tables_that_hold_every_event_are_those_of_the_engine() -> None:
    settings, target = load_settings("params/local.yaml"), targets.find("postgres")
    assert inputs.tables_of("events", settings, target) == tuple(loaded_views.KINDS)


def test_a_seed_that_dbt_would_read_otherwise_is_refused(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    folder = tmp_path / "seeds"
    folder.mkdir()
    (folder / "consent_words.csv").write_text("word,is_yes\nNull,false\n", encoding="utf-8")
    settings = make_settings(models__seeds=str(folder))
    with pytest.raises(ExportError, match="consent_words has the word 'null'"):
        inputs.seed("consent_words", settings, targets.find("duckdb"))


def test_a_model_without_a_form_on_the_engine_says_so_when_it_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write(tree: exp.Expr) -> str:
        raise FailedError("it has 'no' form")

    touches = models(["behaviour"])["touches"]
    monkeypatch.setattr(project, "models", lambda: {"touches": touches})
    monkeypatch.setattr(inputs, "conversions", lambda writer: {})
    strict = replace(targets.find("duckdb"), write=write)
    files = project.export(load_settings("params/local.yaml"), strict)
    text = files["models/behaviour/touches.sql"]
    assert "raise_compiler_error('touches has no form on duckdb yet: it has \\'no\\' form')" in text
    assert set(REF.findall(text)) == {"event_sources", "session_events", "traffic_sources"}
    assert "- `touches`: it has 'no' form" in files["README.md"]
    assert not sql(files, "tests/")


def test_on_redshift_sums_of_whole_numbers_stay_whole() -> None:
    """Whatever table a sum is of, as the engine writes it; sums of amounts are left alone."""
    found = exported("redshift")
    of_a_mart = found["models/customer/customer_behaviour.sql"]
    assert "CAST(SUM(v.duration_seconds) AS BIGINT)" in of_a_mart
    for path, text in found.items():
        if path.startswith("models/") and path.endswith(".sql"):
            assert not re.search(r"CAST\(CAST\(SUM\([^()]*\) AS BIGINT\) AS BIGINT", text), path
            assert not re.search(r"(?i)\bmax\((\w+\.)?is_", text), path
    sessions = found["models/behaviour/sessions.sql"]
    assert "    SUM(o.revenue) AS revenue" in sessions
    assert "BOOL_OR(" in sessions
