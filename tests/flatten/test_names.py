"""RudderStack's names, as its warehouse destinations make them."""

from __future__ import annotations

import pytest

from engagement.flatten.names import column_name, snake_case, table_name


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("HTTPResponse", "http_response"),
        ("iOS", "i_os"),
        ("IPv4", "i_pv4"),
        ("h264", "h264"),
        ("SHA256Hash", "sha256_hash"),
        ("3DModel", "_3dm_odel"),
        ("$1,00,000", "_1_00_000"),
        ("product_id", "product_id"),
        ("postalCode", "postal_code"),
        ("_private", "_private"),
        ("Product Added to Wishlist", "product_added_to_wishlist"),
        ("名前", ""),
        ("", ""),
        ("''; drop table x --", "drop_table_x"),
    ],
)
def test_snake_case(raw: str, expected: str) -> None:
    assert snake_case(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("order", "_order"), ("Group", "_group"), ("timestamp", "timestamp"), ("date", "date")],
)
def test_reserved_words_get_an_underscore_but_timestamp_and_date_stay(
    raw: str, expected: str
) -> None:
    assert column_name(raw) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("Product Viewed", "product_viewed"),
        ("users", "_users"),
        ("Tracks", "_tracks"),
        ("events", "_events"),
        ("select", "_select"),
        ("検索", ""),
    ],
)
def test_events_never_take_the_name_of_a_fixed_table(event: str, expected: str) -> None:
    assert table_name(event) == expected


def test_names_are_cut_at_127() -> None:
    assert len(table_name("a" * 300)) == 127
    assert len(column_name("b" * 300)) == 127
