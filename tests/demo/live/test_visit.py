"""A scripted visit in a real browser, and what the tables and the shop make of it."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.demo.live.conftest import PICTURES, Demo, Device, device
from tests.demo.live.planned import deviations
from tests.demo.live.sdks import Sent, send_by_node, send_by_python

# Products of the visit, at the prices of the shop's catalogue.
HONEY = "prd-0168"
LEAD, BUYER = "new_subscribers", "first_time_buyers"
"""Segments that the banner speaks to, before an order and after it."""

FIRST = {"firstName": "Adalinde", "lastName": "Beispiel", "email": "ada.beispiel@shop.example"}
SECOND = {"firstName": "Bonifaz", "lastName": "Exempel", "email": "bo.exempel@shop.example"}


@dataclass
class Visit:
    """What happened in the browser, and what was on the screen."""

    one: Device
    refusing: Device
    sdks: list[Sent]
    users: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    panels: dict[str, list[str]] = field(default_factory=dict)
    banners: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    after_refusal: list[str] = field(default_factory=list)


def panel(one: Device) -> list[str]:
    """Ids of the products in the panel."""
    links = one.page.locator("#panel [data-click]")
    return [str(link.get_attribute("data-click")) for link in links.all()]


def banner(one: Device) -> str:
    found = one.page.locator("#banner [data-segment]")
    return str(found.get_attribute("data-segment")) if found.count() else ""


def sign_up(one: Device, who: dict[str, str], *, offers: bool) -> str:
    one.follow("Sign in")
    one.follow("Create an account")
    one.fill(**who)
    if offers:
        one.page.check("[name=offers]")
    one.press("Create account")
    one.page.wait_for_selector("#who >> text=Sign out")
    accounts = json.loads(one.page.evaluate("localStorage.getItem('shop.accounts')"))
    return str(accounts[who["email"]]["userId"])


def look_at(one: Device, product: str) -> None:
    """Open a product's page, as a link within the shop does."""
    one.page.evaluate(
        "path => {"
        " history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')) }",
        f"/p/{product}",
    )


def add(one: Device, product: str, quantity: int = 1) -> None:
    look_at(one, product)
    one.fill(quantity=str(quantity))
    one.press("Add to cart")


def order(one: Device, payment: str = "card") -> str:
    if "/cart" not in one.page.url:
        one.page.click("#cart-link")
    one.follow("Go to checkout")
    one.page.check(f"[name=payment][value={payment}]")
    one.press("Continue")
    one.press("Place order")
    return str(one.page.locator("[data-order]").get_attribute("data-order"))


