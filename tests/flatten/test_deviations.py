"""The tracking plan: read from a file, its mistakes named by key, deviations reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engagement.flatten import plan_deviations
from engagement.flatten.deviations import COLUMNS
from engagement.settings import SettingsError, load_settings
from tests.flatten.conftest import Shop, event, make_shop  # noqa: F401 (a fixture)

PLAN = """
Product Viewed:
  product_id: {type: string, required: true}
  price: double
  sku: {required: true}
  on sale: boolean
Never Sent:
identifies:
  plan: {required: true}
"""


def test_deviations_are_reported_with_their_counts(
    make_shop: Callable[..., Shop],  # noqa: F811
    tmp_path: Path,
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    shop = make_shop(tracking_plan=str(path))
    viewed = [
        {"product_id": "p1", "price": 1.5, "sku": "s", "onSale": True},
        {"product_id": "", "price": "12,50", "sku": 7, "extra": 1},
        {"price": "9.50", "on sale": "yes", "extra": None},
        {"product_id": "p4", "sku": None, "extra": "x"},
    ]
    shop.land(
        *(
            event(messageId=f"v{n}", event="Product Viewed", properties=p)
            for n, p in enumerate(viewed)
        ),
        event(messageId="o1", event="Odd", properties={"a": 1}),
        event(messageId="o2", event="Odd"),
        event(messageId="o3", event=""),
        event(messageId="i1", type="identify", event=..., context={"traits": {"plan": "gold"}}),
        event(messageId="i2", type="identify", event=..., traits={"age": 3}),
        event(messageId="p1", type="page", event=..., properties={"anything": 1}),
    )
    shop.flatten()
    found = plan_deviations(shop.warehouse, shop.settings)
    assert list(found.columns) == COLUMNS
    # By hand: 7 tracks. Without product_id: the second, whose is blank, and the third. Without
    # sku: the third, and the fourth, whose is null. Prices are three, of which 12,50 is none; of
    # two values of on_sale the text "yes" is no boolean.
    assert list(found.itertuples(index=False, name=None)) == [
        (
            "required, but missing",
            "Product Viewed",
            "product_id",
            2,
            4,
            "every event has to have it",
        ),
        ("required, but missing", "Product Viewed", "sku", 2, 4, "every event has to have it"),
        ("unexpected event", "Odd", "", 2, 7, "the plan does not name it"),
        ("unexpected property", "Product Viewed", "extra", 2, 4, "the plan does not name it"),
        ("required, but missing", "identifies", "plan", 1, 2, "every event has to have it"),
        ("unexpected event", "(no name)", "", 1, 7, "the plan does not name it"),
        ("unexpected property", "identifies", "age", 1, 2, "the plan does not name it"),
        ("wrong type", "Product Viewed", "on sale", 1, 2, "no boolean"),
        ("wrong type", "Product Viewed", "price", 1, 3, "no double"),
        ("never seen", "Never Sent", "", 0, 0, "no such event was received"),
    ]


def test_without_a_plan_nothing_deviates(make_shop: Callable[..., Shop]) -> None:  # noqa: F811
    shop = make_shop(tracking_plan={})
    shop.land(event())
    shop.flatten()
    assert plan_deviations(shop.warehouse, shop.settings).empty


def test_a_plan_of_traits_alone_expects_no_events(make_shop: Callable[..., Shop]) -> None:  # noqa: F811
    shop = make_shop(tracking_plan={"identifies": {"age": "bigint"}})
    shop.land(event(), event(messageId="i", type="identify", event=..., traits={"age": 1}))
    shop.flatten()
    assert plan_deviations(shop.warehouse, shop.settings).empty


def test_a_property_without_a_type_declares_none(make_shop: Callable[..., Shop]) -> None:  # noqa: F811
    shop = make_shop(tracking_plan={"Seen": {"x": {"required": True}}})
    shop.land(event(properties={"x": 5}))
    shop.flatten()
    assert shop.columns("events.seen")["x"] == "bigint"


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("Seen: [x]", "tracking_plan.Seen: write keys with their values"),
        ("Seen: {x: text}", "tracking_plan.Seen.x.type: write 'bigint', 'double'"),
        ("Seen: {x: {typ: string}}", "tracking_plan.Seen.x: 'typ' is no key of a property"),
        ("Seen: {x: {required: often}}", "tracking_plan.Seen.x.required: write true or false"),
        ("Seen: {x: 5}", "tracking_plan.Seen.x: write a type such as 'double'"),
        ("[Seen]", "plan.yaml: write the events' names with their properties"),
        (
            "Seen: {x: string, x: double}",
            "plan.yaml: line 1, column 19: the key 'x' is given twice",
        ),
        ("Seen: {", "plan.yaml: line 1"),
    ],
)
def test_a_malformed_file_is_refused_by_key(tmp_path: Path, plan: str, message: str) -> None:
    (tmp_path / "plan.yaml").write_text(plan)
    overrides: dict[str, Any] = {"tracking_plan": str(tmp_path / "plan.yaml")}
    with pytest.raises(SettingsError) as caught:
        load_settings("params/local.yaml", overrides)
    [problem] = caught.value.problems
    assert message in problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    overrides = {"tracking_plan": str(tmp_path / "nowhere.yaml")}
    with pytest.raises(SettingsError, match=r"tracking_plan: .*nowhere\.yaml: there is no such"):
        load_settings("params/local.yaml", overrides)


def test_an_empty_file_is_no_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("# nothing yet\n")
    settings = load_settings("params/local.yaml", {"tracking_plan": str(tmp_path / "plan.yaml")})
    assert settings.tracking_plan == {}
