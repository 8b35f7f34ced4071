"""Explorations: an analyst's own questions, by hand and against the tables of 04."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from engagement.dashboards import explore
from engagement.dashboards.explore import ExploreError
from tests.models import shop
from tests.models.conftest import _OneSession, bench, make_bench, opened  # noqa: F401
from tests.models.shop import event, session


def book(bench: Any) -> Any:  # noqa: F811
    warehouse = _OneSession(bench.session)
    return SimpleNamespace(warehouse=warehouse, settings=bench.settings, as_of=bench.as_of)


def rows(frame: pd.DataFrame, columns: str) -> list[tuple[Any, ...]]:
    chosen = frame[columns.split()].astype(object)
    return [*chosen.where(chosen.notna(), None).itertuples(index=False, name=None)]


def give(bench: Any, *events: dict[str, Any], **of: Any) -> Any:  # noqa: F811
    models = [*of.pop("models", ())]
    of.pop("touches", None)
    shop.give(bench, "person_days", "event_daily", *models, events=events, **of)
    return book(bench)


# --- funnel ---------------------------------------------------------------------------------------


def test_a_funnel_by_hand(make_bench: Any) -> None:  # noqa: F811
    """Ann searches, views and buys; Bob searches and buys at once, which is not later; Cyd's view
    comes eight days after her search.
    """
    told = give(
        make_bench("2026-01-31"),
        event("a1", "ann", "05 10:00", event="Search"),
        event("a2", "ann", "05 10:01", event="View"),
        event("a3", "ann", "05 10:02", event="Buy"),
        event("b1", "bob", "05 10:00", event="Search"),
        event("b2", "bob", "05 10:00", event="View"),
        event("b3", "bob", "05 10:02", event="Buy"),
        event("c1", "cyd", "05 10:00", event="Search"),
        event("c2", "cyd", "13 10:00", event="View"),
        event("bot", "bot", "05 10:00", event="Search", is_bot=True),
    )
    frame = explore.funnel(told, ["search", "VIEW", "Buy"])
    assert rows(
        frame, "segment step_number step persons previous_persons step_rate overall_rate"
    ) == [
        ("all", 1, "search", 3, None, None, 1.0),
        ("all", 2, "VIEW", 1, 3, 0.3333, 0.3333),
        ("all", 3, "Buy", 1, 1, 1.0, 0.3333),
    ]
    longer = explore.funnel(told, ["Search", "View"], window_days=8)
    assert [*longer["persons"]] == [3, 2]


def test_a_step_may_come_again_and_an_order_is_one_that_stands(make_bench: Any) -> None:  # noqa: F811
    told = give(
        make_bench("2026-01-31"),
        event("a1", "ann", "05 10:00", event="View"),
        event("a2", "ann", "05 10:01", event="View"),
        event("b1", "bob", "05 10:00", event="View"),
        orders=[
            shop.order("o1", "05 11:00", None, "5.00"),
            shop.cancelled("o2", "05 11:00", "bob", "5.00"),
        ],
    )
    frame = explore.funnel(told, ["View", "View", "order"])
    assert [*frame["persons"]] == [2, 1, 1]


def test_a_funnel_by_what_the_first_steps_session_tells(make_bench: Any) -> None:  # noqa: F811
    told = give(
        make_bench("2026-01-31"),
        event("a1", "ann", "05 10:00", "s1", event="View"),
        event("a2", "ann", "05 10:01", "s2", event="Buy"),
        event("b1", "bob", "05 10:00", None, event="View"),
        event("c1", "cyd", "05 10:00", "s1", event="View"),
        sessions=[session("s1", "05 10:00", "Email"), session("s2", "05 10:00", "Direct")],
    )
    frame = explore.funnel(told, ["View", "Buy"], by="channel")
    assert rows(frame, "segment step persons") == [
        *(("Email", "View", 2), ("Email", "Buy", 1)),
        *(("(not set)", "View", 1), ("(not set)", "Buy", 0)),
    ]


def test_the_shops_funnel_is_that_of_the_table(make_bench: Any) -> None:  # noqa: F811
    """Random steps of twenty people, by concept and by the models' own way."""
    bench = make_bench("2026-01-31")  # noqa: F811
    luck = random.Random(11)
    names = {"product_viewed": "Product Viewed", "product_added": "Product Added",
             "checkout_started": "Checkout Started"}  # fmt: skip
    made: dict[str, list[Any]] = {name: [] for name in names}
    events, orders = [], []
    for n in range(140):
        person = f"p{luck.randrange(20)}"
        when = datetime(2026, 1, 2) + timedelta(hours=6 * luck.randrange(80))
        at = f"{when:%d %H:%M}"
        what = luck.choice([*names, "order"])
        if what == "order":
            orders.append(shop.order(f"o{n}", at, None, "1.00", person_id=person))
            continue
        one = event(f"e{n}", person, at, event=names[what])
        events.append(one)
        made[what].append({"id": one["id"], "timestamp": one["timestamp"]})
    for source, given in made.items():
        bench.given(f"sources.{source}", given)
    told = give(
        bench, *events, orders=orders, models=["funnel_events", "funnel_journeys", "funnel_steps"]
    )
    frame = explore.funnel(told, [*names, "order"])
    table = bench.rows("select persons, step_rate from marts.funnel_steps order by step_number")
    assert rows(frame, "persons step_rate") == table


