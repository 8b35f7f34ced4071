"""The shop's pages: at two widths, by keyboard, and as those who do not see them are told."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.demo.live.conftest import HERE, WIDTHS, Demo, Device, device

AXE = (HERE / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")

PAGES = {
    "home": "/",
    "list": "/c/kitchen?price=under-50&sort=cheap",
    "search": "/search?q=honey",
    "nothing-found": "/search?q=zzz",
    "product": "/p/prd-0033",
    "wishlist": "/wishlist",
    "cart": "/cart",
    "checkout": "/checkout",
    "login": "/login",
    "register": "/register",
    "orders": "/account/orders",
    "missing": "/p/none",
    "mail": "/mail.html",
}


@pytest.fixture(scope="module", params=list(WIDTHS))
def visitor(request: pytest.FixtureRequest, browser: Browser, demo: Demo) -> Iterator[Device]:
    """Somebody who refused to be measured, with an order, and something in the cart."""
    demo.wait("select 1 as there from marts.orders limit 1")  # so that there are recommendations
    one = device(browser, demo, request.param)
    one.open("/p/prd-0035")
    one.picture(f"consent-{request.param}")
    one.press("Decline")
    one.press("Add to cart")
    one.follow("Go to checkout")
    one.picture(f"checkout-delivery-{request.param}")
    one.press("Continue")
    one.picture(f"checkout-review-{request.param}")
    one.press("Place order")
    one.page.wait_for_selector("[data-order]")
    one.picture(f"thanks-{request.param}")
    one.open("/p/prd-0033")
    one.press("Save for later")
    one.press("Add to cart")
    yield one
    assert one.wrong == []
    one.page.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_is_accessible(visitor: Device, name: str) -> None:
    page = visitor.page
    page.goto(visitor.shop + PAGES[name])
    if name != "mail":
        page.wait_for_selector("html[data-ready]")
    width = page.viewport_size["width"] if page.viewport_size else 0
    visitor.picture(f"{name}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = page.evaluate(AXE + "; axe.run()")
    wrong = [
        f"{rule['id']}: {rule['help']}: {node['html'][:120]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
    assert wrong == []
    assert len(page.query_selector_all("h1")) == 1


def test_an_order_can_be_placed_by_keyboard_alone(visitor: Device) -> None:
    page = visitor.page
    visitor.open("/p/prd-0040")
    press_until(visitor, "Add to cart")
    page.wait_for_function("location.pathname === '/cart'")
    # The page that follows is where the focus is.
    assert page.evaluate("document.activeElement.tagName") == "H1"
    press_until(visitor, "Go to checkout")
    page.wait_for_function("location.pathname === '/checkout'")
    press_until(visitor, "Continue")
    page.wait_for_function("location.search === '?step=2'")
    press_until(visitor, "Place order")
    page.wait_for_function("location.pathname === '/checkout/thank-you'")
    assert page.evaluate("document.activeElement.textContent") == "Thank you"


def press_until(one: Device, name: str) -> None:
    """Go on with Tab until something with this text has the focus, which can be seen; press it."""
    for _ in range(60):
        one.page.keyboard.press("Tab")
        focused = one.page.evaluate(
            "[document.activeElement.textContent.trim(),"
            " getComputedStyle(document.activeElement).outlineStyle]"
        )
        if focused[0] == name:
            assert focused[1] == "solid", json.dumps(focused)
            one.page.keyboard.press("Enter")
            return
    raise AssertionError(f"Tab does not reach {name}")


def test_the_first_key_leads_past_the_header(visitor: Device) -> None:
    visitor.open("/")
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.textContent") == "Skip to content"


def test_a_refusal_ends_measuring_in_every_tab(browser: Browser, demo: Demo) -> None:
    one = device(browser, demo)
    one.open("/")
    one.press("Allow")
    other = one.page.context.new_page()
    other.goto(demo.shop + "/wishlist")
    other.wait_for_selector("html[data-ready]")
    # The SDK's timers may write once more while the page that refused ends.
    one.page.evaluate("addEventListener('pagehide', () => { localStorage.rudder_late = '1' })")

    with other.expect_navigation():
        one.press("Privacy")
        one.press("Decline")
    for page in (one.page, other):
        page.wait_for_selector("html[data-ready]")
        page.wait_for_timeout(1_500)

    kept = one.page.evaluate("Object.keys(localStorage)")
    assert [name for name in kept if not name.startswith("shop.")] == []
    assert one.page.evaluate("document.cookie") == ""
    one.page.context.close()
