"""Segment files: read with every mistake at once; conditions parsed, checked, never pasted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engagement.audience import segments
from engagement.audience.segments import AudienceError, Segment
from engagement.settings import ROOT, Settings
from engagement.warehouse import Table, Warehouse, open_warehouse
from tests.audience.conftest import AS_OF, COLUMNS, person

MakeShop = Callable[[Sequence[dict[str, Any]]], Warehouse]


def write(folder: Path, text: str, name: str = "buyers") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str, name: str = "buyers") -> list[str]:
    with pytest.raises(AudienceError) as caught:
        segments.load(write(folder, text, name))
    return caught.value.problems


GOOD = """
name: buyers
description: Who bought.
channels: [email, sms]
where: orders_total > 0
attributes: [plan]
lists: [brands]
metrics: [spend_total]
"""


def test_a_segment_is_read_with_its_defaults(tmp_path: Path) -> None:
    segment = segments.load(write(tmp_path, GOOD))
    assert (segment.name, segment.channels, segment.where) == (
        "buyers",
        ("email", "sms"),
        "orders_total > 0",
    )
    assert segment.suppressed == "leave_out"


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
        name: Other Name
        descripton: A misspelt key.
        channels: [email, push, fax, email]
        where: orders_total >
        attributes: [plan, plan]
        metrics: spend_total
        suppressed: sometimes
        """,
    )
    keys = sorted({problem.partition(":")[0] for problem in found})
    assert keys == [
        "attributes", "channels.1", "channels.2", "description", "descripton", "metrics", "name",
        "suppressed", "where",
    ]  # fmt: skip
    assert "descripton: there is no such key; did you mean 'description'?" in found
    assert "channels.1: push needs device tokens, and marts.customer_360 holds none" in found
    assert "name: 'Other Name' is not the file's name, 'buyers'" in found


def test_the_name_is_that_of_the_file(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD, "others") == ["name: 'buyers' is not the file's name, 'others'"]


@pytest.mark.parametrize("text", ["", "- a list", "name: [", "a: 1\na: 2"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudienceError, match="no such file"):
        segments.load(tmp_path / "nobody.yaml")


def test_addresses_do_not_go_out_as_attributes(tmp_path: Path) -> None:
    """They would get around the consent that the channel asks for."""
    (problem,) = problems(tmp_path, GOOD.replace("[plan]", "[plan, phone]"))
    assert problem.startswith("attributes: phone: an address goes into a file by its channel")


# --- conditions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("", "is empty"),
        ("orders_total >", "line 1, column 14"),
        ("orders_total > 0 adn is_bot", "near 'adn'"),
        ("1 = 1; drop table marts.customer_360", "write one condition, such as"),
        ("true) or (true", "write one condition, such as"),
        ("true union select * from marts.profiles", "write one condition, such as"),
        ("true order by 1", "write one condition, such as"),
        ("person_id in (select person_id from marts.orders)", "a subquery"),
        ("exists (select 1)", "a subquery"),
        ("count(*) > 1", "about one person"),
        ("row_number() over (order by person_id) < 10", "about one person"),
        ("profiles.email is not null", "without a table"),
        ("last_order_date > current_date", "use the parameter :as_of"),
        ("rand() < 0.5", "a rerun would differ"),
        ("spend_total / orders_total > 10", "cast(… as double)"),
        ("regexp_extract(email, 'x') = 'x'", "nullif(regexp_extract"),
        ("orders_total > :most", "there is only :as_of"),
        ("orders_total > ?", "there is only :as_of"),
    ],
)
def test_what_is_no_portable_condition_is_refused(where: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        segments.condition(where)


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("orders_totl > 0", "no column 'orders_totl'; did you mean 'orders_total'?"),
        ("orders_total > '0'", "orders_total is a number, '0' is text"),
        ("orders_total in (1, 'x')", "orders_total is a number, 'x' is text"),
        ("orders_total between 0 and 'x'", "orders_total is a number, 'x' is text"),
        ("last_order_date >= '2026-01-01'", "last_order_date is a date or time"),
        ("consent_email = 'yes'", "consent_email is true or false, 'yes' is text"),
        ("email", "email is text, not a condition"),
        ("not orders_total", "orders_total is a number, not a condition"),
        ("is_bot and plan", "plan is text, not a condition"),
        ("lower(plan) = 1", "LOWER(plan) is text, 1 is a number"),
    ],
)
def test_a_condition_that_does_not_fit_the_table_is_refused(where: str, why: str) -> None:
    """DuckDB would guess at most of these; Athena would refuse them."""
    with pytest.raises(AudienceError) as caught:
        segments.checked(segment(where), COLUMNS)
    assert why in "\n".join(caught.value.problems)


