"""From landed lines to tables: small cases with what must come out beside them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engagement.flatten import duplicates_sql, ingest
from engagement.records.files import LandingError
from tests.flatten.conftest import Raw, Shop, event, folder, text
from tests.records.test_lines import CUTS

LEDGER = (
    "select records, events, duplicates, quarantined from landing.ledger "
    "order by received_at_utc_date"
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
    "a string here, an object there": (
        ['"s"', '{"y":2}', "{}", '["z"]', "null"],
        "varchar",
        ["s", None, None, '["z"]', None],
    ),
    "an array here, an object there": (
        ['["z"]', "{}", '{"y":{"z":1}}'],
        "varchar",
        ['["z"]', None, None],
    ),
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
    plan = {"Seen": {"x": "timestamp", "anyY": "string", "price": "string", "on": "boolean"}}
    shop = make_shop(tracking_plan={**plan, "identifies": {"age": "string"}})
    shop.land(
        text(messageId="1", properties=Raw('{"x":"2026-01-05T10:00:00Z","anyY":1,"price":5.0}')),
        text(messageId="2", properties=Raw('{"x":"soon","any_y":"a","price":"5.00","on":1}')),
        text(messageId="3", properties=Raw('{"on":true}')),
        event(messageId="4", type="identify", userId="u1", traits={"age": 7}),
    )
    shop.flatten()
    assert shop.rows('select x, any_y, price, "_on" from events.seen order by id') == [
        ("2026-01-05 10:00:00.000", "1", "5", None),
        (None, "a", "5.00", None),
        (None, None, None, True),
    ]
    assert shop.rows("select age from events.identifies") == [("7",)]
    assert [row[1:] for row in shop.rows(DISCARDS)] == [
        ("2", "_on", "1", "not a boolean"),
        ("2", "x", "soon", "not a timestamp(3)"),
    ]


# --- names ----------------------------------------------------------------------------------------


def test_any_key_is_only_ever_a_name(shop: Shop) -> None:
    sent = {
        'a"b': 1,
        "a; drop table events.events; --": 2,
        "select": 3,
        "A~b/c.d": 4,
        "it's": 5,
        "$.x[0]": 6,
        "k" * 300: 7,
        "timestamp of it": 8,
        "0": 9,
    }
    shop.land(event(properties=sent))
    shop.flatten()
    kept = {
        "a_b": 1,
        "a_drop_table_events_events": 2,
        "_select": 3,
        "a_b_c_d": 4,
        "it_s": 5,
        "x_0": 6,
        "k" * 127: 7,
        "timestamp_of_it": 8,
        "_0": 9,
    }
    chosen = ", ".join(f'"{name}"' for name in kept)
    assert shop.rows(f"select {chosen} from events.seen") == [tuple(kept.values())]
    assert shop.report.unnamed == ()


def test_a_key_may_be_called_what_the_project_calls_its_own(shop: Shop) -> None:
    own = "record record_as_sent record_number shape flat_table type write_key source_file c0 nth"
    names = own.split()
    sent = {name: number for number, name in enumerate(names)}
    shop.land(
        event(messageId="1", properties=sent),
        event(messageId="2", properties={**sent, "record": 99}),
    )
    shop.flatten()
    chosen = ", ".join(names)
    assert shop.rows(f"select {chosen} from events.seen order by id") == [
        tuple(sent.values()),
        (99, *list(sent.values())[1:]),
    ]
    assert len(shop.rows("select id, event from events.tracks")) == 2


def test_a_key_without_a_name_is_dropped_and_reported(shop: Shop) -> None:
    shop.land(event(properties={"名前": 1, "": 2, "%": 3, "a": {"_": 4, "b": 5}}))
    report = shop.flatten()
    why = "no letter or digit of a-z, 0-9 in its name"
    assert [(u.table, u.path, u.reason) for u in report.unnamed] == [
        ("seen", ("properties", ""), why),
        ("seen", ("properties", "%"), why),
        ("seen", ("properties", "a", "_"), why),
        ("seen", ("properties", "名前"), why),
    ]
    assert list(report.unnamed_frame()["path"])[-1] == "properties.名前"
    assert shop.rows("select a_b from events.seen") == [(5,)]
    assert "a" not in shop.columns("events.seen")


def test_a_key_that_is_a_default_column_is_dropped_and_reported(shop: Shop) -> None:
    keys = ["id", "event", "timestamp", "receivedAt", "user_id", "received_at_utc_date"]
    shop.land(event(userId="u1", properties=dict.fromkeys(keys, "x"), context={"ip": "1.2.3.4"}))
    report = shop.flatten()
    assert sorted(u.path[-1] for u in report.unnamed) == sorted(keys)
    assert shop.rows("select id, event, user_id, context_ip from events.seen") == [
        ("m1", "seen", "u1", "1.2.3.4")
    ]


def test_of_keys_that_collide_the_last_that_is_not_blank_wins(shop: Shop) -> None:
    shop.land(
        event(messageId="1", properties={"Foo": 1, "foo": 2}),
        event(messageId="2", properties={"foo": "", "Foo": 3}),
        event(messageId="3", properties={"a": {"b": {"c": 1}}, "a_b_c": 2}),
        event(messageId="4", properties={"a_b_c": None, "a": {"b_c": 3}}),
        # Later roots win: properties, userProperties, context.
        event(messageId="5", properties={"plan": "a"}, userProperties={"plan": "b"}),
        event(messageId="6", properties={"context_x": 1}, context={"x": 2}),
    )
    shop.flatten()
    assert shop.rows('select foo, a_b_c, "plan", context_x from events.seen order by id') == [
        (2, None, None, None),
        (3, None, None, None),
        (None, 2, None, None),
        (None, 3, None, None),
        (None, None, "b", None),
        (None, None, None, 2),
    ]


def test_of_a_key_given_twice_the_last_value_counts(shop: Shop) -> None:
    line = (
        '{"messageId":"old","messageId":"1","type":"identify","type":"track","event":"Seen",'
        '"properties":{"a":1,"a":"x","b":{"c":1},"\\u0062":{"c":2},"d":1,"d":null}}'
    )
    shop.land(line, '{"messageId":"2","type":"track","event":"Seen","properties":{"a":"y"}}')
    shop.flatten()
    assert shop.rows("select id, a, b_c from events.seen order by id") == [
        ("1", "x", 2),
        ("2", "y", None),
    ]
    assert "d" not in shop.columns("events.seen")
    # What was sent is kept as it was sent.
    assert shop.rows("select record from events.events where id = '1'") == [(line,)]


def test_keys_that_differ_in_case_or_hide_a_nul_do_not_meet(shop: Shop) -> None:
    shop.land(
        event(messageId="1", properties={"deep": {"A": {"x": 1}, "a": {"X": 2}}, "k": {"0": 5}}),
        event(messageId="2", properties={"deep": {"A": 3}, "k": [7]}),
        event(messageId="3", properties={"n\0a": 1, "n": 2, "e": {"": {"0": 3}}}),
        event(messageId="4", properties={"e": {"": [4]}}),
    )
    shop.flatten()
    assert shop.rows("select deep_a, deep_a_x, k, k_0, n, n_a from events.seen order by id") == [
        (None, 2, None, 5, None, None),
        (3, None, "[7]", None, None, None),
        (None, None, None, None, 2, 1),
        (None, None, None, None, None, None),
    ]


def test_odd_event_names_make_tables_of_their_own(shop: Shop) -> None:
    tables = {
        "Order Completed": "order_completed",
        "order_completed": "order_completed",
        "users": "_users",
        "select": "_select",
        "x'; drop table events.events; --": "x_drop_table_events_events",
        "名前": "",
        "": "",
        " ": "",
        "k" * 300: "k" * 127,
        "main": "main",
        "7": "_7",
        "_select": "_select",
        "_users": "_users",
    }
    # Only a table's name has an underscore more, where its own is taken or reserved.
    of_events = tables | {"users": "users", "select": "select"}
    shop.land(*(event(messageId=f"{n:02}", event=name) for n, name in enumerate(tables)))
    others = text(messageId="98", event=...), text(messageId="99", event=Raw("1e1"))
    shop.land(*others, name=f"{folder()}/b")
    report = shop.flatten()
    assert shop.rows("select event_text, event from events.tracks order by id") == [
        *of_events.items(),
        ("", ""),
        ("10", "_10"),
    ]
    for table in ("_select", "_users"):
        assert shop.rows(f"select event_text, event from events.{table} order by id") == [
            (table[1:], table[1:]),
            (table, table),
        ]
    named = {str(flat.table): flat.rows for flat in report.tables if flat.rows}
    assert named == {
        "events.tracks": 15,
        **{f"events.{t}": n for t, n in Counter(tables.values()).items() if t},
        "events._10": 1,
    }
    assert report.largest() == "events.order_completed"


def test_a_table_with_very_many_columns_is_reported(shop: Shop) -> None:
    shop.land(event(properties={f"p{n}": n for n in range(190)}))
    assert shop.flatten().wide() == ["events.seen"]


# --- the event types ------------------------------------------------------------------------------


def test_each_type_has_its_table_and_its_part_of_the_record(shop: Shop) -> None:
    parts = {
        "properties": {"p": 1},
        "traits": {"t": 1},
        "userProperties": {"u": 1},
        "context": {"traits": {"c": 1}, "locale": "de"},
        "category": "never mapped",
        "rudderId": "never mapped",
        "integrations": {"All": True},
        "userId": "u1",
    }
    types = ["Track", "IDENTIFY", "page", "screen", "group", "alias"]
    keys = {"name": "Home", "groupId": 7, "previousId": "a0"}
    shop.land(*(event(messageId=kind.lower(), type=kind, **parts, **keys) for kind in types))
    shop.flatten()
    default = {
        *("id", "anonymous_id", "user_id", "sent_at", "timestamp", "received_at"),
        *("original_timestamp", "channel", "context_ip", "context_request_ip"),
        *("context_passed_ip", "received_at_utc_date"),
    }
    context = {"context_locale", "context_traits_c"}
    own = {
        table: set(shop.columns(f"events.{table}"))
        for table in ("tracks", "seen", "identifies", "pages", "screens", "groups", "aliases")
    }
    assert all(columns > default | context for columns in own.values())
    assert {table: columns - default - context for table, columns in own.items()} == {
        "tracks": {"event", "event_text"},
        "seen": {"event", "event_text", "p", "u"},
        "identifies": {"u", "t", "c"},
        "pages": {"p", "name"},
        "screens": {"p", "name"},
        "groups": {"t", "group_id"},
        "aliases": {"t", "previous_id"},
    }
    assert shop.rows("select group_id from events.groups") == [("7",)]
    assert shop.rows("select previous_id from events.aliases") == [("a0",)]
    assert shop.rows("select id, type from events.events order by id") == [
        (kind, kind) for kind in ("alias", "group", "identify", "page", "screen", "track")
    ]


def test_the_name_of_a_page_is_its_own_or_that_of_its_properties(shop: Shop) -> None:
    shop.land(
        event(messageId="1", type="page", name="Own", properties={"name": "Other"}),
        event(messageId="2", type="page", name="", properties={"name": "Other"}),
        event(messageId="3", type="page", properties={"name": 5}),
    )
    shop.flatten()
    assert shop.rows("select name from events.pages order by id") == [("Own",), ("Other",), ("5",)]


def test_default_columns_and_the_two_addresses(shop: Shop) -> None:
    shop.land(
        event(messageId="1", request_ip="9.9.9.9", context={"ip": "1.1.1.1"}, channel="web"),
        event(messageId="2", request_ip="9.9.9.9", channel=""),
        event(messageId="3", anonymousId="", userId=""),
        # Numbers as identifiers have the text that they have in any column.
        text(messageId=Raw("4.0"), anonymousId=Raw("1.50"), userId=12),
        event(messageId="5", context="none", properties=[1], userId=None),
    )
    report = shop.flatten()
    chosen = "id, anonymous_id, user_id, channel, context_ip, context_request_ip, context_passed_ip"
    assert shop.rows(f"select {chosen} from events.seen order by id") == [
        ("1", "a1", None, "web", "1.1.1.1", "9.9.9.9", "1.1.1.1"),
        ("2", "a1", None, None, "9.9.9.9", "9.9.9.9", None),
        ("3", None, None, None, None, None, None),
        ("4", "1.5", "12", None, None, None, None),
        ("5", "a1", None, None, None, None, None),
    ]
    assert [(u.table, u.path) for u in report.unnamed] == [
        ("seen", ("context",)),
        ("seen", ("properties",)),
        ("tracks", ("context",)),
    ]


# --- times ----------------------------------------------------------------------------------------


def test_the_folders_day_rules_where_the_event_says_otherwise(shop: Shop) -> None:
    sent = {
        ...: "2026-01-05 00:00:00.000",
        None: "2026-01-05 00:00:00.000",
        "": "2026-01-05 00:00:00.000",
        "tomorrow": "2026-01-05 00:00:00.000",
        "2026-01-05T10:00:00.1239Z": "2026-01-05 10:00:00.123",
        "2026-01-05T01:00:00+02:00": "2026-01-05 00:00:00.000",  # the day before
        "2026-01-04T23:59:59.999Z": "2026-01-05 00:00:00.000",
        "2026-01-06T00:00:00Z": "2026-01-05 23:59:59.999",
        "2026-01-05T23:59:59.9999Z": "2026-01-05 23:59:59.999",
    }
    shop.land(*(event(messageId=f"{n}", receivedAt=at) for n, at in enumerate(sent)))
    shop.flatten()
    found = shop.rows("select received_at, received_at_utc_date from events.events order by id")
    assert found == [(at, "2026-01-05") for at in sent.values()]
    assert shop.rows("select moved_received_at from landing.ledger") == [(3,)]
    assert shop.rows(DISCARDS) == [("tracks", "3", "received_at", "tomorrow", "not a timestamp")]


def test_event_time_is_computed_where_the_server_sent_none_and_believed_within_bounds(
    shop: Shop,
) -> None:
    def sent(number: int, **keys: Any) -> dict[str, Any]:
        return event(messageId=f"{number:02}", **{"timestamp": ..., **keys})

    early = "1998-01-01T00:00:00Z"
    shop.land(
        sent(0, timestamp="2026-01-05T11:00:00Z"),
        # receivedAt - (sentAt - originalTimestamp)
        sent(1, sentAt="2026-01-05T09:00:05Z", originalTimestamp="2026-01-05T09:00:00Z"),
        sent(2, originalTimestamp="2026-01-05T09:00:00Z"),
        sent(3),
        sent(4, timestamp="whenever"),
        # A day ahead is believed, more is not; nor is anything before 2000.
        sent(5, timestamp="2026-01-06T12:00:00.000Z"),
        sent(6, timestamp="2026-01-06T12:00:00.001Z"),
        sent(7, timestamp="2000-01-01T00:00:00.000Z"),
        sent(8, timestamp="1999-12-31T23:59:59.999Z"),
        sent(9, timestamp=early, originalTimestamp=early),
    )
    shop.flatten()
    noon = "2026-01-05 12:00:00.000"
    found = shop.rows('select "timestamp", original_timestamp from events.seen order by id')
    assert found == [
        ("2026-01-05 11:00:00.000", None),
        ("2026-01-05 11:59:55.000", "2026-01-05 09:00:00.000"),
        ("2026-01-05 09:00:00.000", "2026-01-05 09:00:00.000"),
        (noon, None),
        (noon, None),
        ("2026-01-06 12:00:00.000", None),
        (noon, None),
        ("2000-01-01 00:00:00.000", None),
        (noon, None),
        (noon, "1998-01-01 00:00:00.000"),
    ]
    assert shop.rows("select unbelieved_timestamps from landing.ledger") == [(3,)]
    assert shop.rows(DISCARDS) == [("tracks", "04", "timestamp", "whenever", "not a timestamp")]


# --- records and quarantine -----------------------------------------------------------------------


def test_lines_are_cut_into_records_that_stand_or_fall_by_themselves(shop: Shop) -> None:
    shop.land(*CUTS)
    shop.flatten()

    def reason(record: str) -> str:
        try:
            json.loads(record)
        except ValueError:
            return "not_json"
        return "no_type"

    expected = [
        (number, reason(record), record)
        for number, records in enumerate(CUTS.values(), start=1)
        for record in records
    ]
    assert len(expected) == 19
    assert sum(why == "no_type" for _, why, _ in expected) == 13
    assert sorted(shop.rows(QUARANTINE)) == sorted(expected)
    assert shop.rows(LEDGER) == [(19, 0, 0, 19)]


def test_events_on_one_line_are_events(shop: Shop) -> None:
    shop.land(
        "".join(text(messageId=f"{n}", properties={"x": "}{"}) for n in range(3)) + '{"type":"tra',
        text(messageId="3") + " \t " + text(messageId="4"),
    )
    shop.flatten()
    assert shop.rows("select id, x from events.seen order by id") == [
        *((f"{n}", "}{") for n in range(3)),
        ("3", None),
        ("4", None),
    ]
    assert shop.rows(QUARANTINE) == [(1, "not_json", '{"type":"tra')]


def test_the_sign_that_cuts_are_marked_with_may_stand_in_a_line(shop: Shop) -> None:
    broken = '{"a":"\x1e0\x1e1\x1e"}'
    shop.land(broken + text() + broken, broken)
    shop.flatten()
    assert shop.rows(QUARANTINE) == [(1, "not_json", broken)] * 2 + [(2, "not_json", broken)]
    assert shop.rows("select id from events.seen") == [("m1",)]


REFUSED = {
    '{"type":"track",}': "not_json",
    '{"type":"track","properties":{"a":[1,]}}': "not_json",
    '{"type":"track","properties":{"a":NaN}}': "not_json",
    '{"type":"track","properties":{"a":-Infinity}}': "not_json",
    '{"type":"track","properties":{"a":1E400}}': "not_json",
    '{"type":"track","properties":{"a":' + "9" * 400 + "}}": "not_json",
    '{"type":"track","properties":{"a":01}}': "not_json",
    '{"type":"track","properties":{"a":.5}}': "not_json",
    '{"type":"track","properties":{"a":"\\ud800"}}': "not_json",
    '{"type":"track","properties":{"a":"\\udc00x"}}': "not_json",
    '{"type":"track","properties":{"a":"\x01"}}': "not_json",
    '{"type":"track","properties":{"a":"\t"}}': "not_json",
    '{"type":"track","properties":{"a":"\x00"}}': "not_json",
    '{"type":"track","properties":{"a":"\\x"}}': "not_json",
    "{'type':'track'}": "not_json",
    '{"type":"track"}//': "not_json",
    '{"type":"track"}\x0c': "not_json",
    "nonsense": "not_json",
    '[{"type":"track"}]': "not_an_object",
    '"track"': "not_an_object",
    "5": "not_an_object",
    "null": "not_an_object",
    "{}": "no_type",
    '{"type":null}': "no_type",
    '{"type":""}': "no_type",
    '{"type":"tracks"}': "unknown_type",
    '{"type":" track"}': "unknown_type",
    '{"type":5}': "unknown_type",
    '{"type":{}}': "unknown_type",
    '{"type":"track","properties":' + '{"k":' * 1000 + "1" + "}" * 1001: "nested_too_deep",
}


def test_what_is_refused_is_kept_with_its_reason(shop: Shop) -> None:
    shop.land(*REFUSED)
    shop.flatten()
    assert shop.rows(QUARANTINE) == [
        (number, reason, line) for number, (line, reason) in enumerate(REFUSED.items(), start=1)
    ]
    assert shop.rows(LEDGER) == [(len(REFUSED), 0, 0, len(REFUSED))]
    assert shop.rows("select id from events.tracks") == []


def test_what_only_looks_refused_is_kept(shop: Shop) -> None:
    looks = ["[NaN,]", "1E400", "x,}", "\\ud800", "Infinity", "0" * 60]
    deep = '{"k":' * 998 + "1" + "}" * 998
    shop.land(
        *(text(messageId=f"{n}", properties={"x": look}) for n, look in enumerate(looks)),
        text(messageId="6", properties=Raw(deep)),
        text(messageId="7", properties=Raw('{"x":' + "[" * 900 + "]" * 900 + "}")),
        " \t" + text(messageId="8", properties={"x": "y"}) + "  ",
        text(messageId="9", properties=Raw('{"y":1.7976931348623157e308,"z":0.5}')),
    )
    shop.flatten()
    assert shop.rows(LEDGER) == [(10, 10, 0, 0)]
    assert [x for (x,) in shop.rows("select x from events.seen order by id")] == [
        *looks,
        None,
        "[" * 900 + "]" * 900,
        "y",
        None,
    ]
    name = "_".join("k" * 998)[:127]
    assert shop.rows(f"select {name} from events.seen where id = '6'") == [(1,)]
    assert shop.rows("select y, z from events.seen where id = '9'") == [
        ("1.7976931348623157e+308", 0.5)
    ]


def test_what_is_no_utf8_is_kept_in_base64(shop: Shop) -> None:
    path = shop.landing / folder() / "a"
    path.parent.mkdir()
    path.write_bytes(text().encode() + b'{"a":"\xff"}' + text(messageId="m2").encode())
    shop.flatten()
    assert shop.rows("select reason, record, record_encoding from landing.quarantine") == [
        ("invalid_utf8", base64.b64encode(b'{"a":"\xff"}').decode(), "base64")
    ]
    assert shop.rows(LEDGER) == [(3, 2, 0, 1)]


def test_files_of_every_kind(shop: Shop) -> None:
    day = shop.landing / folder()
    day.mkdir()
    one = text(messageId="1").encode()
    files = {
        "bom.json": b"\xef\xbb\xbf" + one,
        "crlf.json": text(messageId="2").encode() + b"\r\n\r\n" + text(messageId="3").encode(),
        "empty.json": b"",
        "empty.gz": b"",
        "fine.gz": gzip.compress(text(messageId="4").encode() + b"\n"),
        "short.gz": gzip.compress(text(messageId="5").encode())[:-9],
        "plain.gz": text(messageId="6").encode(),
        ".hidden": one,
        "_hidden": one,
        "below/deep.json": text(messageId="7").encode(),
    }
    for name, data in files.items():
        (day / name).parent.mkdir(exist_ok=True)
        (day / name).write_bytes(data)
    (day / "dangling").symlink_to(day / "nowhere")
    (day / "like_a_file.json").mkdir()
    shop.land("{}", name="stray.json")
    shop.land("{}", name="received_at_utc_date=2026-02-30/a.json")
    report = shop.flatten()
    assert shop.rows("select id from events.events order by id") == [(n,) for n in "12347"]
    assert [(Path(f.file).name, f.error) for f in report.unreadable] == [
        ("dangling", "No such file or directory; the next run tries again"),
        ("plain.gz", "no valid gzip: Not a gzipped file (b'{\"')"),
        (
            "short.gz",
            "no valid gzip: Compressed file ended before the end-of-stream marker was reached",
        ),
    ]
    assert shop.rows("select files, unreadable_files, lines, blank_lines from landing.ledger") == [
        (9, 3, 6, 1)
    ]
    assert shop.warehouse.landing_files().strays == (
        "received_at_utc_date=2026-02-30/a.json",
        "stray.json",
    )
    total = sum(len(data) for name, data in files.items() if "hidden" not in name)
    assert shop.rows("select bytes from landing.ledger") == [(total,)]


def test_a_file_is_found_again_by_its_name(shop: Shop) -> None:
    name = f'{folder()}/it\'s "odd" %.json'
    shop.land("bad", event(), name=name)
    shop.flatten()
    assert shop.rows("select file, line_number from landing.quarantine") == [(name, 1)]
    assert shop.rows("select source_file from events.events") == [(name,)]


# --- duplicates -----------------------------------------------------------------------------------


def received(id_: Any, day: str, hour: int = 12, **keys: Any) -> tuple[str, dict[str, Any]]:
    return day, event(messageId=id_, receivedAt=f"{day}T{hour:02}:00:00Z", **keys)


def land_by_day(shop: Shop, *events: tuple[str, dict[str, Any]]) -> None:
    for number, (day, content) in enumerate(events):
        shop.land(content, name=f"{folder(day)}/{number}.json")


KEPT = "select id, received_at_utc_date, x from events.seen order by 1, 2"


def test_an_earlier_copy_within_the_window_makes_a_duplicate(shop: Shop) -> None:
    chain = (5, 12, 19, 26)  # each within seven days of the one before it, which is no kept one
    land_by_day(
        shop,
        received("same day", "2026-01-05", 13, properties={"x": "later"}),
        received("same day", "2026-01-05", 12, properties={"x": "first"}),
        received("7 days", "2026-01-05", properties={"x": "first"}),
        received("7 days", "2026-01-12", properties={"x": "copy"}),
        received("8 days", "2026-01-05", properties={"x": "first"}),
        received("8 days", "2026-01-13", properties={"x": "again"}),
        *(received("chain", f"2026-01-{d:02}", properties={"x": f"{d}."}) for d in chain),
        received("once", "2026-01-05", properties={"x": "only"}),
    )
    shop.flatten()
    assert shop.rows(KEPT) == [
        ("7 days", "2026-01-05", "first"),
        ("8 days", "2026-01-05", "first"),
        ("8 days", "2026-01-13", "again"),
        ("chain", "2026-01-05", "5."),
        ("once", "2026-01-05", "only"),
        ("same day", "2026-01-05", "first"),
    ]
    assert shop.rows(LEDGER) == [
        (6, 5, 1, 0),
        (2, 0, 2, 0),
        (1, 1, 0, 0),
        (1, 0, 1, 0),
        (1, 0, 1, 0),
    ]
    assert "earlier_copy_date" in duplicates_sql()


def test_the_window_is_a_setting(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop(duplicates__window_days=0)
    land_by_day(
        shop,
        received("a", "2026-01-05", 10, properties={"x": "first"}),
        received("a", "2026-01-05", 11, properties={"x": "copy"}),
        received("a", "2026-01-06", 10, properties={"x": "again"}),
    )
    shop.flatten()
    assert shop.rows(KEPT) == [("a", "2026-01-05", "first"), ("a", "2026-01-06", "again")]


def test_copies_received_at_once_are_told_apart_by_their_texts(shop: Shop) -> None:
    texts = [text(properties={"x": value}) for value in ("a", "b", "c")]
    first = min(texts, key=lambda t: hashlib.sha256(t.encode()).hexdigest())
    for order in ("abc", "cba"):
        for name, content in zip(order, texts, strict=True):
            shop.land(content, name=f"{folder()}/{name}.json")
        shop.flatten()
        assert shop.rows("select x from events.seen") == [(json.loads(first)["properties"]["x"],)]


@pytest.mark.parametrize("blank", [..., None, "", " \t"])
def test_without_an_id_exact_copies_are_one_event(shop: Shop, blank: Any) -> None:
    once, other = event(messageId=blank), event(messageId=blank, anonymousId="a2")
    shop.land(once, once, other)
    shop.land(once, name=f"{folder('2026-01-06')}/b.json")
    shop.flatten()
    digests = [hashlib.sha256(json.dumps(e).encode()).hexdigest() for e in (once, other)]
    assert shop.rows("select id from events.events order by anonymous_id") == [
        (f"auto-{digest}",) for digest in digests
    ]
    assert shop.rows(LEDGER) == [(3, 2, 1, 0), (1, 0, 1, 0)]


# --- runs -----------------------------------------------------------------------------------------


def test_only_the_wanted_sources_are_kept_and_the_others_counted_apart(
    make_shop: Callable[..., Shop],
) -> None:
    shop = make_shop(landing__write_keys=["web", "app"])
    shop.land(
        event(messageId="1", writeKey="web"),
        event(messageId="2", writeKey="app"),
        event(messageId="3", writeKey="other"),
        event(messageId="4"),
        # A copy in another source makes no duplicate.
        event(messageId="5", writeKey="other", receivedAt="2026-01-05T01:00:00Z"),
        event(messageId="5", writeKey="web"),
        "bad",
    )
    shop.flatten()
    assert shop.rows("select id, write_key from events.events order by id") == [
        ("1", "web"),
        ("2", "app"),
        ("5", "web"),
    ]
    assert shop.rows(LEDGER) == [(4, 3, 0, 1)]
    assert shop.rows("select other_sources from landing.ledger") == [(3,)]


def test_from_and_to_bound_what_is_read(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop(landing__from="2026-01-05", landing__to="2026-01-06")
    land_by_day(shop, *(received(f"{d}", f"2026-01-{d:02}") for d in (4, 5, 6, 7)))
    shop.flatten()
    assert shop.rows("select id from events.events order by id") == [("5",), ("6",)]
    far = make_shop(landing__from="2027-01-01")
    far.land(event())
    with pytest.raises(LandingError, match="between 2027-01-01 and the last day"):
        far.flatten()


def test_a_rerun_gives_equal_tables_and_drops_those_that_no_event_asks_for(shop: Shop) -> None:
    shop.land(event(messageId="1"), event(messageId="2", event="Gone"), "bad")
    first = shop.flatten()
    tables = shop.tables()
    assert first.dropped == ()
    assert shop.flatten().dropped == ()
    assert shop.tables() == tables
    shop.land(event(messageId="1"), "bad")
    assert shop.flatten().dropped == ("gone",)
    assert "events.gone" not in shop.tables()
    assert shop.rows("select id from events.tracks") == [("1",)]


def test_a_column_that_later_data_widens_is_made_again(shop: Shop) -> None:
    shop.land(text(messageId="1", properties=Raw('{"x":1.10}')))
    shop.flatten()
    assert shop.rows("select x from events.seen") == [(1.1,)]
    shop.land(text(messageId="2", properties={"x": "a"}), name=f"{folder('2026-01-06')}/b")
    shop.flatten()
    assert shop.rows("select x from events.seen order by id") == [("1.1",), ("a",)]


def test_one_event_alone(shop: Shop) -> None:
    shop.land(event())
    report = shop.flatten()
    assert {str(flat.table): flat.rows for flat in report.tables} == {
        "events.aliases": 0,
        "events.groups": 0,
        "events.identifies": 0,
        "events.pages": 0,
        "events.screens": 0,
        "events.seen": 1,
        "events.tracks": 1,
        "events.users": 0,
    }
    assert shop.rows(LEDGER) == [(1, 1, 0, 0)]


@pytest.mark.parametrize(
    ("lines", "ledger"),
    [((), (0, 0, 0, 0)), (("", " "), (0, 0, 0, 0)), (("bad", "{}"), (2, 0, 0, 2))],
)
def test_no_event_at_all(shop: Shop, lines: tuple[str, ...], ledger: tuple[int, ...]) -> None:
    shop.land(*lines)
    report = shop.flatten()
    assert shop.rows(LEDGER) == [ledger]
    assert [flat.rows for flat in report.tables] == [0] * 7
    assert report.largest() == "events.tracks"
    assert list(report.frame()["rows"]) == [0] * 7
    assert set(shop.columns("events.events")) >= {"id", "record", "received_at_utc_date"}


def test_an_empty_landing_says_what_to_do(shop: Shop) -> None:
    shop.land(event(), name="elsewhere/a.json")
    with pytest.raises(LandingError, match=r"1 file outside of date folders.*Check the location"):
        shop.flatten()
    assert not shop.warehouse.exists()


def test_a_run_that_is_killed_leaves_nothing_that_a_rerun_does_not_put_right(
    make_shop: Callable[..., Shop],
) -> None:
    shop, undisturbed = make_shop(), make_shop()
    for one in (shop, undisturbed):
        one.land(event(messageId="old"), event(messageId="old 2", event="Gone"))
    shop.flatten()
    before = shop.tables()
    for one in (shop, undisturbed):
        one.land(*(event(messageId=f"{n}", event=f"E {n % 9}") for n in range(30)), "bad")
    script = f"""
import os, signal
from pathlib import Path
from engagement.warehouse.duckdb.publisher import Publisher
from tests.flatten.conftest import Shop

replace = Publisher._replace

def killed(self, table, *rest):
    done = replace(self, table, *rest)
    if table.name == "e_3":
        os.kill(os.getpid(), signal.SIGKILL)  # within the table's transaction
    return done

Publisher._replace = killed
Shop(Path({str(shop.path.parent)!r})).flatten()
"""
    died = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    # Nobody sees some tables of a day and lacks others.
    assert shop.tables() == before
    shop.flatten()
    undisturbed.flatten()
    assert shop.tables() == undisturbed.tables()


def test_records_that_do_not_add_up_stop_the_run_before_it_publishes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.land(event())
    shop.flatten()
    shop.land(event(), event(messageId="m2"))
    sql = ingest._sql

    def losing(name: str) -> Any:
        query = sql(name)
        return query.where("id <> 'm2'") if name == "kept" else query

    monkeypatch.setattr(ingest, "_sql", losing)
    with pytest.raises(LandingError, match="2026-01-05: 2 records, but 1 events"):
        shop.flatten()
    assert shop.rows("select id from events.events") == [("m1",)]
