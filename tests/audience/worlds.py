"""Random shops and random rules, and who is in a segment by an evaluator of its own.

The evaluator goes through a rule as a file writes it and through plain rows, one person after
another. It shares no code with what makes SQL of rules.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from engagement.warehouse import Session, Table
from tests.values import values_query

Row = dict[str, Any]
Document = dict[str, Any]

ZONE = ZoneInfo("America/New_York")
AS_OF = date(2026, 3, 10)
"""Two days after the clocks went forward in New York."""

END = datetime.combine(AS_OF + timedelta(days=1), time(), ZONE).astimezone(UTC).replace(tzinfo=None)

CUSTOMERS = {
    "person_id": "varchar",
    **dict.fromkeys(
        ("user_id", "email", "phone", "first_name", "last_name", "city", "state", "country",
         "postal_code"),
        "varchar",
    ),
    "consent_email": "boolean",
    "consent_sms": "boolean",
    "orders_total": "bigint",
    "spend_total": "decimal(38,2)",
    "coupon_order_share": "double",
    "plan": "varchar",
    "payment_methods": "varchar",
    "is_identified": "boolean",
    "first_order_date": "date",
    "last_seen_at": "timestamp(3)",
}  # fmt: skip
SESSION_EVENTS = {
    "id": "varchar",
    "received_at_utc_date": "varchar",
    "person_id": "varchar",
    "event_date": "date",
    "is_bot": "boolean",
    "timestamp": "timestamp(3)",
}
EVENTS = {
    "id": "varchar",
    "received_at": "timestamp(3)",
    "received_at_utc_date": "varchar",
    "category": "varchar",
    "price": "double",
    "quantity": "bigint",
    "product_id": "varchar",
    "sku": "varchar",
    "name": "varchar",
}
ORDERS = {
    "order_id": "varchar",
    "person_id": "varchar",
    "order_date": "date",
    "status": "varchar",
    "coupon": "varchar",
    "is_bot": "boolean",
    "units": "bigint",
    "net_revenue": "decimal(18,2)",
    "ordered_at": "timestamp(3)",
}
CARTS = {
    "cart_id": "varchar",
    "person_id": "varchar",
    "status": "varchar",
    "is_bot": "boolean",
    "units_added": "bigint",
    "last_added_at": "timestamp(3)",
}
ORDER_ITEMS = {
    "order_id": "varchar",
    "line_number": "bigint",
    "person_id": "varchar",
    "order_date": "date",
    "status": "varchar",
    "category": "varchar",
    "is_bot": "boolean",
    "quantity": "bigint",
    "item_sales": "decimal(18,2)",
    "ordered_at": "timestamp(3)",
}
SESSIONS = {
    "session_id": "varchar",
    "person_id": "varchar",
    "session_date": "date",
    "channel": "varchar",
    "is_engaged": "boolean",
    "is_bot": "boolean",
    "page_views": "bigint",
    "net_revenue": "decimal(38,2)",
    "started_at": "timestamp(3)",
}
PRODUCT_PRICES = {
    "product": "varchar",
    "price_date": "date",
    "name": "varchar",
    "price": "decimal(18,2)",
}

WORDS = ("", "plus", "Plus", "it's; -- free", "a|b", "b", "ä", "%_", "a")
NUMBERS = (-3, 0, 1, 2, 5)
PRICES = (0.0, 1.5, 9.99, 10.0, 1e30)
AMOUNTS = ("0.00", "9.99", "10.00", "100.00", "-5.50")
PRODUCTS = ("p1", "p2", "s1")
NOW = ("0.00", "4.00", "5.00", "8.00", "9.99", "10.00")
"""Prices by day."""


@dataclass(frozen=True)
class World:
    """The tables of a random shop, and whether its bots are left out."""

    customers: list[Row]
    events: dict[str, list[Row]]
    orders: list[Row]
    carts: list[Row]
    exclude_bots: bool
    order_items: list[Row] = field(default_factory=list)
    sessions: list[Row] = field(default_factory=list)
    product_prices: list[Row] = field(default_factory=list)
    members: dict[str, Document] = field(default_factory=dict)


def world(seed: int) -> World:
    """A shop of a few people whose events often fall on the same moment."""
    chance = random.Random(seed)

    def pick(values: Any) -> Any:
        return chance.choice([None, *values])

    def moment() -> datetime:
        # Hours on a coarse grid make ties; the last ones lie after the as-of moment.
        on_grid = END - timedelta(hours=3 * chance.randrange(-2, 60))
        return on_grid + timedelta(milliseconds=chance.choice([0, 0, 0, 1, -1]))

    people = [hashlib.sha256(f"{seed} {n}".encode()).hexdigest()[:32] for n in range(9)]
    customers = [
        {
            "person_id": one,
            "orders_total": pick(NUMBERS),
            "spend_total": None if chance.random() < 0.2 else Decimal(chance.choice(AMOUNTS)),
            "coupon_order_share": pick((0.0, 0.25, 1.0)),
            "plan": pick(WORDS),
            "payment_methods": pick(WORDS),
            "is_identified": pick((True, False)),
            "first_order_date": pick([AS_OF - timedelta(days=n) for n in (0, 1, 6, 7)]),
            "last_seen_at": pick([END - timedelta(hours=n) for n in (0, 1, 6, 24, 25)]),
        }
        for one in people
    ]

    def events(name: str) -> list[Row]:
        return [
            {
                "id": f"{name}-{n}",
                "received_at_utc_date": "2026-03-10",
                "received_at": END + timedelta(hours=1)
                if chance.random() < 0.1
                else END - timedelta(hours=1),
                # Some events are of people without a row, as bots are.
                "person_id": chance.choice([*people, "nobody"]),
                "moment": moment(),
                "is_bot": chance.choice([True, False, False, None]),
                "category": pick(WORDS),
                "price": pick(PRICES),
                "quantity": pick(NUMBERS),
                # A product is known by the first of these that was sent.
                "product_id": pick(PRODUCTS[:2]),
                "sku": pick(PRODUCTS[2:]),
                "name": pick(PRODUCTS[:2]),
            }
            for n in range(chance.choice([6, 25] if name == "coupon_applied" else [0, 6, 25]))
        ]

    return World(
        customers=customers,
        events={name: events(name) for name in ("product_viewed", "coupon_applied")},
        orders=[
            {
                "order_id": f"order {n}",
                "person_id": chance.choice(people),
                "moment": moment(),
                "status": chance.choice(["completed", "completed", "cancelled", "refunded"]),
                "coupon": pick(WORDS),
                "is_bot": chance.choice([True, False, None]),
                "units": pick(NUMBERS),
                "net_revenue": None if chance.random() < 0.2 else Decimal(chance.choice(AMOUNTS)),
            }
            for n in range(chance.choice([0, 12]))
        ],
        carts=[
            {
                "cart_id": f"cart {n}",
                "person_id": chance.choice(people),
                "moment": moment(),
                "status": chance.choice(["ordered", "abandoned", "open"]),
                "is_bot": chance.choice([True, False]),
                "units_added": chance.choice(NUMBERS),
            }
            for n in range(chance.choice([0, 12]))
        ],
        exclude_bots=chance.random() < 0.7,
        order_items=[
            {
                "order_id": f"order {n // 2}",
                "line_number": n % 2 + 1,
                "person_id": chance.choice(people),
                "moment": moment(),
                "status": chance.choice(["completed", "completed", "cancelled", "refunded"]),
                "category": pick(WORDS),
                "is_bot": chance.choice([True, False, None]),
                "quantity": chance.choice([1, 2, 5]),
                "item_sales": None if chance.random() < 0.2 else Decimal(chance.choice(AMOUNTS)),
            }
            for n in range(chance.choice([0, 16]))
        ],
        sessions=[
            {
                "session_id": f"session {n}",
                "person_id": chance.choice(people),
                "moment": moment(),
                "channel": chance.choice(WORDS[1:]),
                "is_engaged": chance.choice([True, False]),
                "is_bot": chance.choice([True, False]),
                "page_views": chance.choice([0, 1, 2, 5]),
                "net_revenue": Decimal(chance.choice(AMOUNTS)),
            }
            for n in range(chance.choice([0, 16]))
        ],
        product_prices=[
            {
                "product": product,
                "price_date": AS_OF - timedelta(days=n),
                "name": pick(WORDS),
                "price": None if chance.random() < 0.2 else Decimal(chance.choice(NOW)),
            }
            for product in PRODUCTS
            for n in range(9)
            if chance.random() < 0.7
        ],
    )


def publish(session: Session, shop: World) -> None:
    """Put a shop's tables into a warehouse."""

    def table(name: str, columns: dict[str, str], rows: list[Row]) -> None:
        content = [[row.get(column) for column in columns] for row in rows]
        session.publish(Table.parse(name), values_query(columns, content), columns=columns)

    table("marts.customer_360", CUSTOMERS, shop.customers)
    happened = [row for rows in shop.events.values() for row in rows]
    table(
        "marts.session_events",
        SESSION_EVENTS,
        [{**row, "timestamp": row["moment"], "event_date": day(row)} for row in happened],
    )
    for name, rows in shop.events.items():
        if rows:
            table(f"events.{name}", EVENTS, rows)
    names = [("Product Viewed", "product_viewed"), ("Coupon Applied", "coupon_applied")]
    table(
        "landing.event_names",
        {"type": "varchar", "event": "varchar", "events": "bigint",
         "received_at_utc_date": "varchar"},
        [
            {"type": "track", "event": event, "events": len(shop.events[name]),
             "received_at_utc_date": "2026-03-10"}
            for event, name in names
            if shop.events[name]
        ],
    )  # fmt: skip
    table(
        "marts.orders",
        ORDERS,
        [{**row, "ordered_at": row["moment"], "order_date": day(row)} for row in shop.orders],
    )
    table("marts.carts", CARTS, [{**row, "last_added_at": row["moment"]} for row in shop.carts])
    table(
        "marts.order_items",
        ORDER_ITEMS,
        [{**row, "ordered_at": row["moment"], "order_date": day(row)} for row in shop.order_items],
    )
    table(
        "marts.sessions",
        SESSIONS,
        [{**row, "started_at": row["moment"], "session_date": day(row)} for row in shop.sessions],
    )
    table("marts.product_prices", PRODUCT_PRICES, shop.product_prices)


