"""Money, orders and people are the same wherever they are added up.

On the committed samples, on what the generator makes, and on small shops of random orders: odd
amounts, currencies without a rate, refunds and cancellations in any order, clocks that run ahead,
bots, orders from a server and from people whose account is older than the data.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from engagement import samples
from engagement.as_of import resolve_as_of
from engagement.flatten import flatten
from engagement.models.runner import build, models
from engagement.settings import ROOT, Settings, load_settings
from engagement.warehouse import Warehouse, open_warehouse
from tests.models import identities
from tests.models.identities import broken

SEEDS = range(2)

ZONES = ("UTC", "America/New_York", "Asia/Tokyo")
AS_OF = ("latest", "2026-02-20", None)


class Books:
    """Models of a landing, and sums over them."""

    def __init__(self, home: Path, landing: Path, **overrides: Any) -> None:
        own = {
            "landing.location": str(landing),
            "warehouse.duckdb.path": str(home / "warehouse.duckdb"),
            **{key.replace("__", "."): value for key, value in overrides.items()},
        }
        self.settings: Settings = load_settings("params/local.yaml", own)
        self.warehouse: Warehouse = open_warehouse(self.settings)
        flatten(self.warehouse, self.settings)
        layers = sorted({model.layer for model in models().values()})
        built = build(
            self.warehouse, self.settings, resolve_as_of(self.warehouse, self.settings), layers
        )
        assert {one.status for one in built} == {"built"}

    @property
    def counted(self) -> str:
        """A condition: rows that are in metrics."""
        return "not coalesce(is_bot, false)" if self.settings.metrics.exclude_bots else "true"

    def sums(self, table: str, *columns: str, where: str = "true") -> tuple[Any, ...]:
        """Sums of columns over the rows of a table that meet a condition; nothing is 0."""
        chosen = ", ".join(
            f"coalesce(sum({column}), 0) as s{n}" for n, column in enumerate(columns)
        )
        found = self.warehouse.query(f"select {chosen} from marts.{table} where {where}").iloc[0]
        return tuple(map(_plain, found))

    def one(self, sql: str) -> Any:
        return _plain(self.warehouse.query(sql).iloc[0, 0])

    def orders(self, *columns: str, where: str = "true") -> tuple[Any, ...]:
        """Sums over the orders that metrics count, cancelled ones too."""
        return self.sums("orders", *columns, where=f"{self.counted} and {where}")


def _plain(value: Any) -> Any:
    """A number as Python has it: NumPy's do not compare with decimals."""
    return value.item() if hasattr(value, "item") else value


STANDS = "case when status <> 'cancelled' then 1 else 0 end"


