"""What came of exports, and what sets a segment apart: by hand-worked numbers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from engagement.as_of import whole_day
from engagement.audience import history, insight, measuring, snapshots
from engagement.audience.insight import Group
from engagement.audience.measuring import TOO_LITTLE, Arm
from engagement.audience.segments import Segment
from engagement.settings import Settings
from engagement.warehouse import Table, Warehouse, open_warehouse
from tests.audience.conftest import COLUMNS, person
from tests.values import values_query

MakeSettings = Callable[..., Settings]

EXPORTED = date(2026, 1, 10)
SEGMENT = Segment.model_validate(
    {"name": "some", "description": "S.", "channels": ["email"], "where": "is_bot = false"}
)


def publish(warehouse: Warehouse, name: str, columns: dict[str, str], rows: Sequence[Any]) -> None:
    with warehouse.session(write=True) as session:
        session.publish(Table.parse(name), values_query(columns, rows))


def shop(
    settings: Settings, exported: dict[str, str], orders: Sequence[tuple[str, int, str, str]]
) -> Warehouse:
    """People by arm, exported on the 10th; orders by person, day of January, status and revenue."""
    warehouse = open_warehouse(settings)
    publish(
        warehouse,
        "marts.orders",
        {"order_id": "varchar", "person_id": "varchar", "order_date": "date",
         "status": "varchar", "net_revenue": "decimal(18,2)"},
        [
            [f"{n}", who, date(2026, 1, day), status, Decimal(worth) if worth else None]
            for n, (who, day, status, worth) in enumerate(orders)
        ],
    )  # fmt: skip
    columns = {"id_type": "varchar", "id": "varchar", "person_id": "varchar"}
    publish(warehouse, "marts.identity_map", columns, [])
    with warehouse.session(write=True) as session:
        found = [("email", who, arm) for who, arm in exported.items()]
        history.write(session, SEGMENT, EXPORTED, found)
    return warehouse


def results(warehouse: Warehouse, settings: Settings, day: int = 31) -> pd.DataFrame:
    return measuring.results(warehouse, settings, whole_day(date(2026, 1, day), "UTC"))


def test_orders_of_the_days_after_an_export_count(make_settings: MakeSettings) -> None:
    """Of four exported, two ordered in the five days after; of two held back, none.

    Not these: an order on the day itself, one on the sixth day, and a cancelled one. The one whose
    worth is not known counts as an order.
    """
    settings = make_settings(audience__measure={"days": 5, "fewest": 2})
    exported = {**dict.fromkeys(("a", "b", "c", "d"), "treatment"),
                **dict.fromkeys(("x", "y"), "holdout")}  # fmt: skip
    warehouse = shop(
        settings,
        exported,
        [("a", 11, "completed", "10.00"), ("a", 15, "refunded", "0.00"),
         ("b", 12, "completed", ""), ("c", 10, "completed", "99.00"),
         ("d", 16, "completed", "99.00"), ("x", 12, "cancelled", "99.00"),
         ("stranger", 12, "completed", "99.00")],
    )  # fmt: skip
    (row,) = results(warehouse, settings).to_dict("records")
    assert (row["treated"], row["held_back"]) == (4, 2)
    assert (row["treated_rate"], row["held_back_rate"], row["difference"]) == (0.5, 0.0, 0.5)
    assert (row["treated_revenue"], row["held_back_revenue"]) == (2.5, 0.0)
    assert row["until"] == EXPORTED + timedelta(days=5)
    assert row["conversion"] == TOO_LITTLE
    assert results(warehouse, settings, 12)["until"].iloc[0] == date(2026, 1, 12)
    assert results(warehouse, settings, 10).empty  # an export of the day itself is too young


def test_a_small_group_says_nothing(make_settings: MakeSettings) -> None:
    settings = make_settings()
    warehouse = shop(settings, {"a": "treatment", "x": "holdout"}, [])
    (row,) = results(warehouse, settings).to_dict("records")
    assert row["conversion"] == row["revenue"] == TOO_LITTLE
    assert pd.isna(row["difference"])
    assert pd.isna(row["revenue_difference"])


def test_a_great_difference_is_told(make_settings: MakeSettings) -> None:
    settings = make_settings()
    people = {f"t{n}": "treatment" for n in range(60)} | {f"h{n}": "holdout" for n in range(40)}
    orders = [(f"t{n}", 12, "completed", "20.00") for n in range(40)]
    orders += [(f"h{n}", 12, "completed", "20.00") for n in range(5)]
    (row,) = results(shop(settings, people, orders), settings).to_dict("records")
    assert (row["conversion"], row["revenue"]) == ("more", "more")
    assert row["low"] > 0


def test_two_people_who_turn_out_to_be_one_are_one(make_settings: MakeSettings) -> None:
    """Who was held back as one person and exported as the other has had the message."""
    settings = make_settings()
    old = hashlib.sha256(b"anonymous_id:d2").hexdigest()[:32]
    warehouse = shop(settings, {"kept": "treatment", old: "holdout"}, [])
    columns = {"id_type": "varchar", "id": "varchar", "person_id": "varchar"}
    publish(warehouse, "marts.identity_map", columns, [["anonymous_id", "d2", "kept"]])
    (row,) = results(warehouse, settings).to_dict("records")
    assert (row["treated"], row["held_back"]) == (1, 0)


def test_without_exports_there_is_nothing_to_compare(make_settings: MakeSettings) -> None:
    settings = make_settings()
    warehouse = open_warehouse(settings)
    publish(warehouse, "marts.orders", {"order_id": "varchar"}, [])
    assert list(results(warehouse, settings).columns) == measuring.COLUMNS


def test_wilson_s_interval_is_the_published_one() -> None:
    """Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662, 0 of 20 gives 0 to 0.1611."""
    assert [round(x, 4) for x in measuring.wilson(81, 263, 0.95)] == [0.2553, 0.3662]
    assert [round(x, 4) for x in measuring.wilson(0, 20, 0.95)] == [0.0, 0.1611]


def test_newcombe_s_interval_is_the_published_one() -> None:
    """Newcombe 1998, table II, method 10: 56/70 less 48/80 gives 0.0524 to 0.3339."""
    found = measuring.conversion(Arm(70, 56, 0, 0), Arm(80, 48, 0, 0), 0.95)
    assert [round(x, 4) for x in found] == [0.2, 0.0524, 0.3339]


@pytest.mark.parametrize(
    ("interval", "expected"),
    [((0.1, 0.01, 0.2), "more"), ((-0.1, -0.2, -0.01), "less"), ((0.1, -0.01, 0.2), TOO_LITTLE),
     ((0.0, 0.0, 0.0), TOO_LITTLE), (None, TOO_LITTLE)],
)  # fmt: skip
def test_an_interval_with_nothing_in_it_is_too_little_to_tell(interval: Any, expected: str) -> None:
    assert measuring.verdict(interval) == expected


def test_revenue_that_never_varies_says_nothing() -> None:
    assert measuring.revenue(Arm(50, 0, 0, 0), Arm(50, 0, 0, 0), 0.95) is None


# --- what sets a segment apart ------------------------------------------------------------------


def test_lift_is_the_ratio_to_everyone_with_its_interval() -> None:
    """Of 100 members 50 have it, of 300 others 30: 0.5 against 80 in 400, so 2.5 times.

    Its logarithm varies by (1/0.5 - 0.25/0.2)² · 0.25/100 + (0.75/0.2)² · 0.09/300.
    """
    found = insight.lift(Group(100, 0.5, 0.25), Group(300, 0.1, 0.09), 0.95)
    assert found is not None
    width = 1.959964 * math.sqrt(0.75**2 * 0.0025 + 3.75**2 * 0.0003)
    assert found[0] == pytest.approx(2.5)
    assert found[1:] == pytest.approx((2.5 * math.exp(-width), 2.5 * math.exp(width)), rel=1e-6)


def test_too_few_people_say_nothing_of_lift() -> None:
    assert insight.lift(Group(9, 0.5, 0.25), Group(300, 0.1, 0.09), 0.95) is None
    assert insight.lift(Group(300, 0.5, 0.25), Group(9, 0.1, 0.09), 0.95) is None
    assert insight.lift(Group(300, 0.0, 0.0), Group(300, 0.1, 0.09), 0.95) is None


def test_a_profile_shows_what_members_have_more_of(make_settings: MakeSettings) -> None:
    """20 members, all on the plan "gold" as are 20 of the 80 others; one value too rare to show."""
    settings = make_settings()
    warehouse = open_warehouse(settings)
    rows = [
        *(person(f"m{n:02d}", plan="gold", orders_total=4) for n in range(20)),
        *(person(f"o{n:02d}", is_bot=True, plan="gold", orders_total=1) for n in range(20)),
        *(person(f"p{n:02d}", is_bot=True, orders_total=n % 2) for n in range(55)),
        *(person(f"r{n:02d}", is_bot=True, plan="ann@shop.example") for n in range(5)),
    ]
    publish(warehouse, "marts.customer_360", COLUMNS, [[r.get(c) for c in COLUMNS] for r in rows])
    columns = {"id_type": "varchar", "id": "varchar", "person_id": "varchar"}
    publish(warehouse, "marts.identity_map", columns, [])
    day = whole_day(date(2026, 1, 31), "UTC")
    snapshots.publish(warehouse, settings, [SEGMENT], day)
    found = insight.profile(warehouse, SEGMENT, day.day, ["plan", "orders_total", "is_bot"])
    told = {(r.feature, r.value): r for r in found.itertuples()}
    assert set(told) == {("plan", "gold"), ("orders_total", ""), ("is_bot", "yes")}
    gold = told["plan", "gold"]
    assert (gold.members, gold.segment, gold.everyone, gold.lift) == (20, 1.0, 0.4, 2.5)
    assert gold.verdict == "more"
    # Of 95 people whose orders are known: 80 of members, 20 and 27 of others.
    orders = told["orders_total", ""]
    assert (orders.segment, orders.everyone) == (4.0, round((80 + 20 + 27) / 95, 4))
    assert told["is_bot", "yes"].verdict == "too little to tell"
    assert "@" not in found.to_csv()