def day(row: Row) -> date:
    """The day of a row's moment in New York."""
    moment: datetime = row["moment"]
    return moment.replace(tzinfo=UTC).astimezone(ZONE).date()


# --- random rules -------------------------------------------------------------------------------

NUMBER = {"orders_total": NUMBERS, "coupon_order_share": (0.0, 0.25, 1.0, 1)}
MONEY = (0, 9.99, 10, 100.5, -5.5)


def windows() -> st.SearchStrategy[Document]:
    """The last days or hours."""
    days = st.sampled_from([1, 2, 3, 7]).map(lambda n: {"days": n})
    return days | st.sampled_from([1, 3, 6, 24, 48]).map(lambda n: {"hours": n})


def comparisons(kind: str, values: Any) -> st.SearchStrategy[Document]:
    """One or two comparisons of a kind of column with some values."""
    one = st.sampled_from(list(values))
    several = st.lists(one, min_size=1, max_size=3, unique=True)
    known: dict[str, st.SearchStrategy[Any]] = {
        "is": one,
        "is_not": one,
        "missing": st.booleans(),
    }
    if kind != "flag":
        known |= {"one_of": several, "none_of": several}
    if kind in ("number", "time"):
        known |= dict.fromkeys(("more_than", "at_least", "less_than", "at_most"), one)
    if kind == "text":
        parts = st.sampled_from([word for word in values if word])
        known |= {"contains": parts, "starts_with": parts, "has": parts}
    single = st.one_of([value.map(lambda v, k=key: {k: v}) for key, value in known.items()])
    return st.builds(lambda a, b: {**a, **b}, single, st.just({}) | single)