@pytest.fixture(scope="module")
def visit(demo: Demo, browser: Browser) -> Iterator[Visit]:
    """Play everything once; the tests look at what came of it."""
    one, refusing = device(browser, demo), device(browser, demo, "phone")
    made = Visit(one, refusing, [send_by_node(demo), send_by_python(demo)])

    # Somebody comes by a newsletter, agrees to be measured, and looks around.
    one.page.goto(demo.shop + "/mail.html")
    one.follow("Newsletter: coffee week")
    one.page.wait_for_selector("html[data-ready]")
    one.press("Allow")
    one.fill(q="honey")
    one.press("Search")
    one.page.click("main [data-click]")
    one.press("Save for later")
    one.press("Copy link")
    look_at(one, "prd-0169")
    look_at(one, "prd-0170")
    one.follow("Corner Shop")
    one.page.click("[data-promotion=promo-coffee]")
    one.page.select_option("[name=sort]", "cheap")
    one.press("Apply")

    # An account: the person is known, has looked at some things, and sees the panel of that.
    made.users.append(sign_up(one, FIRST, offers=True))
    one.settle()
    demo.wait(f"select 1 as there from events.signed_up where user_id = '{made.users[0]}'")
    one.follow("Corner Shop")
    one.page.wait_for_selector(f"#banner [data-segment={LEAD}]", timeout=180_000)
    made.panels["before"], made.banners["before"] = panel(one), banner(one)
    one.picture("panel-before")

    # A cart and an order: two products, a coupon, a wrong one before it.
    add(one, HONEY, 2)
    add(one, "prd-0001")
    add(one, "prd-0049")
    one.page.get_by_role("button", name=re.compile("^Remove ")).last.click()
    for code in ("NOTHING", "welcome10"):
        one.fill(coupon=code)
        one.press("Apply")
    made.orders.append(order(one))
    ordered = time.monotonic()
    made.seconds["start to the first order placed"] = ordered - demo.started
    one.settle()
    demo.wait(f"select 1 as there from marts.orders where order_id = '{made.orders[0]}'")
    made.seconds["order placed to marts.orders"] = time.monotonic() - ordered
    made.seconds["start to marts.orders"] = time.monotonic() - demo.started
    one.page.wait_for_selector(f"#banner [data-segment={BUYER}]", timeout=180_000)
    made.seconds["order placed to another panel"] = time.monotonic() - ordered
    one.follow("Corner Shop")
    made.panels["after"], made.banners["after"] = panel(one), banner(one)
    one.picture("panel-after")

    # One of the two products goes back, the other one gets a review; then the person leaves.
    one.follow("Orders")
    one.page.select_option(".order [name=what]", HONEY)
    one.press("Request a refund")
    one.page.wait_for_selector("text=partially refunded")
    one.press("Submit review")
    one.press("Sign out")

    # Somebody else on the same device, who wants no mails, orders and thinks better of it.
    made.users.append(sign_up(one, SECOND, offers=False))
    add(one, "prd-0050")
    made.orders.append(order(one, "paypal"))
    one.follow("See your orders")
    one.press("Cancel order")
    one.page.wait_for_selector("text=cancelled")
    one.press("Sign out")

    # The first one comes back once more.
    one.follow("Sign in")
    one.fill(email=FIRST["email"])
    one.press("Sign in")
    one.page.wait_for_selector("#who >> text=Sign out")
    one.settle()

    # They refuse to be measured from here on.
    one.press("Privacy")
    with one.page.expect_navigation():
        one.press("Decline")
    one.page.wait_for_selector("html[data-ready]")
    asked = len(one.asked)
    add(one, "prd-0003")
    one.settle()
    made.after_refusal = one.asked[asked:]

    # And on a telephone somebody refuses from the start, and buys.
    refusing.open("/")
    refusing.press("Decline")
    add(refusing, "prd-0004")
    made.orders.append(order(refusing, "gift_card"))
    refusing.settle()

    # All that was sent is in the tables, up to the last ones that a round builds.
    demo.wait(
        "select sum(s.events) as events from marts.sessions as s "
        f"where s.anonymous_id = '{one.sent[0]['anonymousId']}' "
        f"having sum(s.events) = {len(one.sent)}"
    )
    rounded = {name: round(value, 1) for name, value in made.seconds.items()}
    (PICTURES / "seconds.json").write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
    yield made
    one.page.context.close()
    refusing.page.context.close()


# --- the browser ----------------------------------------------------------------------------------


def test_nothing_goes_wrong_in_the_browser(visit: Visit) -> None:
    assert visit.one.wrong == []
    assert visit.refusing.wrong == []


def test_nothing_is_asked_of_anybody_else(visit: Visit, demo: Demo) -> None:
    allowed = (demo.shop, demo.collector, "data:")
    asked = [*visit.one.asked, *visit.refusing.asked]
    assert [url for url in asked if not url.startswith(allowed)] == []


def test_who_refuses_sends_nothing_and_keeps_nothing(visit: Visit, demo: Demo) -> None:
    assert [url for url in visit.refusing.asked if url.startswith(demo.collector)] == []
    assert [url for url in visit.after_refusal if url.startswith(demo.collector)] == []
    for one in (visit.one, visit.refusing):
        kept = one.page.evaluate("Object.keys(localStorage)")
        assert [name for name in kept if not name.startswith("shop.")] == []
        assert one.page.evaluate("document.cookie") == ""