# --- retention ------------------------------------------------------------------------------------


def test_retention_of_one_event_by_another(make_bench: Any) -> None:  # noqa: F811
    """Ann and Bob first buy in January, Cyd in February. Ann views in February, Bob in March, which
    has not ended.
    """
    told = give(
        make_bench("2026-03-15"),
        event("a1", "ann", "05 10:00", event="Buy"),
        event("b1", "bob", "06 10:00", event="Buy"),
        event("a2", "ann", "01 10:00", event="View", event_date="2026-02-20"),
        event("c1", "cyd", "01 10:00", event="Buy", event_date="2026-02-03"),
        event("b2", "bob", "01 10:00", event="View", event_date="2026-03-03"),
    )
    frame = explore.retention(told, cohort="Buy", comes_back="View", period="month")
    assert rows(frame, "cohort_start period_number is_mature cohort_persons retained_persons") == [
        (date(2026, 1, 1), 0, True, 2, 0),
        (date(2026, 1, 1), 1, True, 2, 1),
        (date(2026, 1, 1), 2, False, 2, None),
        (date(2026, 2, 1), 0, True, 1, 0),
        (date(2026, 2, 1), 1, False, 1, None),
    ]


@pytest.mark.parametrize("period", ["day", "week"])
def test_retention_of_new_people_is_that_of_the_tables(make_bench: Any, period: str) -> None:  # noqa: F811
    bench = make_bench("2026-01-31")  # noqa: F811
    luck = random.Random(2)
    events = [
        event(f"e{n}", f"p{luck.randrange(15)}", f"{luck.randrange(1, 32):02} 10:00")
        for n in range(80)
    ]
    tables = {"day": ("retention_daily", "day"), "week": ("retention_weekly", "week")}
    table, name = tables[period]
    told = give(bench, *events, models=["cohort_cells", table])
    frame = explore.retention(told, period=period)  # type: ignore[arg-type]
    expected = bench.rows(
        f"select cohort_{name}, {name}_number, is_mature, cohort_persons, retained_persons"
        f" from marts.{table} where not is_identified and cohort_persons > 0 and {name} <= :d"
        " order by 1, 2".replace(":d", "date '2026-01-31'")
    )
    found = rows(frame, "cohort_start period_number is_mature cohort_persons retained_persons")
    assert [(pd.Timestamp(c), *rest) for c, *rest in found] == [
        (pd.Timestamp(c), *rest) for c, *rest in expected
    ]