def reconcile(books: Books) -> None:
    """Compare every table that holds money, orders or new people with the orders and the people."""
    money = ("item_sales", "discount", "items_difference", "revenue", "tax", "shipping")
    money = (*money, "order_total")
    stand = books.orders(STANDS, *money, where="status <> 'cancelled'")
    orders, item_sales, discount, difference, revenue, tax, shipping, order_total = stand
    refunds, net_revenue = books.orders("refunds", "net_revenue")
    cancelled_orders, cancelled_revenue = books.orders(
        "case when status = 'cancelled' then 1 else 0 end", "cancelled_revenue"
    )
    assert item_sales - discount + difference == revenue
    assert revenue - refunds == net_revenue
    assert revenue + tax + shipping == order_total

    # A cancelled order is in its own two figures, and in no other.
    assert (
        books.orders("revenue", "refunds", "net_revenue", where="status = 'cancelled'") == (0,) * 3
    )

    whole = (*stand, refunds, net_revenue, cancelled_orders, cancelled_revenue)
    columns = ("orders", *money, "refunds", "net_revenue", "cancelled_orders", "cancelled_revenue")
    assert books.sums("daily_overview", *columns) == whole
    assert books.sums("channel_performance", *columns) == whole

    refund_sum = books.sums("order_refunds", "refunds", where=books.counted)
    assert refund_sum == (refunds,)

    steps = dict.fromkeys(("item_sales", "revenue", "net_revenue", "order_total"))
    for measure in steps:
        steps[measure] = books.one(
            f"select max(amount) from marts.revenue_reconciliation where measure = '{measure}'"
        )
    assert [*steps.values()] == [item_sales, revenue, net_revenue, order_total]
    assert books.sums("product_performance", "item_sales") == (item_sales,)
    lines = books.one(
        "select coalesce(sum(i.item_sales), 0) from marts.order_items as i"
        " inner join marts.orders as o on i.order_id = o.order_id"
        f" where o.status <> 'cancelled' and {books.counted.replace('is_bot', 'o.is_bot')}"
    )
    assert lines == item_sales

    # Attribution: every order that stands has credits of one, and all of its money.
    assert books.sums("attribution_last_touch", "revenue", "net_revenue") == (revenue, net_revenue)
    credited = books.one("select coalesce(sum(credits), 0) from marts.attribution_last_touch")
    assert credited == pytest.approx(orders)

    # Sessions, and as the rest the orders in none. Bots' are in both, since they are rows too.
    in_sessions = books.sums(
        "sessions", "orders", "cancelled_orders", "revenue", "refunds", "net_revenue"
    )
    rest = books.sums(
        "orders",
        STANDS,
        "case when status = 'cancelled' then 1 else 0 end",
        *("revenue", "refunds", "net_revenue"),
        where="session_id is null",
    )
    everything = books.sums(
        "orders",
        STANDS,
        "case when status = 'cancelled' then 1 else 0 end",
        *("revenue", "refunds", "net_revenue"),
    )
    assert tuple(map(sum, zip(in_sessions, rest, strict=True))) == everything

    assert books.sums("customer_360", "orders_total", "spend_total") == (orders, net_revenue)

    # What is the same in two of the dashboards' tables.
    assert broken(books) == []
    by_model = books.warehouse.query(
        "select model, sum(cast(double_text(credits) as decimal(38, 6))) as credits"
        " from marts.attribution_channels group by model"
    )
    assert len(by_model) == (7 if orders else 0)
    assert all(abs(credits_ - orders) < 1e-6 for credits_ in by_model["credits"])

    # People: whoever has an event is new on one day and in one cohort, or was known before.
    new = books.one("select count_if(is_new) from marts.arrivals")
    everyone = books.one("select count(*) from marts.arrivals")
    assert books.sums("daily_overview", "new_users") == (new,)
    assert books.sums("retention_weekly", "cohort_persons", where="week_number = 0") == (new,)
    assert everyone == books.one(
        f"select count(distinct person_id) from marts.session_events where {books.counted}"
    )
    strangers = books.one(
        "select count(*) from marts.sessions as s"
        " left join marts.arrivals as a on s.person_id = a.person_id"
        " where s.is_new_visitor and not coalesce(a.is_new, false)"
    )
    assert strangers == 0

    # A year that holds all days has their sums; persons in it are new or were known before.
    year = books.warehouse.query(
        "select p.users, p.new_users, p.known_users, p.revenue, p.refunds, p.net_revenue,"
        " d.first_day >= p.from_day as holds_all"
        " from marts.overview_periods as p"
        " cross join (select min(day) as first_day from marts.daily_overview) as d"
        " where p.window_days = 365"
    ).iloc[0]
    if year["holds_all"]:
        assert (year["users"], year["new_users"]) == (everyone, new)
        assert year["known_users"] == everyone - new
        assert (year["revenue"], year["refunds"], year["net_revenue"]) == (
            revenue,
            refunds,
            net_revenue,
        )


def test_an_identity_that_does_not_hold_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = (("count(*)", "orders"), ("count(*)", "sessions"))
    monkeypatch.setattr(identities, "IDENTITIES", {"the same": sides, "others": sides})
    found = [(0, "a", 1), (0, "b", 1), (1, "a", 1), (1, "b", 2)]
    frame = pd.DataFrame(found, columns=["n", "side", "v"])
    warehouse = SimpleNamespace(query=lambda _: frame)
    books = SimpleNamespace(counted="true", warehouse=warehouse)
    assert broken(books) == ["others: {'a': 1, 'b': 2}"]


# --- landings -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_samples_reconcile(tmp_path: Path) -> None:
    books = Books(tmp_path, ROOT / "data/samples/rudderstack_firehose")
    reconcile(books)
    assert all(amount > 0 for amount in books.orders("revenue", "refunds", "cancelled_revenue"))


