"""Which tables come of the events, and their columns, types and values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.flatten.by_hand import Landing

_NUMBER = iter(range(1_000_000))


def track(event: Any = "Ev", /, **properties: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": event,
        "messageId": f"m{next(_NUMBER):06d}",
        "receivedAt": "2026-01-01T10:00:00.000Z",
        "properties": properties,
    }


def test_a_track_goes_to_tracks_and_to_the_table_of_its_name(landing: Landing) -> None:
    landing.put([track("Product Viewed", sku="s"), track("product_viewed", sku="t"), track("検索")])
    landing.flatten()
    assert landing.rows(
        "select event_text, event, sku from events.product_viewed order by sku"
    ) == [
        ("Product Viewed", "product_viewed", "s"),
        ("product_viewed", "product_viewed", "t"),
    ]
    assert landing.rows("select event_text, event from events.tracks order by event, 1") == [
        ("検索", ""),
        ("Product Viewed", "product_viewed"),
        ("product_viewed", "product_viewed"),
    ]


def _in_context(event: str, context: dict[str, Any], day: int = 1, **more: Any) -> dict[str, Any]:
    received = f"2026-01-{day:02d}T10:00:00.000Z"
    return {**track(event, **more), "context": context, "receivedAt": received}


def test_tracks_have_one_type_where_their_own_tables_differ(landing: Landing) -> None:
    # By hand. "Number" and "Text" have n as bigint and as varchar, so tracks have it as varchar;
    # "Same" has none, "Blank" an empty one; no table is named after the last two.
    landing.put(
        [
            _in_context("Number", {"n": 7, "same": "a"}),
            _in_context("Text", {"n": "seven", "same": "b"}),
            _in_context("Same", {"same": "c"}),
            _in_context("Blank", {"n": "", "same": "d"}),
            _in_context("検索", {"n": 1.5, "same": "e"}),
            _in_context("", {"n": True, "same": "f"}),
        ]
    )
    landing.flatten()
    assert landing.types("events.number", "context_n") == {"context_n": "bigint"}
    assert landing.types("events.tracks", "context_n", "context_same") == {
        "context_n": "varchar",
        "context_same": "varchar",
    }
    assert landing.rows("select event, context_n, context_same from events.tracks order by 3") == [
        ("number", "7", "a"),
        ("text", "seven", "b"),
        ("same", None, "c"),
        ("blank", None, "d"),
        ("", "1.5", "e"),
        ("", "true", "f"),
    ]


def test_a_property_named_like_a_column_of_the_context_stays_out_of_tracks(
    landing: Landing,
) -> None:
    landing.put(
        [
            _in_context("Twice", {"locale": "en"}, context_locale="of the properties"),
            _in_context("Property", {"x": "y"}, context_locale="of the properties"),
            _in_context("Context", {"locale": "fr"}),
        ]
    )
    landing.flatten()
    # In a table of its own the context wins, where there is one.
    assert landing.rows("select context_locale from events.twice") == [("en",)]
    assert landing.rows("select context_locale from events.property") == [("of the properties",)]
    assert landing.rows("select event, context_locale from events.tracks order by 1") == [
        ("context", "fr"),
        ("property", None),
        ("twice", "en"),
    ]


def test_tracks_follow_when_a_table_gets_another_type_later(landing: Landing) -> None:
    landing.put([_in_context("Early", {"n": 1, "m": 1}), _in_context("Other", {"n": 2})])
    landing.flatten()
    assert landing.rows("select event, context_n from events.tracks order by 1") == [
        ("early", 1),
        ("other", 2),
    ]
    landing.put([_in_context("Early", {"n": "x", "m": 2.5}, day=2)], day="2026-01-02")
    landing.flatten()
    assert landing.rows("select event, context_n, context_m from events.tracks order by 1, 2") == [
        ("early", "1", 1.0),
        ("early", "x", 2.5),
        ("other", "2", None),
    ]
    assert landing.rows("select context_n from events.other") == [(2,)]


def test_no_event_is_left_out_for_letters_of_its_type(landing: Landing) -> None:
    dotted_i, kelvin = "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}", "\N{KELVIN SIGN}"
    landing.put(
        [
            {**track(), "type": f"TRAC{kelvin}"},
            {**track(), "type": f"{dotted_i}dentify", "userId": "u"},
        ]
    )
    landing.flatten()
    assert landing.rows("select type from events.events order by 1") == [("identify",), ("track",)]
    assert landing.rows("select user_id from events.identifies") == [("u",)]
    assert landing.rows("select id from events.users") == [("u",)]
    assert landing.rows("select count(*) from events.ev") == [(1,)]


def test_names_of_the_readers_own_tables_are_data(landing: Landing) -> None:
    names = ["__just_read_values_0", "__just_read_values_99", "__just_read_records", '"__view 0"']
    leaves = {
        f"__leaf_{n}{kind}": f"\\ {n}" for n in range(9) for kind in ("", "_text", "_printed")
    }
    landing.put([track(name, __just_read_values_1=name, **leaves) for name in names])
    landing.flatten()
    columns = ", ".join(f'"{name}"' for name in leaves)
    found = landing.rows(f"select {columns} from events.{names[1]}")
    assert found == [tuple(leaves.values())]
    assert landing.rows("select event_text from events.tracks order by id") == [(n,) for n in names]


def test_the_type_is_the_narrowest_that_holds_every_value(landing: Landing) -> None:
    landing.put(
        [
            track(i=1, d=1, big=1, b=True, t="2026-01-01T00:00:00Z", s="x", m=1, whole=5.0),
            track(i=-5, d=2.5, big=2**70, b=False, t="2026-01-02 10:30+02:00", s="true", m="x"),
            track(i=None, d=None, big=3, b="", t="", s="2026-01-01T00:00:00Z", m=2.5, whole=1e2),
        ]
    )
    landing.flatten()
    assert landing.types("events.ev", "i", "d", "big", "b", "t", "s", "m", "whole") == {
        "i": "bigint",
        "d": "double",
        "big": "varchar",
        "b": "boolean",
        "t": "timestamp(3)",
        "s": "varchar",
        "m": "varchar",
        "whole": "bigint",
    }
    assert landing.rows("select big, b, t, m, whole from events.ev order by id") == [
        ("1", True, datetime(2026, 1, 1), "1", 5),
        (str(2**70), False, datetime(2026, 1, 2, 8, 30), "x", None),
        ("3", None, None, "2.5", 100),
    ]


def test_blank_values_make_no_column_and_the_rest_is_kept(landing: Landing) -> None:
    landing.put([track(a=None, b="", c=[], d=[""], e={}, space=" ", zero=0, no=False, l=[1, "x"])])
    landing.flatten()
    [row] = landing.rows("select space, zero, no, l from events.ev")
    assert row == (" ", 0, False, '[1,"x"]')
    columns = landing.warehouse.query("select * from events.ev").columns
    assert {"a", "b", "c", "d", "e"}.isdisjoint(columns)


def test_declared_columns_read_numbers_in_strings_and_discard_the_rest(landing: Landing) -> None:
    landing.put(
        [
            track(price="49.90", quantity="2", product_id=7),
            track(price="49,90", quantity=2.5, product_id="p"),
            track(price=[1], quantity=5.0),
        ]
    )
    landing.flatten()
    assert landing.rows("select price, quantity, product_id from events.ev order by id") == [
        (49.9, 2, "7"),
        (None, None, "p"),
        (None, 5, None),
    ]
    assert landing.rows(
        "select table_name, column_name, column_value, reason from events.discards order by 2, 3"
    ) == [
        ("ev", "price", "49,90", "not a double"),
        ("ev", "price", "[1]", "not a double"),
        ("ev", "quantity", "2.5", "not a bigint"),
    ]


def test_odd_keys_are_data(landing: Landing) -> None:
    odd = {
        'quo"te': 1,
        "semi;colon": 2,
        "select": 3,
        "a/b~c.d": 4,
        "": 5,
        "ключ": 6,
        "ID": 7,
        "price ": "9",
        "Key": "upper",
        "nested": {"key": 8, "KEY2": {"deep": 9}},
    }
    event = track()
    event["properties"] = odd
    landing.put([event])
    report = landing.flatten()
    assert landing.rows(
        "select quo_te, semi_colon, _select, a_b_c_d, price, key, nested_key, nested_key2_deep "
        "from events.ev"
    ) == [(1, 2, 3, 4, 9.0, "upper", 8, 9)]
    assert {u.path[-1] for u in report.unnamed} == {"", "ключ", "ID"}


def test_keys_that_differ_in_case_only_share_a_column(landing: Landing) -> None:
    event = track()
    event["properties"] = {"Colour": "", "colour": "red"}
    landing.put([event])
    landing.flatten()
    assert landing.rows("select colour from events.ev") == [("red",)]


def test_a_key_that_is_a_value_here_and_an_object_there(landing: Landing) -> None:
    landing.put([track(x=1), track(x={"y": "z"}), track(x={})])
    landing.flatten()
    assert landing.rows("select x, x_y from events.ev order by id") == [
        (1, None),
        (None, "z"),
        (None, None),
    ]


def test_hostile_event_names_are_tables_like_any_other(landing: Landing) -> None:
    names = ["'; drop table events.events; --", 'a"b', "x" * 300, "users", "select"]
    landing.put([track(name) for name in names])
    landing.flatten()
    assert landing.rows("select event_text from events.tracks order by id") == [(n,) for n in names]
    for table in ("drop_table_events_events", "a_b", "x" * 127, "_users", "_select"):
        assert landing.rows(f'select count(*) from events."{table}"') == [(1,)]


def _identify(day: int, **traits: Any) -> dict[str, Any]:
    return {
        "type": "identify",
        "messageId": f"i{day}",
        "userId": "u1",
        "receivedAt": f"2026-01-{day:02d}T10:00:00.000Z",
        "context": {"traits": traits},
    }


def test_a_page_takes_its_name_from_the_top_then_from_the_properties(landing: Landing) -> None:
    landing.put(
        [
            {"type": "page", "messageId": "1", "name": "top", "properties": {"name": "inner"}},
            {"type": "page", "messageId": "2", "properties": {"name": "inner"}},
        ]
    )
    landing.flatten()
    assert landing.rows("select name from events.pages order by id") == [("top",), ("inner",)]


def test_tables_that_no_event_asks_for_any_more_are_dropped(landing: Landing) -> None:
    landing.put([track("Once")])
    landing.flatten()
    landing.put([track("Other")])
    assert landing.flatten().dropped == ("once",)


def test_a_second_run_changes_nothing(landing: Landing) -> None:
    landing.put([track(a=1), track("Other", b="x"), _identify(1, plan="free")])
    first = landing.flatten()
    before = {
        str(t.table): landing.rows(f"select * from {t.table} order by id") for t in first.tables
    }
    second = landing.flatten()
    assert {
        str(t.table): landing.rows(f"select * from {t.table} order by id") for t in second.tables
    } == before