# --- paths ----------------------------------------------------------------------------------------


def visits(*letters: str) -> tuple[list[Any], list[Any]]:
    events = [
        event(f"{n}-{m}", f"s{n}", f"05 10:{m:02}", f"s{n}", event=letter, sequence_number=m)
        for n, word in enumerate(letters)
        for m, letter in enumerate(word, 1)
    ]
    return events, [session(f"s{n}", "05 10:00") for n in range(len(letters))]


def test_paths_are_those_of_the_table(make_bench: Any) -> None:  # noqa: F811
    luck = random.Random(9)
    words = ["".join(luck.choice("abcd") for _ in range(luck.randrange(1, 9))) for _ in range(30)]
    events, sessions = visits(*words)
    bench = make_bench("2026-01-31")  # noqa: F811
    told = give(bench, *events, sessions=sessions, models=["event_paths"])
    for direction, asked in (("next", {"after": "b"}), ("previous", {"before": "b"})):
        frame = explore.paths(told, **asked)  # type: ignore[arg-type]
        columns = "step_number from_step to_step sessions anchor_sessions share"
        table = bench.rows(
            f"select {', '.join(columns.split())} from marts.event_paths"
            f" where direction = '{direction}' and anchor = 'b'"
        )
        assert sorted(rows(frame, columns)) == sorted(table)


def test_rare_names_are_others_and_views_go_by_their_page(make_bench: Any) -> None:  # noqa: F811
    events, sessions = visits("ab", "ab", "ac", "ad")
    page = {"type": "page", "event": None, "page_path": "/cart"}
    events = [one | page if one["event"] == "b" else one for one in events]
    told = give(make_bench("2026-01-31"), *events, sessions=sessions)
    frame = explore.paths(told, after="a", steps=1, pages=True, top=1)
    assert rows(frame, "to_step sessions share") == [("(other)", 2, 0.5), ("/cart", 2, 0.5)]
    assert {*explore.paths(told, after="a", steps=1)["to_step"]} == {"page", "c", "d"}


# --- events ---------------------------------------------------------------------------------------


def test_events_by_day_and_by_what_their_session_tells(make_bench: Any) -> None:  # noqa: F811
    told = give(
        make_bench("2026-01-31"),
        event("e1", "ann", "05 10:00", "s1", event="Buy"),
        event("e2", "ann", "05 11:00", "s1", event="Buy"),
        event("e3", "bob", "06 11:00", event="Buy"),
        sessions=[session("s1", "05 10:00")],
    )
    assert rows(explore.events(told, "Buy"), "events persons") == [(2, 1), (1, 1)]
    assert rows(explore.events(told, "Buy", by="channel"), "value events persons share") == [
        ("Email", 2, 1, 0.6667),
        ("(not set)", 1, 1, 0.3333),
    ]


def test_events_by_an_own_property_and_what_few_sent_is_withheld(make_bench: Any) -> None:  # noqa: F811
    bench = make_bench("2026-01-31")  # noqa: F811
    people = [f"p{n}" for n in range(11)]
    events = [event(f"e-{who}", who, "05 10:00", event="Product Viewed") for who in people]
    bench.given(
        "sources.product_viewed",
        [
            {
                "id": f"e-{who}",
                "timestamp": "2026-01-05 10:00",
                "name": "Bag" if who != "p0" else "Ann's own bag",
                "price": 2.5,
            }
            for who in people
        ],
    )
    told = give(bench, *events)
    assert rows(explore.events(told, "product_viewed", by="price"), "value events persons") == [
        ("2.5", 11, 11)
    ]
    assert rows(explore.events(told, "product_viewed", by="name"), "value events") == [
        ("Bag", 10),
        ("… (fewer than 10 people)", 1),
    ]