@pytest.mark.slow
def test_the_samples_reconcile_in_a_currency_of_large_numbers(tmp_path: Path) -> None:
    rates = {"USD": "155.5", "EUR": "171.05", "GBP": "202.2"}
    books = Books(
        tmp_path,
        ROOT / "data/samples/rudderstack_firehose",
        currency={"reporting": "JPY", "rates": rates},
    )
    reconcile(books)
    assert books.orders("revenue")[0] > 10_000_000


@pytest.mark.slow
def test_what_the_generator_makes_reconciles(tmp_path: Path) -> None:
    settings = samples.GeneratorSettings(
        users=150, days=40, seed=1, conversion=0.2, eur_share=0.1, gbp_share=0.05
    )
    samples.generate(settings, tmp_path / "landing")
    books = Books(tmp_path, tmp_path / "landing", as_of="latest")
    reconcile(books)
    assert books.orders("revenue")[0] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_shop_of_random_orders_reconciles(seed: int, tmp_path: Path) -> None:
    luck = random.Random(seed)
    write_shop(luck, tmp_path / "landing")
    books = Books(
        tmp_path,
        tmp_path / "landing",
        timezone=ZONES[seed % 3],
        as_of=AS_OF[seed % 3],
        metrics__exclude_bots=seed % 2 == 0,
    )
    reconcile(books)
    # What the shops are made for is in each of them.
    months = books.sums("cohort_revenue", "orders", "refunds", where="period = 'month'")
    assert all(amount > 0 for amount in months)
    assert books.one("select count(distinct status) from marts.orders") == 4
    for condition in ("not is_converted", "is_bot", "session_id is null", "net_revenue < 0"):
        assert books.one(f"select count_if({condition}) from marts.orders") > 0, condition
    assert books.one("select count_if(not is_new) from marts.arrivals") > 0


# --- random shops ---------------------------------------------------------------------------------

START = datetime(2026, 1, 20)
BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"
)
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
CAMPAIGNS: tuple[dict[str, str], ...] = (
    {},
    {"source": "newsletter", "medium": "email", "name": "spring"},
    {"source": "google", "medium": "cpc"},
)
AMOUNTS: tuple[Any, ...] = (
    *(0, 0.01, 19.99, 49.5, 100, 12_345.67, -5, 1e12, "12.5", "free", None, 9_999_999_999.99),
)
QUANTITIES: tuple[Any, ...] = (1, 1, 2, 3, None, 0, -1, 2.5, 999_999, 10**7)


def write_shop(luck: random.Random, landing: Path) -> None:
    """Write forty days of a small shop: visits, and orders with what became of them."""
    days: dict[str, list[str]] = {}
    for number, event in enumerate(_events(luck)):
        received = event["receivedAt"]
        line = json.dumps({"messageId": f"m{number}", **event})
        days.setdefault(received[:10], []).append(line)
    for day, lines in days.items():
        folder = landing / f"received_at_utc_date={day}"
        folder.mkdir(parents=True)
        (folder / "events.json").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _events(luck: random.Random) -> Iterator[dict[str, Any]]:
    orders: list[tuple[str, datetime, Callable[..., dict[str, Any]]]] = []
    for person in range(14):
        send = _sender(luck, person)
        visits = sorted(START + timedelta(minutes=luck.randrange(40 * 24 * 60)) for _ in range(4))
        yield _identify(send, person, visits[0])
        for visit in visits:
            campaign = luck.choice(CAMPAIGNS)
            yield send(visit, "page", properties={"path": "/"}, campaign=campaign)
            item = _product(luck)
            yield send(visit + timedelta(minutes=1), event="Product Viewed", properties=item)
            yield send(visit + timedelta(minutes=2), event="Product Added", properties=item)
            if luck.random() < 0.7:
                order = f"o{len(orders)}"
                ordered = visit + timedelta(minutes=3)
                orders.append((order, ordered, send))
                yield send(ordered, event="Order Completed", properties=_order(luck, order))
    for order, ordered, send in orders:
        later = ordered
        for _ in range(luck.choice((0, 0, 1, 1, 2, 3))):
            later += timedelta(hours=luck.choice((-1, 1, 30, 24 * 35)))
            kind = luck.choice(("Updated", "Refunded", "Refunded", "Cancelled", "Completed"))
            properties = _order(luck, order) if kind in ("Updated", "Completed") else {}
            if kind == "Refunded":
                properties = _refund(luck)
            yield send(later, event=f"Order {kind}", properties={"order_id": order, **properties})
    # Whatever the dice say: one order of each fate, one of a bot, one without a session or a rate.
    for name, fate in (("kept", ""), ("gone", "Cancelled"), ("back", "Refunded"), ("part", "part")):
        send = _sender(luck, 0)
        bought = START + timedelta(days=3)
        whole = {"order_id": name, "total": 55, "tax": 3, "shipping": 2, "products": [_PLAIN]}
        yield send(bought, event="Order Completed", properties=whole)
        then = bought + timedelta(days=2)
        if fate == "part":
            yield send(then, event="Order Refunded", properties={"order_id": name, "total": 20})
        elif fate:
            yield send(then, event=f"Order {fate}", properties={"order_id": name})
    bot = _sender(luck, 99, agent=CRAWLER)
    yield bot(START, event="Order Completed", properties={"order_id": "bot", "total": 7})
    server = _sender(luck, 98, channel="server")
    yield server(START, event="Order Completed", properties={"order_id": "server", "total": 9})
    yield _sender(luck, 1)(
        START,
        event="Order Completed",
        properties={"order_id": "no-rate", "total": 9, "currency": "CHF"},
    )


