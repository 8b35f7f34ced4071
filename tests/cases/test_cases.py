"""What must come of each case, from landed lines to the models."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engagement.flatten import flatten
from engagement.models.runner import build, models
from engagement.runs.batch import notebooks
from engagement.settings import load_settings
from engagement.warehouse import Warehouse, open_warehouse
from tests.cases.landing import AGENTS, AMOUNTS, ANSWERS, sources, write
from tests.notebooks.test_small_landings import run_cells


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """All cases, taken all the way."""
    folder = tmp_path_factory.mktemp("cases")
    write(folder / "landing")
    settings = load_settings(
        "params/local.yaml",
        {
            "landing.location": str(folder / "landing"),
            "warehouse.duckdb.path": str(folder / "warehouse.duckdb"),
            "traffic.own_domains": ["https://Shop.Example/"],
        },
    )
    warehouse = open_warehouse(settings)
    flatten(warehouse, settings)
    layers = sorted({model.layer for model in models().values()})
    build(warehouse, settings, date(2026, 10, 20), layers)
    return warehouse


def rows(shop: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query; NULL is ``None``."""
    frame = shop.query(sql)
    plain = frame.astype(object).where(frame.notna(), None)
    return list(plain.itertuples(index=False, name=None))


def test_any_answer_but_yes_is_a_no_and_only_absence_is_silence(shop: Warehouse) -> None:
    found = dict(
        rows(
            shop,
            "select user_id, consent_email from marts.profiles where user_id like 'u-consent-%'",
        )
    )
    assert found == {f"u-consent-{name}": wanted for name, (_, wanted) in ANSWERS.items()}


def test_traits_win_over_stale_ones_of_the_context(shop: Warehouse) -> None:
    assert rows(
        shop,
        "select user_id, email, consent_email, plan from marts.profiles "
        "where user_id like 'u-traits%' order by user_id",
    ) == [
        ("u-traits", "new@example.org", False, "free"),
        ("u-traits-2", "only@example.org", None, None),
    ]


def test_of_keys_of_one_name_the_last_that_is_not_blank_counts(shop: Warehouse) -> None:
    assert rows(
        shop,
        "select user_id, email from marts.profiles where user_id like 'u-keys-%' order by user_id",
    ) == [
        ("u-keys-1", "one@example.org"),
        ("u-keys-2", "last@example.org"),
        ("u-keys-3", "last@example.org"),
        ("u-keys-4", "first@example.org"),
    ]
    bids = rows(shop, "select anonymous_id, osv from events.bid order by anonymous_id")
    assert [(device, str(osv)) for device, osv in bids] == [
        ("bid-1", "9"),
        ("bid-2", "8"),
        ("bid-3", "9"),
    ]


def test_products_may_be_an_object(shop: Warehouse) -> None:
    cup, pot = ("P-1", 1, Decimal("10.00")), ("P-2", 2, Decimal("40.00"))
    found: dict[str, list[Any]] = {}
    for order, *line in rows(
        shop,
        "select order_id, product_id, quantity, item_sales from marts.order_items "
        "where order_id like 'products-%' order by order_id, line_number",
    ):
        found.setdefault(order.removeprefix("products-"), []).append(tuple(line))
    assert found == {
        "list": [cup, pot],
        "numbered": [cup, pot],
        "backwards": [cup, pot],
        "named": [pot, cup],
        "text": [cup, pot],
        "one": [cup],
    }


def test_products_that_cannot_be_read_are_in_the_discards(shop: Warehouse) -> None:
    [(table, value)] = rows(
        shop,
        "select table_name, column_value from events.discards where column_name = 'products'",
    )
    assert table == "order_completed"
    assert (
        json.loads(value) == "a cup and a pot" if value[:1] == '"' else value == "a cup and a pot"
    )


def test_own_domains_are_recognised_however_they_are_written(shop: Warehouse) -> None:
    assert rows(
        shop,
        "select source, channel, is_internal_entry from marts.sessions where anonymous_id = 'own'",
    ) == [("(direct)", "Direct", True)]