def test_the_events_of_the_visit_are_those_of_the_script(visit: Visit) -> None:
    counted = Counter(one.get("event", one["type"]) for one in visit.one.sent)
    expected = {
        "identify": 3,
        "Product List Viewed": 2,
        "Product List Filtered": 1,
        "Products Searched": 1,
        "Promotion Viewed": 3 * 8,
        "Promotion Clicked": 1,
        "Product Clicked": 1,
        "Product Viewed": 7,
        "Product Added": 4,
        "Product Removed": 1,
        "Product Added to Wishlist": 1,
        "Product Shared": 1,
        "Product Reviewed": 1,
        "Cart Viewed": 4,
        "Coupon Denied": 1,
        "Coupon Applied": 1,
        "Checkout Started": 2,
        "Checkout Step Viewed": 4,
        "Payment Info Entered": 2,
        "Checkout Step Completed": 4,
        "Order Completed": 2,
        "Order Refunded": 1,
        "Order Cancelled": 1,
        "Signed Up": 2,
        "Logged In": 1,
    }
    assert {name: counted[name] for name in expected} == expected
    assert set(counted) - set(expected) == {"page"}


# --- 02 -------------------------------------------------------------------------------------------

TABLES = {
    "page": "pages",
    "identify": "identifies",
    "Products Searched": "products_searched",
    "Product List Viewed": "product_list_viewed",
    "Product List Filtered": "product_list_filtered",
    "Promotion Viewed": "promotion_viewed",
    "Promotion Clicked": "promotion_clicked",
    "Product Clicked": "product_clicked",
    "Product Viewed": "product_viewed",
    "Product Added": "product_added",
    "Product Removed": "product_removed",
    "Product Added to Wishlist": "product_added_to_wishlist",
    "Product Shared": "product_shared",
    "Product Reviewed": "product_reviewed",
    "Cart Viewed": "cart_viewed",
    "Coupon Denied": "coupon_denied",
    "Coupon Applied": "coupon_applied",
    "Checkout Started": "checkout_started",
    "Checkout Step Viewed": "checkout_step_viewed",
    "Payment Info Entered": "payment_info_entered",
    "Checkout Step Completed": "checkout_step_completed",
    "Order Completed": "order_completed",
    "Order Refunded": "order_refunded",
    "Order Cancelled": "order_cancelled",
    "Signed Up": "signed_up",
    "Logged In": "logged_in",
}


def rows_of(demo: Demo, visit: Visit, table: str) -> dict[str, dict[str, Any]]:
    """The visit's rows of a table, by id."""
    device_id = visit.one.sent[0]["anonymousId"]
    found = demo.ask(f"select * from events.{table} where anonymous_id = '{device_id}'")
    assert len({row["id"] for row in found}) == len(found)
    return {row["id"]: row for row in found}


def test_every_event_is_in_its_table_once_with_what_it_was_sent_with(
    visit: Visit, demo: Demo
) -> None:
    """Properties become columns in snake case, lists are JSON, `context` gets its prefix."""
    by_table: dict[str, list[dict[str, Any]]] = {}
    for event in visit.one.sent:
        by_table.setdefault(TABLES[event.get("event", event["type"])], []).append(event)
    for table, sent in by_table.items():
        found = rows_of(demo, visit, table)
        assert found.keys() == {one["messageId"] for one in sent}, table
        for event in sent:
            row = found[event["messageId"]]
            assert row["user_id"] == (event["userId"] or None)
            assert row["context_session_id"] == event["context"]["sessionId"]
            assert row["context_library_name"] == "RudderLabs JavaScript SDK"
            assert row["context_page_url"] == event["context"]["page"]["url"]
            assert row["channel"] == "web"
            for name, value in event.get("properties", {}).items():
                assert_same(row[name], value, f"{table}.{name}")