_PLAIN = {"product_id": "p0", "price": 25, "quantity": 2}


def _sender(
    luck: random.Random, person: int, *, agent: str = BROWSER, channel: str = "web"
) -> Callable[..., dict[str, Any]]:
    """A device that sends events; one in four has a clock that now and then runs months ahead."""
    runs_ahead = person % 4 == 3

    def send(at: datetime, kind: str = "track", **fields: Any) -> dict[str, Any]:
        campaign = fields.pop("campaign", {})
        happened = at + timedelta(days=90) if runs_ahead and luck.random() < 0.2 else at
        return {
            "type": kind,
            "channel": channel,
            **({} if channel == "server" else {"anonymousId": f"a{person}"}),
            **({"userId": f"u{person}"} if person % 3 else {}),
            "timestamp": f"{happened.isoformat(timespec='milliseconds')}Z",
            "receivedAt": f"{at.isoformat(timespec='milliseconds')}Z",
            "context": {"userAgent": agent, "campaign": campaign},
            **fields,
        }

    return send


def _identify(send: Callable[..., dict[str, Any]], person: int, first: datetime) -> dict[str, Any]:
    created = first - timedelta(days=(0, 1, 400)[person % 3])
    traits = {"email": f"person{person}@shop.example", "createdAt": f"{created.isoformat()}Z"}
    return send(first, "identify", traits=traits)


def _product(luck: random.Random) -> dict[str, Any]:
    product: dict[str, Any] = {
        "product_id": f"p{luck.randrange(5)}",
        "price": luck.choice(AMOUNTS),
        "quantity": luck.choice(QUANTITIES),
    }
    return {key: value for key, value in product.items() if value is not None}


def _order(luck: random.Random, order: str) -> dict[str, Any]:
    sent = {
        name: luck.choice(AMOUNTS)
        for name in ("total", "value", "revenue", "subtotal", "tax", "shipping", "discount")
        if luck.random() < 0.4
    }
    products = [_product(luck) for _ in range(luck.randrange(4))]
    currency = luck.choice((None, "USD", "EUR", "JPY"))
    found = {"order_id": order, "currency": currency, "products": products or None, **sent}
    return {key: value for key, value in found.items() if value is not None}


def _refund(luck: random.Random) -> dict[str, Any]:
    refund: dict[str, Any] = {"refund_id": luck.choice((None, "r1", "r2"))}
    match luck.randrange(5):
        case 0:
            refund["total"] = luck.choice(AMOUNTS)
        case 1:
            refund |= {"value": luck.choice(AMOUNTS), "tax": luck.choice(AMOUNTS)}
        case 2:
            refund["revenue"] = luck.choice(AMOUNTS)
        case 3:
            refund["products"] = [_product(luck)]
    return {key: value for key, value in refund.items() if value is not None}