def test_what_only_types_can_tell_is_refused_with_what_to_write() -> None:
    with pytest.raises(AudienceError) as caught:
        segments.checked(segment("cast(spend_total / 1e0 as bigint) > 5"), COLUMNS)
    (problem,) = caught.value.problems
    assert problem.startswith("where: CAST(spend_total / 1e0 AS BIGINT): ")
    assert problem.endswith("cast(round(x) as bigint)")


def test_columns_that_are_not_there_are_named_by_key() -> None:
    with pytest.raises(AudienceError) as caught:
        segments.checked(
            segment("true", attributes=["plam"], lists=["orders_total"], metrics=["plan", "spend"]),
            COLUMNS,
        )
    assert caught.value.problems == [
        "attributes: marts.customer_360 has no column 'plam'; did you mean 'plan'?",
        "metrics: marts.customer_360 has no column 'spend'; did you mean 'spend_total'?",
        "lists: orders_total is bigint, not text",
        "metrics: plan is varchar, not a number",
    ]


def segment(where: str, **more: Any) -> Segment:
    keys = {"name": "some", "description": "Some.", "channels": ["email"], "where": where}
    return Segment.model_validate({**keys, **more})


# --- people -------------------------------------------------------------------------------------

PEOPLE = [
    person("ann", orders_total=2, spend_total=Decimal("30.00"), last_order_date=date(2026, 1, 2),
           last_seen_at=datetime.fromisoformat("2026-01-30 12:00"), plan="plus"),
    person("ben", orders_total=1, spend_total=Decimal("9.99"), last_order_date=date(2026, 1, 31),
           last_seen_at=datetime.fromisoformat("2026-01-31 12:00"), plan="it's; -- free"),
    person("cat", orders_total=0, is_bot=True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("true", ["ann", "ben", "cat"]),
        ("orders_total > 0", ["ann", "ben"]),
        ("ORDERS_TOTAL > 0 AND NOT is_bot", ["ann", "ben"]),
        ("not is_bot and (orders_total = 1 or spend_total >= 30)", ["ann", "ben"]),
        ("spend_total between 10 and 40", ["ann"]),
        ("plan = 'it''s; -- free'", ["ben"]),
        ("plan like 'pl%'", ["ann"]),
        ("plan in ('plus', 'free')", ["ann"]),
        ("plan is null", ["cat"]),
        ("last_order_date = :as_of", ["ben"]),
        ("last_order_date < cast(date_add('day', -7, :as_of) as date)", ["ann"]),
        ("last_seen_at >= timestamp '2026-01-31 00:00:00'", ["ben"]),
        ("orders_total > 5", []),
    ],
)
def test_people_for_whom_the_condition_is_true(
    make_shop: MakeShop, where: str, expected: list[str]
) -> None:
    found = segments.select(make_shop(PEOPLE), segment(where), AS_OF)
    assert [row["person_id"] for row in found.rows()] == expected
    assert found.customers == 3