def assert_same(stored: Any, value: Any, where: str) -> None:
    if isinstance(value, list):
        assert json.loads(stored) == value, where
    elif value == "":
        assert stored in ("", None), where
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        assert Decimal(str(stored)) == Decimal(str(value)), where
    else:
        assert stored == value, where


def test_tracks_hold_every_event_that_was_tracked(visit: Visit, demo: Demo) -> None:
    found = rows_of(demo, visit, "tracks")
    tracked = {one["messageId"]: one["event"] for one in visit.one.sent if one["type"] == "track"}
    assert {key: row["event_text"] for key, row in found.items()} == tracked
    assert {row["event"] for row in found.values()} <= set(TABLES.values())


def test_identifies_and_users_have_the_traits(visit: Visit, demo: Demo) -> None:
    rows = sorted(
        rows_of(demo, visit, "identifies").values(), key=lambda row: str(row["timestamp"])
    )
    assert [row["user_id"] for row in rows] == [*visit.users, visit.users[0]]
    found = {row["user_id"]: row for row in rows}
    assert found.keys() == set(visit.users)
    ids = ", ".join(f"'{one}'" for one in visit.users)
    users = {row["id"]: row for row in demo.ask(f"select * from events.users where id in ({ids})")}
    for user, who, offers in zip(visit.users, (FIRST, SECOND), (True, False), strict=True):
        for row in (found[user], users[user]):
            assert row["email"] == who["email"]
            assert (row["first_name"], row["last_name"]) == (who["firstName"], who["lastName"])
            assert str(row["consent_email"]).lower() == str(offers).lower()
        assert found[user]["context_traits_email"] == who["email"]


def test_the_campaign_of_the_first_page_is_kept(visit: Visit, demo: Demo) -> None:
    first = visit.one.sent[0]
    assert first["type"] == "page"
    row = rows_of(demo, visit, "pages")[first["messageId"]]
    assert row["context_campaign_source"] == "newsletter"
    assert row["context_campaign_medium"] == "email"
    assert row["context_campaign_name"] == "coffee_week"
    assert row["path"] == "/c/pantry"
    assert row["name"] == "Category"


def test_reconciliation_balances(visit: Visit, demo: Demo) -> None:
    [total] = demo.ask(
        "select sum(records) as records, sum(events) as events, sum(duplicates) as duplicates, "
        "sum(quarantined) as quarantined, "
        "count_if(records <> events + duplicates + quarantined) as unbalanced from landing.ledger"
    )
    assert total["unbalanced"] == 0
    parts = [int(total[name]) for name in ("events", "duplicates", "quarantined")]
    assert int(total["records"]) == sum(parts)
    [live] = demo.ask(
        "select count(*) as events from events.events "
        f"where anonymous_id = '{visit.one.sent[0]['anonymousId']}'"
    )
    assert live["events"] == len(visit.one.sent)


# --- 03 -------------------------------------------------------------------------------------------


def price(demo: Demo, visit: Visit, product: str) -> Decimal:
    goods = visit.one.page.request.get(demo.shop + "/catalogue.json").json()
    [cents] = [one["price"] for one in goods["products"] if one["product_id"] == product]
    return Decimal(cents) / 100


def cents(amount: Decimal) -> Decimal:
    """Rounded half up, as shops do."""
    return amount.quantize(Decimal("0.01"), "ROUND_HALF_UP")


