"""From landed lines to tables: small cases with what must come out beside them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.flatten.conftest import Raw, Shop, text

LEDGER = (
    "select records, events, duplicates, quarantined "
    "from landing.ledger order by received_at_utc_date"
)
QUARANTINE = "select line_number, reason, record from landing.quarantine order by 1, 3"
DISCARDS = (
    "select table_name, row_id, column_name, column_value, reason from events.discards "
    "order by 1, 3, 2"
)

# --- values and their types -----------------------------------------------------------------------

# What records sent as the property x, as JSON; the type of the column x; what stands in it.
VALUES: dict[str, tuple[list[str], str | None, list[Any]]] = {
    "integers": (["5", "-7", "0"], "bigint", [5, -7, 0]),
    "whole numbers are integers": (
        ["5.0", "1e2", "1E+2", "-0", "-0.0"],
        "bigint",
        [5, 100, 100, 0, 0],
    ),
    "the largest bigint": (["9223372036854775807", "1"], "bigint", [2**63 - 1, 1]),
    "beyond the largest bigint digits are kept": (
        ["9223372036854775808", "1"],
        "varchar",
        ["9223372036854775808", "1"],
    ),
    "beyond 64 bits": (["18446744073709551616", "-1"], "varchar", ["18446744073709551616", "-1"]),
    "beyond 128 bits": (["1" * 45, "1"], "varchar", ["1" * 45, "1"]),
    "other numbers": (["5.5", "5", "1e2"], "double", [5.5, 5.0, 100.0]),
    "integers up to 2^53 fit among doubles": (
        ["9007199254740992", "-9007199254740992", "1.5"],
        "double",
        [2.0**53, -(2.0**53), 1.5],
    ),
    "integers beyond 2^53 do not": (
        ["9007199254740993", "1.5"],
        "varchar",
        ["9007199254740993", "1.5"],
    ),
    "booleans": (["true", "false"], "boolean", [True, False]),
    "booleans and numbers": (["true", "1"], "varchar", ["true", "1"]),
    "strings": (['"a"', '" "', '"0"'], "varchar", ["a", " ", "0"]),
    "strings that read as something else": (
        ['"1"', '"1.50"', '"true"', '"null"'],
        "varchar",
        ["1", "1.50", "true", "null"],
    ),
    "timestamps": (
        [
            '"2026-01-05T10:00:00Z"',
            '"2026-01-05 10:00"',
            '"2026-01-05T10:00:00.123456+02:00"',
            '"2026-01-05T10:00:00.5-0530"',
        ],
        "timestamp(3)",
        [
            "2026-01-05 10:00:00.000",
            "2026-01-05 10:00:00.000",
            "2026-01-05 08:00:00.123",
            "2026-01-05 15:30:00.500",
        ],
    ),
    "timestamps and blanks": (
        ['"2026-01-05T10:00:00Z"', '""', "null"],
        "timestamp(3)",
        ["2026-01-05 10:00:00.000", None, None],
    ),
    "timestamps and another string": (
        ['"2026-01-05T10:00:00Z"', '"2026-01-05"'],
        "varchar",
        ["2026-01-05T10:00:00Z", "2026-01-05"],
    ),
    "timestamps and numbers": (
        ['"2026-01-05T10:00:00Z"', "1"],
        "varchar",
        ["2026-01-05T10:00:00Z", "1"],
    ),
    "times that are none": (
        [
            '"2026-02-30T10:00:00Z"',
            '"2026-01-05T24:00:00Z"',
            '"2026-01-05T10:60:00Z"',
            '"2026-01-05T10:00:60Z"',
            '"2026-01-05T10:00:00+15:00"',
            '"2026-01-05t10:00:00z"',
            '"2026-01-05T10:00:00+02"',
        ],
        "varchar",
        [
            "2026-02-30T10:00:00Z",
            "2026-01-05T24:00:00Z",
            "2026-01-05T10:60:00Z",
            "2026-01-05T10:00:60Z",
            "2026-01-05T10:00:00+15:00",
            "2026-01-05t10:00:00z",
            "2026-01-05T10:00:00+02",
        ],
    ),
    "numbers among strings have one text": (
        ['"a"', "1.10", "1e2", "5.0", "-0", "0.1", "1e15", "1.5e16", "true", "100000.5"],
        "varchar",
        [
            "a",
            "1.1",
            "100",
            "5",
            "0",
            "0.1",
            "1000000000000000",
            "15000000000000000",
            "true",
            "100000.5",
        ],
    ),
    "blanks give no column": (["null", '""', "[]", '[""]', "{}"], None, []),
    "what only looks blank is kept": (["0", "false", '" "'], "varchar", ["0", "false", " "]),
    "arrays are texts": (
        ['["a",1]', '[{"b":true}]', "[]"],
        "varchar",
        ['["a",1]', '[{"b":true}]', None],
    ),
    "arrays and strings": (['["a"]', '"b"', '[""]'], "varchar", ['["a"]', "b", None]),
    "a value here, an object there": (["1", '{"y":2}', "{}"], "bigint", [1, None, None]),
    "an object has no column of its own": (['{"y":2}'], None, []),
    "escapes": (
        ['"\\u0041\\n\\"\\\\"', '"\\ud83d\\ude00"', '"\\u0000x"', '"\u0085\u2028"'],
        "varchar",
        ['A\n"\\', "😀", "\x00x", "\u0085\u2028"],
    ),
}


@pytest.fixture(scope="module")
def valued(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop in which each case of VALUES is an event of its own."""
    shop = Shop(tmp_path_factory.mktemp("values"))
    number = itertools.count()
    shop.land(
        *(
            text(
                event=f"Case {case}",
                messageId=f"{next(number):04}",
                properties=Raw(f'{{"x":{value}}}'),
            )
            for case, (values, _, _) in enumerate(VALUES.values())
            for value in values
        )
    )
    shop.flatten()
    return shop