def test_a_window_in_hours_counts_back_from_the_as_of_moment(make_shop: MakeShop) -> None:
    """Ben was last seen at 12:00: within six hours of 18:00, not of 18:00:00.001."""
    shop = make_shop(PEOPLE)
    where = "last_seen_at >= date_add('hour', -6, :as_of_end)"
    for moment, expected in (("18:00:00", ["ben"]), ("18:00:00.001", [])):
        end = datetime.fromisoformat(f"2026-01-31 {moment}")
        found = segments.select(shop, segment(where), AS_OF, end)
        assert [row["person_id"] for row in found.rows()] == expected
    with pytest.raises(AudienceError, match=r"':as_of_end' is used, but the moment .* not given"):
        segments.select(shop, segment(where), AS_OF)


def test_what_a_segment_asks_for_comes_along_as_plain_values(make_shop: MakeShop) -> None:
    asked = segment("true", attributes=["plan"], metrics=["spend_total", "orders_total"])
    rows = segments.select(make_shop(PEOPLE), asked, AS_OF).rows()
    assert [(r["plan"], r["spend_total"], r["orders_total"]) for r in rows] == [
        ("plus", Decimal("30.00"), 2),
        ("it's; -- free", Decimal("9.99"), 1),
        (None, None, 0),
    ]


def test_refused_addresses_are_those_of_everybody(make_shop: MakeShop) -> None:
    shop = make_shop(
        [
            person("ann", email="a@x.example", consent_email=False),
            person("ben", email="b@x.example", consent_email=None),
            person("cat", email=None, consent_email=False),
            person("dan", email="a@x.example", consent_email=False),
        ]
    )
    found = segments.select(shop, segment("person_id = 'ben'"), AS_OF)
    assert found.refused == {"email": [("a@x.example", None)]}


def test_without_a_customer_table_it_says_what_to_run(
    make_settings: Callable[..., Settings],
) -> None:
    warehouse = open_warehouse(make_settings())
    with warehouse.session(write=True) as session:
        session.publish(Table("events", "tracks"), "select 1 as one")
    with pytest.raises(AudienceError, match="run 03_model_customers"):
        segments.select(warehouse, segment("true"), AS_OF)


def test_athena_gets_the_same_query(make_shop: MakeShop) -> None:
    """The text that Athena would run, from the same tree; reviewed by hand."""
    from engagement.sql.dialect import bind, check
    from engagement.sql.rendering import render
    from engagement.warehouse.athena.rendering import ATHENA

    query = segments.query(
        segment("not is_bot and last_order_date < :as_of", metrics=["spend_total"])
    )
    check(query)
    text = render(bind(query, {"as_of": AS_OF}), ATHENA, {"marts": "shop_marts"})
    assert text == (
        'SELECT "person_id", "user_id", "email", "phone", "first_name", "last_name", "city", '
        '"state", "country", "postal_code", "consent_email", "consent_sms", "spend_total" '
        'FROM "shop_marts"."customer_360" '
        "WHERE NOT is_bot AND last_order_date < CAST('2026-01-31' AS DATE) "
        'ORDER BY "person_id"'
    )


# --- the project's own segments -----------------------------------------------------------------


def test_the_projects_segments_can_be_read_and_fit_the_customer_table() -> None:
    from engagement.models.runner import models

    document = models()["customer_360"].document
    columns = {name: column.type for name, column in document.columns.items()}
    found = segments.load_all(ROOT / "params/segments")
    assert {s.name for s in found} >= {
        "abandoned_cart_24h", "birthday_month", "browsed_not_bought", "category_lovers",
        "coupon_seekers", "first_time_buyers", "lapsing_customers", "new_subscribers",
        "price_drop", "second_order_nudge", "vip", "win_back",
    }  # fmt: skip
    for one in found:
        segments.checked(one, columns)
    assert set(segments.PERSON_COLUMNS) <= columns.keys()


def test_the_default_segment_is_one_of_them(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    assert segments.load(settings.path(settings.audience.segment)).name == "recent_buyers"
