"""The shop's files, and what was there before its first visitor."""

from __future__ import annotations

import gzip
import json
import re
from datetime import date
from pathlib import Path

import pytest

from engagement.demo import prepare, site
from engagement.demo.errors import DemoError
from engagement.demo.whole import SOURCE
from engagement.settings import ROOT, read_yaml
from tests.demo.live.planned import deviations


def test_the_catalogue_is_the_generated_shoppers() -> None:
    goods = site.catalogue()
    [honey] = [one for one in goods["products"] if one["name"] == "Wildflower Honey"]
    assert (honey["product_id"], honey["price"], honey["category"]) == ("prd-0168", 1095, "Pantry")
    assert goods["coupons"]["WELCOME10"] == 10
    assert len({one["product_id"] for one in goods["products"]}) == len(goods["products"]) == 176
    names = {one["name"] for one in goods["categories"]}
    assert {one["category"] for one in goods["products"]} == names
    assert {one["path"].removeprefix("/c/") for one in goods["promotions"]} <= {
        one["slug"] for one in goods["categories"]
    }


def test_without_packages_it_says_how_to_get_them(tmp_path: Path) -> None:
    source = tmp_path / "demo"
    (source / "src").mkdir(parents=True)
    for name in ("index.html", "mail.html", "shop.css"):
        (source / "src" / name).write_text("")
    with pytest.raises(DemoError, match="demo/node_modules is missing: 'make demo' installs it"):
        site.build(source, tmp_path / "site")


def test_shoppers_land_once_up_to_yesterday(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landed = prepare.land_shoppers(landing, 10, 3, date(2026, 10, 4))
    days = sorted(path.name for path in landing.iterdir() if path.is_dir())
    assert days == [f"received_at_utc_date=2026-10-0{day}" for day in (1, 2, 3)]
    lines = [
        line
        for path in landing.rglob("*.gz")
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    assert landed > 0
    assert len(lines) >= landed // 2
    assert prepare.land_shoppers(landing, 10, 3, date(2026, 10, 9)) == 0
    assert sorted(path.name for path in landing.iterdir() if path.is_dir()) == days


def scripts() -> str:
    return "\n".join(path.read_text() for path in sorted((SOURCE / "src").rglob("*.js")))


def test_every_event_of_the_scripts_is_in_the_tracking_plan() -> None:
    """And the other way round: what the plan names and the shop never sends is named here."""
    told = set(re.findall(r'track\(\s*"([^"]+)"', scripts()))
    told |= set(re.findall(r'\["((?:[A-Z][a-z]+)(?: (?:[A-Z][a-z]+|to))+)", ', scripts()))
    planned = set(read_yaml(ROOT / "params/tracking_plan.yaml"))
    assert told - planned == set()
    assert planned - told == {"Gift Card Bought"}


VIEWED = {
    "product_id": "p",
    "price": 9.5,
    "currency": "USD",
    "quantity": 1,
    "sku": "s",
    "name": "n",
    "brand": "b",
    "category": "c",
    "variant": "v",
    "url": "/p/p",
    "image_url": "/p.svg",
}
ORDERED = {"order_id": "o", "total": 9.5, "revenue": 9, "currency": "USD", "products": [{}]}


@pytest.mark.parametrize(
    ("event", "properties", "found"),
    [
        ("Product Viewed", VIEWED, []),
        ("Product Viewed", {**VIEWED, "colour": "red"}, ["Product Viewed.colour: not planned"]),
        (
            "Product Viewed",
            {name: value for name, value in VIEWED.items() if name != "currency"},
            ["Product Viewed.currency: missing"],
        ),
        ("Product Viewed", {**VIEWED, "price": None}, ["Product Viewed.price: missing"]),
        ("Product Viewed", {**VIEWED, "product_id": ""}, ["Product Viewed.product_id: missing"]),
        ("Product Viewed", {**VIEWED, "price": "9.50"}, ["Product Viewed.price: no double"]),
        ("Product Viewed", {**VIEWED, "quantity": 1.5}, ["Product Viewed.quantity: no bigint"]),
        ("Product Viewed", {**VIEWED, "quantity": True}, ["Product Viewed.quantity: no bigint"]),
        # What another event of the plan has is not planned for this one.
        ("Product Viewed", {**VIEWED, "cart_id": "c"}, ["Product Viewed.cart_id: not planned"]),
        ("Product Added", VIEWED, ["Product Added.cart_id: missing"]),
        ("Order Completed", ORDERED, []),
        ("Order Paid", ORDERED, ["Order Paid: not planned"]),
        ("Logged In", {}, []),
        ("Signed Up", {}, ["Signed Up.method: missing"]),
    ],
)
def test_what_deviates_from_the_tracking_plan_is_found(
    event: str, properties: dict[str, object], found: list[str]
) -> None:
    """The rule that the tests in the browser hold against what landed."""
    plan = read_yaml(ROOT / "params/tracking_plan.yaml")
    assert deviations([{"event": event, "properties": properties}], plan) == found


def test_no_file_of_the_shop_names_another_address() -> None:
    """Neither a CDN nor, in the lock file, a registry."""
    pages = "".join(path.read_text() for path in (SOURCE / "src").glob("*.html"))
    assert re.findall(r"(?:https?:)?//[a-z]", pages + scripts()) == []
    lock = json.loads((SOURCE / "package-lock.json").read_text())
    assert not [one for one in lock["packages"].values() if "resolved" in one]
    assert lock["packages"]["node_modules/@rudderstack/analytics-js"]["version"] == "3.34.1"