def test_a_touch_comes_before_the_order(shop: Warehouse) -> None:
    assert dict(
        rows(
            shop,
            "select order_id, channel from marts.attribution_credits "
            "where order_id like 'after-%' or order_id = 'long-order'",
        )
    ) == {"after-1-order": "Direct", "after-2-order": "Direct", "long-order": "Paid Search"}
    assert rows(
        shop,
        "select distinct channel from marts.sessions where anonymous_id in ('after-1', 'after-2')",
    ) == [("Direct",)]


def test_a_session_is_cut_after_a_day_of_silence(shop: Warehouse) -> None:
    assert rows(
        shop,
        "select events, channel, duration_seconds from marts.sessions "
        "where anonymous_id = 'unexpired' order by started_at",
    ) == [(2, "Direct", 600), (1, "Paid Search", 0)]


def test_a_visit_that_accepts_the_banner_is_one_session(shop: Warehouse) -> None:
    assert rows(
        shop,
        "select events, orders, channel, entry_page, exit_page from marts.sessions "
        "where anonymous_id = 'banner'",
    ) == [(4, 1, "Email", "/lp", "/bye")]


def test_server_events_open_no_session(shop: Warehouse) -> None:
    assert rows(
        shop,
        "select events, orders, is_bounce from marts.sessions where anonymous_id = 'packed'",
    ) == [(2, 1, False)]


def test_credits_of_the_second_order_and_of_a_server_s_order(shop: Warehouse) -> None:
    assert rows(
        shop,
        "select order_id, channel, source, revenue from marts.attribution_credits "
        "where order_id in ('twice-1', 'twice-2', 'once', 'backend') order by order_id",
    ) == [
        ("backend", "Paid Social", "facebook", Decimal("30.00")),
        ("once", "Paid Search", "google", Decimal("30.00")),
        ("twice-1", "Email", "news", Decimal("30.00")),
        ("twice-2", "Email", "news", Decimal("30.00")),
    ]


def test_a_refund_told_twice_is_taken_once(shop: Warehouse) -> None:
    assert rows(
        shop,
        "select revenue, refunds, net_revenue, refund_count, status from marts.orders "
        "where order_id = 'backend'",
    ) == [(Decimal("30.00"), Decimal("10.00"), Decimal("20.00"), 1, "partially_refunded")]


def test_phones_are_no_bots_and_bots_are(shop: Warehouse) -> None:
    found = rows(
        shop,
        "select order_id, is_bot from marts.orders where order_id like 'agent-%'",
    )
    assert dict(found) == {f"agent-{name}": bot for name, (_, bot) in AGENTS.items()}


def test_where_visitors_come_from(shop: Warehouse) -> None:
    found = {
        device: (source, channel)
        for device, source, channel in rows(
            shop,
            "select anonymous_id, source, channel from marts.sessions "
            "where anonymous_id like 'source-%'",
        )
    }
    for number, row in enumerate(sources()):
        source, channel = found[f"source-{number:02d}"]
        assert channel == row["channel"], row
        assert row["source"] in ("", source), row


def test_no_amount_stops_a_model_and_each_is_right_to_the_cent(shop: Warehouse) -> None:
    found = rows(shop, "select order_id, revenue from marts.orders where order_id like 'amount-%'")
    assert dict(found) == {f"amount-{name}": revenue for name, (_, revenue) in AMOUNTS.items()}


@pytest.mark.slow
@pytest.mark.parametrize("currency", ["USD", "JPY"])
def test_every_notebook_gets_through(currency: str, tmp_path: Path) -> None:
    write(tmp_path / "landing")
    rates = {"currency.rates": {"USD": 150}} if currency == "JPY" else {}
    overrides = {
        "as_of": "2026-10-20",
        "landing.location": str(tmp_path / "landing"),
        "warehouse.duckdb.path": str(tmp_path / "warehouse.duckdb"),
        "run.directory": str(tmp_path / "runs"),
        "currency.reporting": currency,
        **rates,
    }
    for notebook in notebooks():
        run_cells(notebook, overrides)
    warehouse = open_warehouse(load_settings("params/local.yaml", overrides))
    [(revenue,)] = rows(
        warehouse, "select revenue from marts.orders where order_id = 'amount-large'"
    )
    assert revenue == {"USD": Decimal("12345.67"), "JPY": Decimal("1851850.50")}[currency]