@st.composite
def features(draw: st.DrawFn) -> Document:
    """A feature of the customer table."""

    def of(name: str, tests: st.SearchStrategy[Document]) -> st.SearchStrategy[Document]:
        return tests.map(lambda test: {"feature": name, **test})

    day_values = [str(AS_OF - timedelta(days=n)) for n in (0, 1, 6, 7)]
    time_values = [str(END - timedelta(hours=n)) for n in (0, 1, 6, 24)]
    in_days = st.sampled_from([1, 2, 7]).map(lambda n: {"days": n})
    ago = st.sampled_from(["within", "before"])
    every = (
        of("orders_total", comparisons("number", NUMBERS)),
        of("spend_total", comparisons("number", MONEY)),
        of("coupon_order_share", comparisons("number", (0.0, 0.25, 1, 1.0))),
        of("plan", comparisons("text", WORDS)),
        of("payment_methods", comparisons("text", WORDS)),
        of("is_identified", comparisons("flag", (True, False))),
        of("first_order_date", comparisons("time", day_values)),
        of("last_seen_at", comparisons("time", time_values)),
        of("first_order_date", st.builds(lambda key, window: {key: window}, ago, in_days)),
        of("last_seen_at", st.builds(lambda key, window: {key: window}, ago, windows())),
    )
    return draw(draw(st.sampled_from(every)))