def test_names_that_are_sql_are_names(make_bench: Any) -> None:  # noqa: F811
    evil = "x') or 1 = 1 or ('' = '"
    told = give(
        make_bench("2026-01-31"),
        event("e1", "ann", "05 10:00", event=evil),
        event("e2", "ann", "05 10:01", event="Buy"),
    )
    assert [*explore.events(told, evil)["events"]] == [1]
    assert [*explore.funnel(told, [evil, "Buy"])["persons"]] == [1, 1]
    with pytest.raises(ExploreError, match="cannot group by"):
        explore.events(told, "Buy", by='"; drop table marts.orders; --')


# --- compare --------------------------------------------------------------------------------------


def test_two_periods_side_by_side(make_bench: Any) -> None:  # noqa: F811
    """Ann on two days of the first week is one person; 10 then, 30 now."""
    told = give(
        make_bench("2026-01-31"),
        event("e1", "ann", "05 10:00"),
        event("e2", "ann", "06 10:00"),
        event("e3", "ann", "12 10:00"),
        event("e4", "bob", "13 10:00"),
        orders=[
            shop.order("o1", "06 10:00", None, "10.00"),
            shop.order("o2", "12 10:00", None, "30.00"),
            shop.cancelled("o3", "12 10:00", None, "99.00"),
        ],
    )
    frame = explore.compare(told, ("2026-01-12", "2026-01-18"), (date(2026, 1, 5), "2026-01-11"))
    found = {measure: tuple(rest) for measure, *rest in rows(frame, " ".join(frame.columns))}
    assert found["users"] == (2.0, 1.0, 1.0, 1.0)
    assert found["events"] == (2.0, 2.0, 0.0, 0.0)
    assert found["buyers"] == (1.0, 1.0, 0.0, 0.0)
    assert found["revenue"] == (30.0, 10.0, 20.0, 2.0)
    assert found["average_order_value"] == (30.0, 10.0, 20.0, 2.0)
    assert found["conversion_rate"] == (None, None, None, None)
    assert Decimal(str(found["net_revenue"][0])) == 30
    # A week up to the as-of date, beside the week before it.
    week = explore.compare(told, 7).set_index("measure")
    assert (week.loc["users", "value"], week.loc["users", "before"]) == (0, 0)
    weeks = explore.compare(told, 20).set_index("measure")
    assert (weeks.loc["users", "value"], weeks.loc["users", "before"]) == (2, 1)


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda b: explore.events(b, "Bye"), "no event is named 'Bye'; did you mean 'Buy'?"),
        (lambda b: explore.funnel(b, ["Buy"]), "two to eight steps, not 1"),
        (lambda b: explore.funnel(b, ["Buy", "Buy"], window_days=0), "from 1 to 365"),
        (lambda b: explore.funnel(b, ["Buy", "Buy"], by="chanel"), "did you mean 'channel'?"),
        (lambda b: explore.paths(b), "name either the event"),
        (lambda b: explore.paths(b, after="Buy", before="Buy"), "name either the event"),
        (lambda b: explore.paths(b, after="Buy", steps=11), "from 1 to 10"),
        (lambda b: explore.retention(b, period="year"), "a day, a week or a month, not 'year'"),
        (
            lambda b: explore.compare(b, ("2026-01-02", "2026-01-01"), ("x", "y")),
            "before it begins",
        ),
        (
            lambda b: explore.compare(b, ("2026-02-30", "2026-03-01"), ("x", "y")),
            "not a day such as",
        ),
    ],
)
def test_mistakes_are_told(bench: Any, ask: Any, message: str) -> None:  # noqa: F811
    told = give(bench, event("e1", "ann", "05 10:00", event="Buy"))
    with pytest.raises(ExploreError) as error:
        ask(told)
    assert message in str(error.value)


def test_before_04_has_run_there_is_nothing_to_ask(bench: Any) -> None:  # noqa: F811
    with pytest.raises(ExploreError, match="run 04 first"):
        explore.events(book(bench), "Buy")
