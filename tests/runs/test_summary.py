"""The end of a run: what a person needs, within a screen."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from engagement.runs import summary
from engagement.runs.batch import NotebookRun, RunRecord
from engagement.runs.summary import Figures
from engagement.settings import Settings
from engagement.warehouse import Table, open_warehouse

NAMES = ("00_a", "01_b", "02_c", "03_d", "04_e", "05_f", "06_g")


def record(*names: str, **changes: Any) -> RunRecord:
    given: dict[str, Any] = {
        "id": "20261031T060000Z-ab12",
        "engine": "duckdb",
        "params": "params/mine.yaml",
        "overrides": {},
        "started": "2026-10-31T06:00:00+00:00",
        "ended": "2026-10-31T06:01:12+00:00",
        "status": "done",
        "as_of": "2026-10-30",
        "as_of_end": "2026-10-31T00:00:00",
        "notebooks": [NotebookRun(name, "done") for name in names or NAMES],
        "tables": {"events.pages": 3, "marts.orders": 1},
        "files": {
            "report.html": {"bytes": 1},
            "exports/pinpoint/a.csv": {"bytes": 1},
            "notebooks/00_a.ipynb": {"bytes": 1},
        },
        **changes,
    }
    return RunRecord(**given)


PERIOD = {
    "to_day": "2026-10-30",
    "is_complete": True,
    "orders": 131,
    "revenue": Decimal("14210.50"),
    "net_revenue": Decimal("13000.00"),
    "previous_orders": 100,
    "previous_revenue": Decimal("20000.00"),
    "previous_net_revenue": None,
}
WARNING = (
    "events.product_viewed: no event is named 'Product Viewed'; did you mean 'Seen' (26 events)?"
)
WHOLE = Figures(
    taken={"records": 41519, "events": 41253, "duplicates": 1, "quarantined": 43},
    reasons={"not_json": 20, "no_type": 3},
    unread=1,
    people=2434,
    buyers=301,
    period=PERIOD,
    segment=("recent_buyers", 87),
    warnings=(WARNING,),
    unmapped=1,
)


def test_a_whole_run_in_a_few_lines() -> None:
    assert "\n".join(summary.lines(record(), "runs/x", WHOLE, "EUR")) == EXPECTED.strip()


EXPECTED = """
done in 72 s: run 20261031T060000Z-ab12, as of 2026-10-30
  events      41,253 kept of 41,519 records; 1 duplicate, 43 set aside
  set aside   20 not json, 3 no type; 'engagement status' shows them by day
  unreadable  1 file; the column error of landing.files says why
  people      2,434, of whom 301 have ordered
  30 days     131 orders (+31 % on the 30 before), revenue 14,210.50 EUR (-29 % on the 30 before),
              net revenue 13,000.00 EUR
  segment     recent_buyers: 87 people
  warning     events.product_viewed: no event is named 'Product Viewed'; did you mean 'Seen' (26
              events)?
  report      runs/x/report.html
  exports     runs/x/exports/
  notebooks   runs/x/notebooks/
  in full     runs/x/run.json
  next        open the report; 1 event name is mapped to no concept: map under 'events:' in
              params/mine.yaml those that mean one; 'engagement tables' describes 2 tables
"""


def test_it_fits_whatever_there_is() -> None:
    many = Figures(
        **{
            **vars(WHOLE),
            "reasons": {f"a_reason_of_some_length_{n}": 1_000_000 for n in range(40)},
            "warnings": [f"events.concept_{n}: no event is named 'x'" * 3 for n in range(15)],
        }
    )
    found = summary.lines(record(), "runs/x", many, "EUR")
    assert max(map(len, found)) <= 100
    assert len(found) <= 30
    assert "and 11 warnings more: 'engagement check' lists them" in "\n".join(found)
    # A path stays whole: it is to be copied.
    assert f"  report      {'p' * 120}/report.html" in summary.lines(
        record(), "p" * 120, many, "EUR"
    )


def test_a_run_of_one_notebook_says_what_it_has() -> None:
    one = record("00_a", as_of=None, as_of_end=None, files={}, tables={})
    assert summary.lines(one, "runs/x", Figures(), "EUR") == [
        "done in 72 s: run 20261031T060000Z-ab12",
        "  notebooks   runs/x/notebooks/",
        "  in full     runs/x/run.json",
        "  next        'engagement run --from 02' makes the tables",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"is_complete": False}, "30 days     there are not 30 whole days of data yet"),
        ({"orders": 1, "previous_orders": 0}, "30 days     1 order, revenue"),
        ({"previous_revenue": Decimal("-3")}, "revenue 14,210.50 EUR, net"),
        ({"revenue": None}, "orders (+31 % on the 30 before), net revenue 13,000.00 EUR"),
    ],
)
def test_what_cannot_be_compared_is_not(changes: dict[str, Any], words: str) -> None:
    found = Figures(period={**PERIOD, **changes})
    assert words in "\n".join(summary.lines(record(), "runs/x", found, "EUR"))


def test_what_it_cost_is_said_where_it_cost_something() -> None:
    head = summary.lines(record(statements={"usd": 0.126}), "runs/x", Figures(), "EUR")[0]
    assert head.endswith(", as of 2026-10-30, 0.13 USD")


@pytest.fixture
def filled(make_settings: Callable[..., Settings]) -> Settings:
    settings = make_settings()
    with open_warehouse(settings).session(write=True) as session:
        session.publish(
            Table("landing", "ledger"),
            "select 5 as records, 3 as events, 1 as duplicates, 1 as quarantined "
            "union all select 2, 2, 0, 0",
        )
        session.publish(
            Table("landing", "quarantine_reasons"),
            "select 'no_type' as reason, 1 as records union all select 'not_json', 4 "
            "union all select 'no_type', 1",
        )
        session.publish(
            Table("landing", "files"),
            "select 'a' as file, 'broken' as error union all select 'b', null",
        )
        session.publish(
            Table("marts", "customer_360"),
            "select 1 as orders_total, false as is_bot union all select 0, false "
            "union all select 7, true",
        )
    return settings


def test_figures_are_those_of_the_notebooks_that_ran(filled: Settings) -> None:
    warehouse = open_warehouse(filled)
    found = summary.figures(warehouse, filled, record("02_c"))
    assert found.taken == {"records": 7, "events": 5, "duplicates": 1, "quarantined": 1}
    assert dict(found.reasons) == {"not_json": 4, "no_type": 2}
    assert list(found.reasons) == ["not_json", "no_type"]
    assert found.unread == 1
    # 03's table may be of another day.
    assert (found.people, found.buyers) == (None, None)
    found = summary.figures(warehouse, filled, record())
    assert (found.people, found.buyers) == (2, 1)
    assert (found.period, found.segment) == (None, None)


def test_before_anything_there_is_no_figure(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    assert summary.figures(open_warehouse(settings), settings, record()) == Figures()
