"""What a notebook opens: whose statements it shows, and where they are remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from engagement.as_of import resolve_as_of
from engagement.runs import workbook
from engagement.runs.workbook import NOTEBOOK_VARIABLE, RUN_VARIABLE, Workbook
from engagement.settings import Settings, SettingsError
from engagement.warehouse import LeaseHeldError, Table, WarehouseError


@pytest.fixture
def settings(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    for name in (RUN_VARIABLE, NOTEBOOK_VARIABLE, "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    return make_settings


def publish(book: Workbook, number: int = 1) -> None:
    with book.warehouse.session(write=True) as session:
        session.publish(Table("marts", "numbers"), f"select {number} as n")


def remembered(book: Workbook) -> list[Any]:
    query = "select run_id, notebook, label from landing.run_statements order by run_id, nth"
    return book.query(query).to_numpy().tolist()


def test_a_notebook_run_by_hand_remembers_what_it_cost(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/03_model_customers.ipynb")
    book = Workbook(settings())
    publish(book)
    shown = book.statements()
    assert shown["statement"].tolist() == ["marts.numbers", "this notebook: 1 statement"]
    [(run_id, notebook, label)] = remembered(book)
    assert run_id.endswith("-interactive")
    assert (notebook, label) == ("03_model_customers", "marts.numbers")
    # Once more in the same notebook: its rows are put right, not added to.
    book.statements()
    labels = [row[2] for row in remembered(book)]
    assert labels.count("marts.numbers") == 1
    again = Workbook(settings())
    publish(again)
    again.statements()
    assert len({row[0] for row in remembered(again)}) == 2


def test_a_notebook_that_only_reads_writes_nothing(settings: Callable[..., Settings]) -> None:
    publish(Workbook(settings()))
    reader = Workbook(settings())
    reader.query("select * from marts.numbers")
    reader.statements()
    with reader.warehouse.session() as session:
        assert session.tables("landing") == []


def test_a_notebook_of_a_run_leaves_it_to_the_run(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN_VARIABLE, "run-1")
    monkeypatch.setenv(NOTEBOOK_VARIABLE, "02_flatten_events")
    publish(Workbook(settings()))
    monkeypatch.setenv(NOTEBOOK_VARIABLE, "03_model_customers")
    book = Workbook(settings())
    publish(book, 2)
    assert book.statements()["statement"].tolist() == [
        "marts.numbers",
        "this notebook: 1 statement",
        "this run, so far: 2 statements",
    ]
    assert [s.notebook for s in book.warehouse.log.kept()] == [
        "02_flatten_events",
        "03_model_customers",
    ]
    with book.warehouse.session() as session:
        assert session.tables("landing") == []


def test_a_table_that_cannot_be_written_does_not_fail_the_notebook(
    settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    book = Workbook(settings())
    publish(book)

    def held(*_: object) -> None:
        raise LeaseHeldError("held by run 7")

    monkeypatch.setattr(workbook.costs, "remember", held)
    assert len(book.statements()) == 2
    assert "landing.run_statements is without this notebook: held by run 7" in caplog.text


# --- as of ----------------------------------------------------------------------------------------


def receive(book: Workbook, at: str) -> None:
    with book.warehouse.session(write=True) as session:
        query = f"select timestamp '{at}' as received_at"
        session.publish(Table("events", "events"), query)


@pytest.mark.parametrize("as_of", ["2026-01-05", "latest", None])
def test_a_run_resolves_its_as_of_once_and_records_it(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, as_of: str | None
) -> None:
    monkeypatch.setenv(RUN_VARIABLE, "run-1")
    book = Workbook(settings(as_of=as_of))
    receive(book, "2026-01-31 09:30:00.125")
    found = book.as_of
    assert found == resolve_as_of(book.warehouse, book.settings)
    # Whatever is received meanwhile, the notebooks after it see the same.
    receive(book, "2026-02-07 10:00:00.000")
    assert Workbook(settings(as_of=as_of)).as_of == found
    state = json.loads((book.folder / workbook.STATE).read_text())
    assert state["as_of"] == {"latest": "2026-01-31", None: "2026-01-30"}.get(as_of, as_of)
    assert state["is_latest"] is (as_of == "latest")


@pytest.mark.parametrize("as_of", ["2026-01-05", "latest"])
def test_before_02_a_notebook_is_told_that_02_comes_first(
    settings: Callable[..., Settings], as_of: str
) -> None:
    book = Workbook(settings(as_of=as_of))
    with book.warehouse.session(write=True):
        pass
    with pytest.raises(WarehouseError, match="run 02_flatten_events first"):
        book.as_of  # noqa: B018


def test_by_hand_it_is_resolved_each_time(settings: Callable[..., Settings]) -> None:
    book = Workbook(settings(as_of="latest"))
    receive(book, "2026-01-31 09:30:00.125")
    assert str(book.as_of).startswith("2026-01-31 (not over")
    receive(book, "2026-02-07 10:00:00.000")
    assert book.as_of.day.isoformat() == "2026-02-07"


def test_a_query_may_name_the_as_of_day(settings: Callable[..., Settings]) -> None:
    book = Workbook(settings(as_of="latest"))
    receive(book, "2026-01-31 09:30:00.125")
    found = book.query("select cast(:as_of as varchar) as day")
    assert found["day"].to_list() == ["2026-01-31"]


def test_links_lead_from_the_executed_notebook_to_what_was_written(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN_VARIABLE, "run-1")
    book = Workbook(settings())
    assert book.links().data == "Nothing was written yet."
    for name in ("report.html", "exports/pinpoint/a b.csv", "exports/rejects/a.csv"):
        book.file(name).write_text("x")
    assert book.links().data.splitlines() == [
        "- [report.html](../report.html)",
        "- [exports/pinpoint/a b.csv](../exports/pinpoint/a%20b.csv)",
    ]


@pytest.mark.parametrize("text", ["{as_of: 2026-10-30, sessions.gap_minutes: 20}", "", "{}"])
def test_overrides_may_be_a_text(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """A notebook job of SageMaker has texts for parameters."""
    del settings
    monkeypatch.setattr(workbook, "_show_results", lambda: None)
    opened = workbook.open("params/local.yaml", text).settings
    plain = workbook.open("params/local.yaml").settings
    wanted = (date(2026, 10, 30), 20) if "as_of" in text else (None, plain.sessions.gap_minutes)
    assert (opened.as_of, opened.sessions.gap_minutes) == wanted


@pytest.mark.parametrize("text", ["as_of=2026-10-30", "[1, 2]", "{", "7"])
def test_a_text_that_is_no_mapping_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(workbook, "_show_results", lambda: None)
    with pytest.raises(SettingsError, match="write dotted keys and their values"):
        workbook.open("params/local.yaml", text)