def test_the_order_is_there_to_the_cent(visit: Visit, demo: Demo) -> None:
    subtotal = 2 * price(demo, visit, HONEY) + price(demo, visit, "prd-0001")
    discount = cents(subtotal * 10 / 100)
    tax = cents((subtotal - discount) * 8 / 100)
    shipping = Decimal("4.95") if subtotal - discount < 60 else Decimal(0)
    [found] = demo.ask(f"select * from marts.orders where order_id = '{visit.orders[0]}'")
    assert Decimal(found["discount"]) == discount
    assert Decimal(found["tax"]) == tax
    assert Decimal(found["shipping"]) == shipping
    assert Decimal(found["order_total"]) == subtotal - discount + tax + shipping
    assert Decimal(found["revenue"]) == subtotal - discount
    assert Decimal(found["refunds"]) == 2 * price(demo, visit, HONEY)
    assert Decimal(found["net_revenue"]) == subtotal - discount - 2 * price(demo, visit, HONEY)
    assert Decimal(found["items_difference"]) == 0
    assert (found["status"], found["coupon"], found["payment_method"]) == (
        "partially_refunded",
        "WELCOME10",
        "card",
    )
    assert (found["lines"], found["units"], found["is_bot"]) == (2, 3, False)
    items = demo.ask(
        "select product_id, quantity, item_sales from marts.order_items "
        f"where order_id = '{visit.orders[0]}' order by product_id"
    )
    assert [(one["product_id"], one["quantity"], Decimal(one["item_sales"])) for one in items] == [
        ("prd-0001", 1, price(demo, visit, "prd-0001")),
        (HONEY, 2, 2 * price(demo, visit, HONEY)),
    ]


def test_what_was_cancelled_brought_nothing_and_what_was_refused_is_not_there(
    visit: Visit, demo: Demo
) -> None:
    [cancelled] = demo.ask(f"select * from marts.orders where order_id = '{visit.orders[1]}'")
    assert cancelled["status"] == "cancelled"
    assert Decimal(cancelled["revenue"]) == 0
    assert Decimal(cancelled["cancelled_revenue"]) == price(demo, visit, "prd-0050")
    assert demo.ask(f"select 1 as n from marts.orders where order_id = '{visit.orders[2]}'") == []


def test_two_people_share_the_device_and_stay_two(visit: Visit, demo: Demo) -> None:
    device_id = visit.one.sent[0]["anonymousId"]
    assert {one["anonymousId"] for one in visit.one.sent} == {device_id}
    ids = ", ".join(f"'{one}'" for one in (*visit.users, device_id))
    found = {
        row["id"]: row for row in demo.ask(f"select * from marts.identity_map where id in ({ids})")
    }
    assert len({row["person_id"] for row in found.values()}) == 3
    assert found[device_id]["is_shared_device"] is True
    people = {
        row["user_id"]: row
        for row in demo.ask(
            "select * from marts.customer_360 "
            f"where user_id in ('{visit.users[0]}', '{visit.users[1]}')"
        )
    }
    first, second = (people[user] for user in visit.users)
    assert (first["lifecycle_stage"], second["lifecycle_stage"]) == ("new", "lead")
    assert (first["consent_email"], second["consent_email"]) == (True, False)
    assert (first["orders_total"], second["orders_total"]) == (1, 0)
    assert (first["cancelled_orders"], second["cancelled_orders"]) == (0, 1)
    assert first["is_bot"] is False


def test_sessions_are_the_browser_s_own(visit: Visit, demo: Demo) -> None:
    """The SDK begins another session where somebody signs out."""
    device_id = visit.one.sent[0]["anonymousId"]
    sessions = demo.ask(
        f"select * from marts.sessions where anonymous_id = '{device_id}' order by started_at"
    )
    sent = Counter(one["context"]["sessionId"] for one in visit.one.sent)
    assert len(sent) == 3
    assert [one["events"] for one in sessions] == list(sent.values())
    first, second, _ = sessions
    assert (first["channel"], first["campaign"]) == ("Email", "coffee_week")
    assert (first["orders"], second["cancelled_orders"]) == (1, 1)
    assert first["entry_page"] == "/c/pantry"
    pages = Counter(one["context"]["sessionId"] for one in visit.one.sent if one["type"] == "page")
    assert [one["page_views"] for one in sessions] == list(pages.values())