def _optional(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries({}, optional=parts)


@st.composite
def happenings(draw: st.DrawFn) -> Document:
    """Something that happens, with conditions and times."""

    def of(source: Document, *tests: st.SearchStrategy[Document]) -> st.SearchStrategy[Document]:
        return _optional(
            where=st.lists(st.one_of(*tests), min_size=1, max_size=2),
            within=windows(),
            before=windows(),
        ).map(lambda more: {**source, **more})

    def test(name: str, kind: str, values: Any) -> st.SearchStrategy[Document]:
        return comparisons(kind, values).map(lambda one: {"property": name, **one})

    product = (
        test("category", "text", WORDS),
        test("price", "number", PRICES[:-1]),
        test("quantity", "number", NUMBERS),
    )
    order = (
        test("coupon", "text", WORDS),
        test("net_revenue", "number", MONEY),
        test("status", "text", ("completed", "cancelled", "refunded")),
    )
    cart = (
        test("status", "text", ("ordered", "abandoned", "open")),
        test("units_added", "number", NUMBERS),
    )
    item = (
        test("category", "text", WORDS),
        test("quantity", "number", NUMBERS),
        test("item_sales", "number", MONEY),
        test("status", "text", ("completed", "cancelled", "refunded")),
    )
    session = (
        test("channel", "text", WORDS),
        test("is_engaged", "flag", (True, False)),
        test("page_views", "number", NUMBERS),
        test("net_revenue", "number", MONEY),
    )
    drop = (
        test("product", "text", PRODUCTS),
        test("name", "text", WORDS),
        test("price_then", "number", (0, 9.99, 10)),
        test("price_now", "number", (0, 5, 9.99)),
        test("drop_share", "number", (0.2, 0.5, 0.6, 1)),
    )
    every = (
        of({"concept": "product_viewed"}, *product),
        of({"event": "coupon applied"}, *product),
        of({"from": "orders"}, *order),
        of({"from": "carts"}, *cart),
        of({"from": "order_items"}, *item),
        of({"from": "sessions"}, *session),
        of({"from": "price_drops"}, *drop),
    )
    return draw(draw(st.sampled_from(every)))


def counts() -> st.SearchStrategy[Document]:
    """How often."""
    few = st.integers(0, 3)
    return st.one_of(
        few.map(lambda n: {"exactly": n}),
        few.map(lambda n: {"at_least": n}),
        few.map(lambda n: {"at_most": n}),
        st.builds(lambda n, more: {"at_least": n, "at_most": n + more}, few, few),
    )


_SUMMED = {
    "product_viewed": ("price", "quantity"),
    "coupon applied": ("price", "quantity"),
    "orders": ("net_revenue", "units"),
    "carts": ("units_added",),
    "order_items": ("quantity", "item_sales"),
    "sessions": ("page_views", "net_revenue"),
    "price_drops": ("price_then", "drop_share"),
}


@st.composite
def dids(draw: st.DrawFn) -> Document:
    """Something that a person did: how often, for how much, or when first or last."""
    document = dict(draw(happenings()))
    form = draw(st.sampled_from(["once", "count", "sum", "when"]))
    if form == "count":
        document["count"] = draw(counts())
    elif form == "sum":
        of = draw(st.sampled_from(_SUMMED[next(iter(document.values()))]))
        key = draw(st.sampled_from(["more_than", "at_least", "less_than", "at_most"]))
        document["sum"] = {"of": of, key: draw(st.sampled_from(MONEY))}
        if draw(st.booleans()):
            document["count"] = draw(counts())
    elif form == "when":
        document["when"] = draw(st.sampled_from(["first", "last"]))
        if not {"within", "before"} & document.keys():
            document["within"] = draw(windows())
    return document


@st.composite
def sequences(draw: st.DrawFn) -> Document:
    """One thing after another."""
    more = draw(_optional(within=windows(), without=happenings()))
    return {"first": draw(happenings()), "then": draw(happenings()), **more}


def trees() -> st.SearchStrategy[Document]:
    """A rule, as a file writes it."""
    leaves = st.one_of(
        features(),
        dids().map(lambda one: {"did": one}),
        dids().map(lambda one: {"did_not": one}),
        sequences().map(lambda one: {"sequence": one}),
        st.just({"segment": "other"}),
    )

    def inner(parts: st.SearchStrategy[Document]) -> st.SearchStrategy[Document]:
        several = st.lists(parts, min_size=1, max_size=3)
        return st.one_of(
            several.map(lambda some: {"all": some}),
            several.map(lambda some: {"any": some}),
            parts.map(lambda one: {"not": one}),
        )

    return st.recursive(leaves, inner, max_leaves=5)


# --- the evaluator ------------------------------------------------------------------------------


def members(shop: World, segment: Document) -> list[str]:
    """People of a segment, given as a file writes it: ``who``, ``sample`` and ``name``."""
    found = []
    for row in shop.customers:
        person = row["person_id"]
        if not holds(shop, row, segment["who"]):
            continue
        share = segment.get("sample", 1)
        if share < 1:
            digest = hashlib.sha256(f"{segment['name']}:{person}".encode()).hexdigest()
            if int(digest[:8], 16) >= round(share * 2**32):
                continue
        found.append(person)
    return sorted(found)


def holds(shop: World, row: Row, rule: Document) -> bool:
    """Whether a rule is true of a person."""
    if "all" in rule:
        return all(holds(shop, row, part) for part in rule["all"])
    if "any" in rule:
        return any(holds(shop, row, part) for part in rule["any"])
    if "not" in rule:
        return not holds(shop, row, rule["not"])
    if "feature" in rule:
        name = rule["feature"]
        kind = CUSTOMERS[name]
        return fits(row.get(name), kind, {k: v for k, v in rule.items() if k != "feature"})
    if "did" in rule:
        return did(shop, row["person_id"], rule["did"])
    if "did_not" in rule:
        return not did(shop, row["person_id"], rule["did_not"])
    if "sequence" in rule:
        return in_order(shop, row["person_id"], rule["sequence"])
    return row["person_id"] in members(shop, shop.members[rule["segment"]])


def fits(value: Any, kind: str, tests: Document) -> bool:
    """Whether a value is what all of some comparisons say."""
    return all(_fits(value, kind, key, wanted) for key, wanted in tests.items())


def _fits(value: Any, kind: str, key: str, wanted: Any) -> bool:
    if key == "missing":
        return (value is None) == wanted
    if key == "is_not":
        return not _fits(value, kind, "is", wanted)
    if key == "none_of":
        return not _fits(value, kind, "one_of", wanted)
    if value is None:
        return False
    if key == "one_of":
        return any(_fits(value, kind, "is", one) for one in wanted)
    if key in ("contains", "starts_with"):
        return wanted in value if key == "contains" else value.startswith(wanted)
    if key == "has":
        return f"|{wanted}|" in f"|{value}|"
    if key in ("within", "before"):
        is_day = not isinstance(value, datetime)
        row = {"day": value} if is_day else {"moment": value, "day": day({"moment": value})}
        return in_time(row, {key: wanted})
    wanted = _as(wanted, kind)
    return {
        "is": value == wanted,
        "more_than": value > wanted,
        "at_least": value >= wanted,
        "less_than": value < wanted,
        "at_most": value <= wanted,
    }[key]


def _as(wanted: Any, kind: str) -> Any:
    if kind == "date":
        return date.fromisoformat(wanted)
    if kind.startswith("timestamp"):
        return datetime.fromisoformat(wanted)
    if kind.startswith("decimal"):
        return Decimal(str(wanted))
    return wanted


def in_time(row: Row, windows_: Document) -> bool:
    """Whether something counts in the last days or hours, and before others."""
    for key in ("within", "before"):
        window = windows_.get(key)
        if window is None:
            continue
        if "days" in window:
            is_late = row["day"] > AS_OF - timedelta(days=window["days"])
        else:
            is_late = row["moment"] >= END - timedelta(hours=window["hours"])
        if is_late != (key == "within"):
            return False
    return True


_KINDS = {
    "category": "varchar", "price": "double", "quantity": "bigint", "coupon": "varchar",
    "net_revenue": "decimal(18,2)", "status": "varchar", "units_added": "bigint",
    "units": "bigint", "item_sales": "decimal(18,2)", "channel": "varchar",
    "is_engaged": "boolean", "page_views": "bigint", "product": "varchar", "name": "varchar",
    "price_then": "decimal(18,2)", "price_now": "decimal(18,2)", "drop_share": "double",
}  # fmt: skip


def happened(shop: World, person: str, what: Document) -> Iterator[Row]:
    """What a person did that has the properties, whenever it was."""
    if what.get("from") == "price_drops":
        rows = list(price_drops(shop))
    elif "from" in what:
        rows = getattr(shop, what["from"])
    else:
        rows = shop.events["product_viewed" if "concept" in what else "coupon_applied"]
    names = [test["property"] for test in what.get("where", [])]
    for row in rows:
        if row["person_id"] != person or (shop.exclude_bots and row["is_bot"]):
            continue
        if row.get("received_at", END - timedelta(1)) >= END:
            continue
        is_of_order = what.get("from") in ("orders", "order_items")
        if is_of_order and "status" not in names and row["status"] == "cancelled":
            continue
        if all(
            fits(
                row[test["property"]],
                _KINDS[test["property"]],
                {k: v for k, v in test.items() if k != "property"},
            )
            for test in what.get("where", [])
        ):
            yield {"day": day(row), **row}


def price_drops(shop: World) -> Iterator[Row]:
    """Views of products that cost less on the last day with a price than on the day of the view."""
    prices: dict[str, dict[date, Row]] = {}
    for row in shop.product_prices:
        if row["price"] is not None:
            prices.setdefault(row["product"], {})[row["price_date"]] = row
    for view in shop.events["product_viewed"]:
        product = view.get("product_id") or view.get("sku") or view.get("name")
        known = prices.get(product, {})
        seen_on = min(day(view), AS_OF)
        if seen_on not in known:
            continue
        then, now = known[seen_on]["price"], known[max(known)]
        if now["price"] < then:
            share = round(float(1 - now["price"] / then), 4)
            yield {
                **view, "day": seen_on, "product": product, "name": now["name"],
                "price_then": then, "price_now": now["price"], "drop_share": share,
            }  # fmt: skip


def did(shop: World, person: str, what: Document) -> bool:
    """Whether a person did something as often, and when, as a rule says."""
    rows = list(happened(shop, person, what))
    if what.get("when") in ("first", "last"):
        if not rows:
            return False
        extreme = min if what["when"] == "first" else max
        return in_time(extreme(rows, key=lambda row: row["moment"]), what)
    rows = [row for row in rows if in_time(row, what)]
    count = what.get("count", {"at_least": 1})
    times = len(rows)
    if times != count.get("exactly", times):
        return False
    if times < count.get("at_least", 0) or times > count.get("at_most", times):
        return False
    if "sum" not in what:
        return True
    of = what["sum"]["of"]
    # Amounts of 10^12 and more are left out of a sum of doubles: see the docs.
    values = [
        Decimal(str(row[of]))
        for row in rows
        if row[of] is not None and (_KINDS[of] != "double" or row[of] < 1e12)
    ]
    if not values:
        return False
    return fits(sum(values), "decimal(38,6)", {k: v for k, v in what["sum"].items() if k != "of"})


def in_order(shop: World, person: str, what: Document) -> bool:
    """Whether one thing came after another, soon enough and with nothing between."""

    def moments(step: Document) -> list[datetime]:
        return [r["moment"] for r in happened(shop, person, step) if in_time(r, step)]

    between = moments(what["without"]) if "without" in what else []
    for first in moments(what["first"]):
        for then in moments(what["then"]):
            if then <= first:
                continue
            window = what.get("within")
            if window is not None:
                hours = window.get("hours") or window["days"] * 24
                if then > first + timedelta(hours=hours):
                    continue
            if not any(first < moment < then for moment in between):
                return True
    return False
