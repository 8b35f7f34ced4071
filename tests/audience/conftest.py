"""A shop with a few customers, put into ``marts.customer_360`` by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pytest

from engagement.audience.segments import Segment, Selection, select
from engagement.settings import Settings
from engagement.warehouse import Table, Warehouse, open_warehouse
from tests.values import values_query

AS_OF = date(2026, 1, 31)

COLUMNS = {
    "person_id": "varchar",
    "user_id": "varchar",
    "email": "varchar",
    "phone": "varchar",
    "first_name": "varchar",
    "last_name": "varchar",
    "city": "varchar",
    "state": "varchar",
    "country": "varchar",
    "postal_code": "varchar",
    "consent_email": "boolean",
    "consent_sms": "boolean",
    "is_bot": "boolean",
    "plan": "varchar",
    "brands": "varchar",
    "orders_total": "bigint",
    "spend_total": "decimal(18,2)",
    "last_order_date": "date",
    "last_seen_at": "timestamp(3)",
}

Row = dict[str, Any]


def person(id_: str, **more: Any) -> Row:
    """A customer who can be reached by mail and by text message, with consent to both."""
    place = sum(ord(letter) for letter in id_) % 90 + 10
    return {"person_id": id_, "email": f"{id_}@shop.example", "phone": f"+1 555 010 00{place}",
            "consent_email": True, "consent_sms": True, "is_bot": False, **more}  # fmt: skip


@pytest.fixture
def make_shop(make_settings: Callable[..., Settings]) -> Callable[[Sequence[Row]], Warehouse]:
    """A warehouse whose customer table holds these rows; columns left out are NULL."""

    def make(rows: Sequence[Row]) -> Warehouse:
        warehouse = open_warehouse(make_settings())
        content = [[row.get(name) for name in COLUMNS] for row in rows]
        with warehouse.session(write=True) as session:
            session.publish(Table("marts", "customer_360"), values_query(COLUMNS, content))
        return warehouse

    return make


@pytest.fixture
def make_selection(
    make_shop: Callable[[Sequence[Row]], Warehouse],
) -> Callable[..., Selection]:
    """The people of a segment (everybody, by mail, unless said otherwise) in a shop."""

    def make(*rows: Row, **segment: Any) -> Selection:
        keys = {"name": "everybody", "description": "All.", "where": "true", "channels": ["email"]}
        return select(make_shop(rows), Segment.model_validate({**keys, **segment}), AS_OF)

    return make