@pytest.mark.parametrize("title", VALUES)
def test_a_column_has_the_narrowest_type_that_holds_every_value(valued: Shop, title: str) -> None:
    _, kind, expected = VALUES[title]
    table = f"events.case_{list(VALUES).index(title)}"
    assert valued.columns(table).get("x") == kind
    if kind:
        found = [value for (value,) in valued.rows(f"select x from {table} order by id")]
        assert found == expected


def test_no_value_was_discarded_on_the_way(valued: Shop) -> None:
    assert valued.rows(DISCARDS) == []
    assert valued.rows(LEDGER) == [(len(valued.rows("select id from events.tracks")),) * 2 + (0, 0)]


# --- declared columns -----------------------------------------------------------------------------


def test_a_value_that_does_not_fit_a_declared_column_is_null_there_and_a_discard(
    shop: Shop,
) -> None:
    sent = [
        ('{"price":"49.90","quantity":"3"}', 49.9, 3),
        ('{"price":"49,90","quantity":2.5}', None, None),
        ('{"price":true,"quantity":3.0}', None, 3),
        ('{"price":"-1.5e3","quantity":"3.0"}', -1500.0, 3),
        ('{"price":1e308,"quantity":"1e2"}', 1e308, 100),
        ('{"price":"1e400","quantity":9223372036854775807}', None, 2**63 - 1),
        ('{"price":"NaN","quantity":"9223372036854775808"}', None, None),
        ('{"price":" 5","quantity":9223372036854775808}', None, None),
        ('{"price":[5],"quantity":"9223372036854775807"}', None, 2**63 - 1),
        # Nothing was given: nothing is discarded.
        ('{"price":"","quantity":null}', None, None),
        ('{"price":[],"quantity":{}}', None, None),
        ("{}", None, None),
    ]
    shop.land(
        *(text(messageId=f"{n:02}", properties=Raw(sent)) for n, (sent, _, _) in enumerate(sent))
    )
    report = shop.flatten()
    columns = shop.columns("events.seen")
    assert (columns["price"], columns["quantity"]) == ("double", "bigint")
    found = shop.rows("select price, quantity from events.seen order by id")
    assert found == [(price, quantity) for _, price, quantity in sent]
    assert shop.rows(DISCARDS) == [
        ("seen", "01", "price", "49,90", "not a double"),
        ("seen", "02", "price", "true", "not a double"),
        ("seen", "05", "price", "1e400", "not a double"),
        ("seen", "06", "price", "NaN", "not a double"),
        ("seen", "07", "price", " 5", "not a double"),
        ("seen", "08", "price", "[5]", "not a double"),
        ("seen", "01", "quantity", "2.5", "not a bigint"),
        ("seen", "06", "quantity", "9223372036854775808", "not a bigint"),
        ("seen", "07", "quantity", "9223372036854775808", "not a bigint"),
    ]
    assert report.discards == 9


def test_identifiers_that_were_sent_as_numbers_are_strings(shop: Shop) -> None:
    sent = ["12", "12.0", '"x"', "1.10", "12345678901234567890", "true", "null"]
    shop.land(
        *(
            text(messageId=f"{n}", properties=Raw(f'{{"product_id":{value}}}'))
            for n, value in enumerate(sent)
        )
    )
    shop.flatten()
    assert [value for (value,) in shop.rows("select product_id from events.seen order by id")] == [
        "12", "12", "x", "1.1", "12345678901234567890", "true", None,
    ]  # fmt: skip


def test_a_tracking_plan_declares_columns(make_shop: Callable[..., Shop]) -> None:
    plan = {"seen": {"x": "timestamp", "y": "string", "price": "string", "on": "boolean"}}
    shop = make_shop(tracking_plan=plan)
    shop.land(
        text(
            messageId="1",
            properties=Raw('{"x":"2026-01-05T10:00:00Z","y":1,"price":5.0,"on":true}'),
        ),
        text(messageId="2", properties=Raw('{"x":"soon","y":"a","price":"5.00","on":1}')),
    )
    shop.flatten()
    assert shop.rows('select x, y, price, "_on" from events.seen order by id') == [
        ("2026-01-05 10:00:00.000", "1", "5", None),
        (None, "a", "5.00", None),
    ]
    assert [row[2:] for row in shop.rows(DISCARDS)] == [("x", "soon", "not a timestamp(3)")]
