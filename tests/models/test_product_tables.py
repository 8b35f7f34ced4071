"""product_actions, product_daily, category_daily, category_performance, search_daily,
cart_abandonment, rfm_grid, rfm_segments: what people looked at, put into carts and bought.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.models import shop
from tests.models.shop import event

Rows = list[tuple[Any, ...]]


def act(name: str, person: str, when: str, **product: Any) -> dict[str, Any]:
    return {"id": name, "person": person, "when": when, **product}


def products(
    bench: Any,
    *models: str,
    views: Rows = (),
    adds: Rows = (),
    lines: list[Any] = [],  # type: ignore[assignment]  # noqa: B006 (never changed)
    days: int = 2,
) -> None:
    """Build from (id, person, when, product, category) and lines of orders, on so many days."""
    events = [
        event(name, who, when, is_bot=who == "bot") for name, who, when, *_ in (*views, *adds)
    ]
    for source, acts in (("product_viewed", views), ("product_added", adds)):
        bench.given(
            f"sources.{source}",
            [
                {
                    "id": name,
                    "timestamp": f"2026-01-{when}",
                    "product_id": product,
                    "category": category,
                }
                for name, _, when, product, category in acts
            ],
        )
    orders: dict[str, Any] = {}
    items = []
    for number, (order, person, when, product, category, units, sales, status) in enumerate(lines):
        known = None if sales is None else Decimal(sales)
        orders.setdefault(
            order,
            shop.order(order, when, None, "0.00", person_id=person, status=status)
            | {"item_sales": Decimal(0)},
        )
        orders[order]["item_sales"] += known or 0
        items.append(
            {
                "order_id": order,
                "line_number": number,
                "person_id": person,
                "order_date": f"2026-01-{when[:2]}",
                "ordered_at": f"2026-01-{when}",
                "status": status,
                "product_id": product,
                "category": category,
                "quantity": units,
                "item_sales": known,
            }
        )
    bench.given("marts.daily_overview", [{"day": f"2026-01-{n + 1:02}"} for n in range(days)])
    bench.given("marts.session_events", events)
    bench.given("marts.orders", list(orders.values()))
    bench.given("marts.order_items", items)
    bench.build("product_performance", "product_actions", *models)


VIEWS = [
    ("v1", "ann", "01 10:00", "p1", "Bags"),
    ("v2", "ann", "01 11:00", "p1", "Bags"),
    ("v3", "bob", "01 10:00", "p1", "Bags"),
    ("v4", "bob", "02 10:00", "p2", None),
    ("v5", "bot", "02 10:00", "p2", "Bags"),
]
ADDS = [("a1", "ann", "01 11:01", "p1", "Bags"), ("a2", "cyd", "02 11:01", "p2", "Hats")]
LINES = [
    ("o1", "ann", "01 12:00", "p1", "Bags", 2, "20.00", "completed"),
    ("o1", "ann", "01 12:00", "p2", None, 1, None, "completed"),
    ("o2", "cyd", "02 12:00", "p1", "Bags", 1, "10.00", "refunded"),
    ("o3", "cyd", "02 12:00", "p1", "Bags", 9, "90.00", "cancelled"),
]
MEASURES = (
    "views, viewers, adds, adders, cart_to_view_rate, orders, buyers, purchase_to_view_rate,"
    " units, item_sales"
)


def test_products_by_day(bench: Any) -> None:
    products(bench, "product_daily", views=VIEWS, adds=ADDS, lines=LINES)
    no = Decimal("0.00")
    assert bench.rows(
        f"select extract(day from day) as n, product_id, category, {MEASURES}"
        " from marts.product_daily order by day, product_id"
    ) == [
        (1, "p1", "Bags", 3, 2, 1, 1, 0.5, 1, 1, 0.5, 2, Decimal("20.00")),
        (1, "p2", "Hats", 0, 0, 0, 0, None, 1, 1, None, 1, no),
        (2, "p1", "Bags", 0, 0, 0, 0, None, 1, 1, None, 1, Decimal("10.00")),
        (2, "p2", "Hats", 1, 1, 1, 1, 1.0, 0, 0, 0.0, 0, no),
    ]


def test_categories_are_those_that_the_event_or_the_line_says(bench: Any) -> None:
    products(bench, "category_daily", "category_performance", views=VIEWS, adds=ADDS, lines=LINES)
    no, thirty = Decimal("0.00"), Decimal("30.00")
    assert bench.rows(
        f"select category, {MEASURES} from marts.category_performance order by category"
    ) == [
        ("(not set)", 1, 1, 0, 0, 0.0, 1, 1, 1.0, 1, no),
        ("Bags", 3, 2, 1, 1, 0.5, 2, 2, 1.0, 3, thirty),
        ("Hats", 0, 0, 1, 1, None, 0, 0, None, 0, no),
    ]
    assert bench.rows(
        "select extract(day from day) as n, category, views, orders, units"
        " from marts.category_daily order by day, category"
    ) == [
        *((1, "(not set)", 0, 1, 1), (1, "Bags", 3, 1, 2), (1, "Hats", 0, 0, 0)),
        *((2, "(not set)", 1, 0, 0), (2, "Bags", 0, 1, 1), (2, "Hats", 0, 0, 0)),
    ]
    assert bench.rows(
        "select distinct cast(day as varchar) as d from marts.category_performance"
    ) == [("2026-01-31",)]


def test_fifty_categories_have_every_day_and_no_other_one(make_bench: Any) -> None:
    """Three days, sixty categories on the second: fifty by name have three rows, ten have one."""
    bench = make_bench("2026-01-03")
    names = [f"c{n:02}" for n in range(60)]
    views = [(name, "ann", "02 10:00", "p", name) for name in names]
    views += [("x", "ann", "02 11:00", "p", "c59"), ("y", "ann", "01 11:00", "q", "c59")]
    products(bench, "category_daily", views=views, days=3)
    assert bench.rows("select count(*) as n, sum(views) as v from marts.category_daily") == [
        (50 * 3 + 10, 62)
    ]
    # c59 is the commonest, so c49 is the first that is not filled.
    assert bench.rows(
        "select category, count(*) as n from marts.category_daily"
        " where category in ('c48', 'c49', 'c59') group by category order by category"
    ) == [("c48", 3), ("c49", 1), ("c59", 3)]
    no = Decimal("0.00")
    assert bench.rows(
        f"select {MEASURES} from marts.category_daily"
        " where category = 'c00' and day = date '2026-01-03'"
    ) == [(0, 0, 0, 0, None, 0, 0, None, 0, no)]


def test_an_order_with_two_lines_of_a_category_is_one(bench: Any) -> None:
    line = ("o1", "ann", "01 12:00", "p1", "Bags", 1, "1.00", "completed")
    products(bench, "category_performance", lines=[line, line])
    assert bench.rows("select orders, buyers, units from marts.category_performance") == [(1, 1, 2)]


# --- searches, carts ------------------------------------------------------------------------------


def test_searches_by_day(make_bench: Any) -> None:
    bench = make_bench("2026-01-03")
    told = [
        ("ann", "01", 5),
        ("ann", "01", 0),
        ("bob", "01", None),
        ("bob", "03", 0),
        ("bot", "03", 1),
    ]
    events = [
        event(f"e{n}", who, f"{day} 10:00", f"s-{who}", is_bot=who == "bot")
        for n, (who, day, _) in enumerate(told)
    ]
    bench.given(
        "sources.products_searched",
        [
            {"id": f"e{n}", "timestamp": f"2026-01-{day} 10:00", "query": "bag", "results": results}
            for n, (_, day, results) in enumerate(told)
        ],
    )
    shop.give(bench, "search_terms", "search_daily", events=events)
    assert bench.rows(
        "select extract(day from day) as n, searches, searchers, search_sessions,"
        " searches_with_results, searches_without_results, searches_of_unknown_results,"
        " searches_of_known_results, no_result_rate from marts.search_daily order by day"
    ) == [
        (1, 3, 2, 2, 1, 1, 1, 2, 0.5),
        (2, 0, 0, 0, 0, 0, 0, 0, None),
        (3, 1, 1, 1, 0, 1, 0, 1, 1.0),
    ]


def test_carts_by_day(make_bench: Any) -> None:
    """Of five carts of the 1st two were abandoned, one was ordered, one cancelled, one is open."""
    bench = make_bench("2026-01-02")
    statuses = ["abandoned", "abandoned", "ordered", "cancelled", "open"]
    carts = [
        {
            "person_id": f"p{n % 4}",
            "cart_id": f"c{n}",
            "cart_date": "2026-01-01",
            "status": status,
            "units_added": n + 1,
            "is_bot": False,
        }
        for n, status in enumerate(statuses)
    ]
    robbed = {**carts[0], "cart_id": "of a bot", "is_bot": True}
    ahead = {**carts[2], "cart_id": "ahead", "cart_date": "2026-03-01"}
    bench.given("marts.carts", [*carts, robbed, ahead])
    shop.give(bench, "cart_abandonment", events=[event("e", "ann", "01 10:00")])
    assert bench.rows(
        "select extract(day from day) as n, carts, ordered_carts, cancelled_carts,"
        " abandoned_carts, open_carts, decided_carts, abandonment_rate, units, abandoned_units,"
        " cart_persons from marts.cart_abandonment order by day"
    ) == [(1, 5, 1, 1, 2, 1, 4, 0.5, 15, 3, 4), (2, 1, 1, 0, 0, 0, 1, 0.0, 3, 0, 1)]


# --- RFM ------------------------------------------------------------------------------------------


def person(name: str, stage: str, *scores: int, spend: str = "0.00", **more: Any) -> dict[str, Any]:
    recency, frequency, monetary = scores or (None, None, None)
    return {
        "person_id": name,
        "is_bot": False,
        "lifecycle_stage": stage,
        "recency_score": recency,
        "frequency_score": frequency,
        "monetary_score": monetary,
        "orders_total": 1 if scores else 0,
        "kept_orders": 1 if scores else 0,
        "spend_total": Decimal(spend),
        "days_since_last_seen": 10,
        **more,
    }


PEOPLE = [
    person("ann", "new", 5, 1, 2, spend="60.00", rfm_segment="new", days_since_last_seen=1),
    person("bob", "new", 5, 1, 2, spend="70.00", rfm_segment="new", days_since_last_seen=4),
    person("cyd", "at risk", 2, 4, 5, spend="870.00", rfm_segment="cannot lose", orders_total=5),
    person("dan", "visitor", days_since_last_seen=None),
    person("bot", "visitor", is_bot=True),
]


def test_the_grid_has_every_cell(bench: Any) -> None:
    bench.given("marts.customer_360", PEOPLE)
    bench.build("rfm_grid")
    assert bench.rows("select count(*) as n, sum(persons) as p from marts.rfm_grid") == [(125, 3)]
    assert bench.rows(
        "select cast(day as varchar) as d, recency_score, frequency_score, monetary_score, persons,"
        " orders, kept_orders, spend, mean_spend"
        " from marts.rfm_grid where persons > 0 order by recency_score"
    ) == [
        ("2026-01-31", 2, 4, 5, 1, 5, 1, Decimal("870.00"), 870.0),
        ("2026-01-31", 5, 1, 2, 2, 2, 2, Decimal("130.00"), 65.0),
    ]
    assert bench.rows(
        "select mean_spend, spend from marts.rfm_grid where recency_score = 1 limit 1"
    ) == [(None, Decimal("0.00"))]


def test_segments_with_their_shares(bench: Any) -> None:
    bench.given("marts.customer_360", PEOPLE)
    bench.build("rfm_segments")
    assert bench.rows(
        "select lifecycle_stage, rfm_segment, persons, share_of_persons, orders, spend,"
        " share_of_spend, mean_spend, mean_days_since_last_seen"
        " from marts.rfm_segments order by lifecycle_stage"
    ) == [
        ("at risk", "cannot lose", 1, 0.25, 5, Decimal("870.00"), 0.87, 870.0, 10.0),
        ("new", "new", 2, 0.5, 2, Decimal("130.00"), 0.13, 65.0, 2.5),
        ("visitor", "(none)", 1, 0.25, 0, Decimal("0.00"), 0.0, 0.0, None),
    ]
    assert bench.rows(
        "select lifecycle_stage, all_persons, all_spend, persons_seen, days_since_last_seen"
        " from marts.rfm_segments order by lifecycle_stage"
    ) == [
        ("at risk", 4, Decimal("1000.00"), 1, 10),
        ("new", 4, Decimal("1000.00"), 2, 5),
        ("visitor", 4, Decimal("1000.00"), 0, 0),
    ]