def landed(demo: Demo) -> list[dict[str, Any]]:
    """Every event in the landing's files, once."""
    found = {}
    for path in sorted((demo.folder / "landing").rglob("*.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the invented shoppers' files have such lines
            if isinstance(event, dict) and isinstance(event.get("messageId"), str):
                found[event["messageId"]] = event
    return list(found.values())


def test_what_landed_has_the_properties_of_the_tracking_plan(visit: Visit, demo: Demo) -> None:
    """Each event that the plan names came, with what is required, and with nothing else."""
    device_id = visit.one.sent[0]["anonymousId"]
    users = {one.user_id for one in visit.sdks}
    events = [
        one
        for one in landed(demo)
        if one.get("type") == "track"
        and (one.get("anonymousId") == device_id or one.get("userId") in users)
    ]
    sent = {one["messageId"] for one in visit.one.sent if one["type"] == "track"}
    assert sent <= {one["messageId"] for one in events}
    assert {one["event"] for one in events} == set(demo.plan)
    assert deviations(events, demo.plan) == []


def test_no_value_was_discarded(visit: Visit, demo: Demo) -> None:
    """Each is of the type that the plan declares."""
    ids = ", ".join(f"'{one['messageId']}'" for one in visit.one.sent)
    found = demo.ask(f"select * from events.discards where row_id in ({ids})")
    assert found == []


# --- what comes back ------------------------------------------------------------------------------


def test_an_order_changes_segment_and_panel(visit: Visit) -> None:
    assert (visit.banners["before"], visit.banners["after"]) == (LEAD, BUYER)
    assert visit.panels["before"]
    assert visit.panels["after"]
    assert visit.panels["before"] != visit.panels["after"]
    assert not {HONEY, "prd-0001"} & set(visit.panels["after"])


def test_the_buyer_is_in_the_segments_of_buyers(visit: Visit, demo: Demo) -> None:
    found = demo.ask(
        "select m.segment, m.status from marts.segment_members as m "
        "inner join marts.identity_map as i on m.person_id = i.person_id "
        f"where i.id = '{visit.users[0]}' and m.status <> 'left'"
    )
    segments = {row["segment"] for row in found}
    assert {"first_time_buyers", "recent_buyers"} <= segments
    assert "new_subscribers" not in segments


def test_answers_name_nobody(visit: Visit, demo: Demo) -> None:
    text = "".join(
        path.read_text(encoding="utf-8") for path in (demo.folder / "demo/answers").rglob("*.json")
    )
    for secret in (
        *visit.users,
        *FIRST.values(),
        *SECOND.values(),
        visit.one.sent[0]["anonymousId"],
    ):
        assert secret not in text


# --- RudderStack's own SDKs -----------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 1], ids=["node", "python"])
def test_what_a_server_s_sdk_sends_is_in_the_tables(visit: Visit, demo: Demo, place: int) -> None:
    user = visit.sdks[place].user_id
    found = {
        table: demo.ask(f"select * from events.{table} where user_id = '{user}'")
        for table in ("identifies", "pages", "gift_card_bought", "groups", "aliases")
    }
    assert [len(rows) for rows in found.values()] == [1] * 5
    [identify], [page], [track], [group], [alias] = found.values()
    assert identify["email"] == "sdk@shop.example"
    assert str(identify["consent_email"]).lower() == "true"
    assert (page["name"], page["path"]) == ("Server page", "/server")
    assert Decimal(str(track["value"])) == Decimal("12.5")
    assert (group["group_id"], group["name"]) == ("acct-1", "Example Ltd")
    assert alias["previous_id"] == f"before-{visit.sdks[place].sdk}"
    for row in (identify, page, track, group, alias):
        assert row["channel"] == "server"
        assert row["context_library_name"]
        assert row["timestamp"] <= row["received_at"]
    [person] = demo.ask(f"select * from marts.customer_360 where user_id = '{user}'")
    assert (person["consent_email"], person["is_identified"]) == (True, True)
