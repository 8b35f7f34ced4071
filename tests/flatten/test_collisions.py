"""Keys of one record that give one column: the last value that is not blank wins.

Of parts of the record the later one wins; within a part the record's own order decides.
"""

from __future__ import annotations

from typing import Any

import pytest

from engagement.records import records
from tests.flatten.conftest import Raw, Shop, event, text
from tests.flatten.test_two_ways import Odd

# What properties hold, as they stand in the record, and what the column `osv` gets.
CASES: list[tuple[str, str | None]] = [
    ('{"osv": "9", "Osv": "8"}', "8"),
    ('{"Osv": "8", "osv": "9"}', "9"),
    ('{"osv": "9", "Osv": ""}', "9"),
    ('{"Osv": "8", "osv": null}', "8"),
    ('{"osv": "1", "OSV": "2", "Osv": "3"}', "3"),
    ('{"Osv": "3", "OSV": "2", "osv": ""}', "2"),
    ('{"$osv": "1", "osv ": "2"}', "2"),
    ('{"osv ": "2", "$osv": "1"}', "1"),
    ('{"osv": "1"}', "1"),
    ('{"Osv": ["x"], "osv": {}}', '["x"]'),
    ("{}", None),
    # Names that hold these keys, too, and values that look like them.
    ('{"a": {"Osv": "0"}, "osv": "9", "Osv": "8", "b": {"osv": "7"}}', "8"),
    ('{"x": "\\"osv\\":\\"9\\"", "Osv": "8", "osv": "9"}', "9"),
    # The place of a key that is given twice is its first; its value is its last.
    ('{"osv": "1", "Osv": "2", "osv": "3"}', "2"),
    ('{"osv": "1", "osv": "2"}', "2"),
    # A long value stands elsewhere in memory than a short one.
    (f'{{"osv": "{"a" * 40}", "Osv": "8"}}', "8"),
    (f'{{"Osv": "8", "osv": "{"a" * 40}"}}', "a" * 40),
]
WAYS = ("scanned", "parsed", "made again")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How values are found: by a scan, by parsing texts, or again in the events kept."""
    if request.param == "parsed":
        monkeypatch.setattr(records, "Scanned", Odd)
    return str(request.param)


def taken_in(shop: Shop, way: str, *lines: str | dict[str, Any]) -> None:
    """Flatten lines; a table is made again where a later event gives a column another type."""
    shop.land(*lines, event(messageId="first", properties={"widened": 1}))
    shop.flatten()
    if way == "made again":
        later = event(messageId="later", properties={"widened": "x"})
        shop.land(later, name="received_at_utc_date=2026-01-06/a.json")
        shop.flatten()
        assert shop.columns("events.seen")["widened"] == "varchar"


def test_of_one_part_the_records_own_order_decides(shop: Shop, way: str) -> None:
    lines = [text(messageId=f"{n:02}", properties=Raw(case)) for n, (case, _) in enumerate(CASES)]
    taken_in(shop, way, *lines)
    found = dict(shop.rows("select id, osv from events.seen where id < 'a'"))
    assert [(case, found[f"{n:02}"]) for n, (case, _) in enumerate(CASES)] == CASES


def test_keys_that_meet_at_several_levels_stand_in_the_order_of_the_record(
    shop: Shop, way: str
) -> None:
    cases = [
        ('{"a": {"b": {"c": 1}}, "a_b_c": 2}', 2),
        ('{"a_b_c": 2, "a": {"b": {"c": 1}}}', 1),
        ('{"a_b_c": 2, "a": {"b": {"x": 1}}}', 2),
        ('{"a": {"B": {"c": 3}, "b": {"c": 1}}}', 1),
        ('{"a": {"b": {"c": 1}, "B": {"c": 3}}}', 3),
        ('{"a": {"b": {"c": 1, "C": 4}, "B": {"c": null}}}', 4),
        ('{"a": {"b_c": 5}, "A": {"b": {"c": 6}}}', 6),
        ('{"A": {"b": {"c": 6}}, "a": {"b_c": 5}}', 5),
    ]
    lines = [text(messageId=f"{n}", properties=Raw(case)) for n, (case, _) in enumerate(cases)]
    taken_in(shop, way, *lines)
    found = dict(shop.rows("select id, a_b_c from events.seen where id < 'a'"))
    assert [(case, found[f"{n}"]) for n, (case, _) in enumerate(cases)] == cases


def test_values_of_every_type_are_chosen_by_their_place(shop: Shop, way: str) -> None:
    pairs = {
        "price": (1.5, 2),
        "quantity": (3, 4),
        "flag": (True, False),
        "at": ("2026-01-05T10:00:00Z", "2026-01-05T11:00:00Z"),
        "any": ("x", 5),
    }
    forth = {name: one for pair in pairs for name, one in _both(pair, *pairs[pair])}
    back = dict(reversed(forth.items()))
    taken_in(
        shop,
        way,
        event(messageId="1", properties=forth),
        event(messageId="2", properties=back),
        event(messageId="3", properties={"price": "9.5", "Price": "much"}),
    )
    named = 'price, quantity, flag, "at", "any"'
    assert shop.rows(f"select {named} from events.seen where id in ('1', '2') order by id") == [
        (2.0, 4, False, "2026-01-05 11:00:00.000", "5"),
        (1.5, 3, True, "2026-01-05 10:00:00.000", "x"),
    ]
    # What does not fit is set aside, and gives way to what does.
    assert shop.rows("select price from events.seen where id = '3'") == [(9.5,)]
    assert shop.rows("select row_id, column_name, column_value from events.discards") == [
        ("3", "price", "much")
    ]


def _both(name: str, one: Any, other: Any) -> list[tuple[str, Any]]:
    return [(name, one), (name.title(), other)]


def test_a_part_of_the_record_goes_before_its_order(shop: Shop, way: str) -> None:
    shop.land(
        text(
            messageId="1",
            userProperties=Raw('{"Plan": "c", "plan": "d"}'),
            properties=Raw('{"plan": "b", "Plan": "a"}'),
        ),
        text(messageId="2", properties=Raw('{"plan": "b", "Plan": "a"}')),
        text(
            messageId="3",
            type="identify",
            userId="u1",
            traits=Raw('{"email": "first@example.org", "Email": "last@example.org"}'),
        ),
        text(
            messageId="4",
            type="identify",
            userId="u2",
            context=Raw('{"traits": {"Email": "first@example.org", "email": "last@example.org"}}'),
            traits=Raw('{"email": ""}'),
        ),
    )
    shop.flatten()
    assert shop.rows('select "plan" from events.seen order by id') == [("d",), ("a",)]
    assert shop.rows("select email from events.identifies") == [("last@example.org",)] * 2
    assert shop.rows("select email from events.users") == [("last@example.org",)] * 2


def test_very_many_keys_that_meet_stop_nothing(shop: Shop, way: str) -> None:
    keys = ["o" + " " * n + "sv" for n in range(150)]
    taken_in(
        shop,
        way,
        event(messageId="1", properties={key: n for n, key in enumerate(keys)}),
        event(messageId="2", properties={key: n for n, key in reversed(list(enumerate(keys)))}),
        event(messageId="3", properties={keys[7]: "", keys[9]: 9, keys[8]: 8}),
    )
    found = dict(shop.rows("select id, o_sv from events.seen where id < 'a'"))
    assert found == {"1": 149, "2": 1, "3": 8}
