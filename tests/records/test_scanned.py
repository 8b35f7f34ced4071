"""The scan of lines: what it takes for clean is JSON, and its leaves are the values in it.

An odd line costs time alone: it is judged by others. So each case says what must hold of a clean
one, and the usual lines must be clean.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from functools import cache
from typing import Any

import duckdb
import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engagement.records import records, scanned, strict_json
from engagement.records.json_scan import BLANK, CLEAN, ODD
from engagement.records.lines import UnreadableFileError
from engagement.records.scanned import AS_IT_STANDS, COUNTED, LOOKS, READ_AS, Scanned
from engagement.warehouse.duckdb.json_sql import rendered, text_sql

TEXTS = [("type",), ("event",), ("messageId",), ("context", "ip")]


def scan(*lines: bytes) -> Scanned:
    return Scanned(b"".join(line + b"\n" for line in lines), TEXTS)


def what(line: bytes) -> int:
    return int(scan(line).what[0])


def leaves(line: bytes) -> Counter[tuple[tuple[str, ...], str]]:
    """Paths and kinds of a clean line, as the scan counts them."""
    found = scan(line)
    nodes, counts, _ = found.counts(np.array([0]))
    return Counter(
        {
            (found.path(int(node)), COUNTED[place]): int(count)
            for node, row in zip(nodes, counts, strict=True)
            for place, count in enumerate(row)
            if count
        }
    )


def values(line: bytes) -> dict[tuple[str, ...], Any]:
    """Values of a clean line by path, read from its columns."""
    found = scan(line)
    leaves = found.leaves(found.groups[0])
    assert leaves is not None
    read = {}
    columns = found.columns(
        found.groups[0].rows, [(leaf, AS_IT_STANDS) for leaf in leaves.values()]
    )
    for (path, leaf), cells in zip(leaves.items(), columns, strict=True):
        text = cells[0].as_py()
        is_string = COUNTED[leaf.kinds.bit_length() - 1] == "string"
        read[path] = orjson.loads(f'"{text}"' if is_string else text)
    return read


def flat(value: dict[str, Any], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            found |= flat(inner, (*above, key))
        elif inner is not None:
            found[*above, key] = inner
    return found


@pytest.mark.parametrize(
    "line",
    [
        '{"type":"page"}',
        '{ "type" : "track" , "event" : "Ä \\u00e9 \\ud83d\\ude00 😀" , "n" : [ 1 , { } ] }',
        '{"type":"track","event":"","p":{"a":-1,"b":0,"c":1.50,"d":-2e-7,"e":1E+22,"f":null}}',
        '{"type":"identify","a":{"b":{"c":{}}},"t":true,"f":false,"x":[],"y":[[["a\\n"]]]}',
        '{"type":"page","a b":{"":1,"é":2},"context":{"ip":"::1","ua":"a \\"b\\" \\\\"}}',
        '{"type":"page","n":123456789012345678,"m":-999999999999999999}',
        '{"type":"page","n":7}',
        '{"type":"page","n":"abc"}',
        '{"type":"page","n":"abcdefgh"}',
        '{"type":"page","n":"abcdefghijkl"}',
        '{"type":"page","n":"abcdefghijklm"}',
    ],
)
def test_usual_lines_are_clean_and_their_values_are_found(line: str) -> None:
    data = line.encode()
    assert what(data) == CLEAN
    assert values(data) == flat(json.loads(line))
    assert leaves(data) == Counter(strict_json.paths(line))


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"page","a":1,"a":2}',
        b'{"type":"page","p":{"a":[{"b":1,"b":2}]}}',
        b'{"type":"page","\\u0061":1}',
        b'{"type":"page"} ',
        b' {"type":"page"}',
        b'{"type":"page"}{"type":"page"}',
        b'{"type":1}',
        b'{"a":1}',
        b'{"type":"page","event":7}',
        b'{"type":"page","messageId":{"a":1}}',
        b'{"type":"page","messageId":{}}',
        b'{"type":"page","context":{"ip":["::1"]}}',
        b'{"type":"page","a":"\x01"}',
        b'{"type":"page","a":"\\x"}',
        b'{"type":"page","a":"\\ud800"}',
        b'{"type":"page","a":"\\ud800\\u0041"}',
        b'{"type":"page","a":"\\u0000"}',
        b'{"type":"page","a":"\xc3"}',
        b'{"type":"page","a":"\xed\xa0\x80"}',
        b'{"type":"page","a":"\xc0\xaf"}',
        b'{"type":"page","a":"\xf4\x90\x80\x80"}',
        b'{"type":"page","a":01}',
        b'{"type":"page","a":+1}',
        b'{"type":"page","a":1.}',
        b'{"type":"page","a":.5}',
        b'{"type":"page","a":1e}',
        b'{"type":"page","a":1e400}',
        b'{"type":"page","a":-0}',
        b'{"type":"page","a":1234567890123456789}',
        b'{"type":"page","a":NaN}',
        b'{"type":"page","a":tru}',
        b'{"type":"page","a":}',
        b'{"type":"page","a":1,}',
        b'{"type":"page","a":[1,]}',
        b'{"type":"page","a":[1}',
        b'{"type":"page","a":{"b":1]}',
        b'{"type":"page",,"a":1}',
        b'{"type":"page" "a":1}',
        b'{"type":"page","a"1}',
        b'{"type":"page"',
        b'{"type":"page","a":"x',
        b'{"type":"page","a":' + b"[" * 40 + b"]" * 40 + b"}",
        b'["type","page"]',
        b'"type"',
        b"null",
        b"}",
        b"\xef\xbb\xbf{}",
    ],
)
def test_anything_else_is_odd(line: bytes) -> None:
    assert what(line) == ODD


@pytest.mark.parametrize("line", [b"", b" ", b"\t \t"])
def test_lines_of_white_space_are_blank(line: bytes) -> None:
    assert what(line) == BLANK


KEYS = st.sampled_from(["a", "b", "", "type", "ip", "messageId", "é", 'q"', "a b"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["2026-01-05T10:00:00Z", "", '":', "{", "}{", "\u2028"]),
)
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, NESTED, max_size=5).map(lambda found: {"type": "page", **found})


@given(OBJECTS, st.booleans(), st.sampled_from([None, 1]))
def test_what_is_clean_has_its_values_where_the_scan_says(
    value: dict[str, Any], ascii_only: bool, spaced: int | None
) -> None:
    separators = (", ", ": ") if spaced else (",", ":")
    line = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode(
        "utf-8", "surrogatepass"
    )
    if what(line) != CLEAN:
        return
    text = line.decode()
    assert strict_json.verdict(text) == strict_json.OBJECT
    assert values(line) == flat(json.loads(text))
    assert leaves(line) == Counter(strict_json.paths(text))


@given(OBJECTS, st.data())
@example({"type": "page", "a": [1, {"b": "x"}]}, None)
def test_a_damaged_line_is_never_taken_for_clean_wrongly(
    value: dict[str, Any], data: st.DataObject | None
) -> None:
    line = bytearray(json.dumps(value, separators=(",", ":")).encode())
    if data is not None:
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(line) - 1))
            kind = data.draw(st.sampled_from(["change", "drop", "double"]))
            if kind == "change":
                line[at] = data.draw(st.sampled_from(b'{}[]",:\\ 0-.eE+tfnu\xc3\x80\x01'))
            elif kind == "drop" and len(line) > 1:
                del line[at]
            else:
                line.insert(at, line[at])
    damaged = bytes(line)
    if what(damaged) != CLEAN:
        return
    text = damaged.decode("utf-8")
    assert strict_json.verdict(text) == strict_json.OBJECT
    assert leaves(damaged) == Counter(strict_json.paths(text))
    assert values(damaged) == flat(json.loads(text))


def test_lines_are_counted_and_found_whatever_stands_between_them() -> None:
    found = scan(b'{"type":"page"}', b"", b"{bad", b'{"type":"track","event":"E","x":1}', b" ")
    assert found.what.tolist() == [CLEAN, BLANK, ODD, CLEAN, BLANK]
    assert [(group.kind, group.event, group.rows.tolist()) for group in found.groups] == [
        ("page", None, [0]),
        ("track", "E", [3]),
    ]
    assert found.line(2) == b"{bad"
    assert found.lines().to_pylist() == ['{"type":"page"}', '{"type":"track","event":"E","x":1}']


def test_room_grows_with_keys_and_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanned, "_NODES", 8)
    monkeypatch.setattr(scanned, "_KEY_BYTES", 64)
    monkeypatch.setattr(scanned, "_LEAVES_A_LINE", 0)
    rows = [{"type": "page", **{f"key {n} {m}": {"x": n} for m in range(40)}} for n in range(100)]
    found = scan(*(json.dumps(row).encode() for row in rows))
    assert set(found.what.tolist()) == {CLEAN}
    nodes, counts, _ = found.counts(np.arange(100))
    assert len(nodes) == 100 * 40 + 1
    assert counts.sum() == 100 * 41
    assert {found.path(int(node)) for node in nodes} == {
        ("type",),
        *((f"key {n} {m}", "x") for n in range(100) for m in range(40)),
    }


# --- a look into values ---------------------------------------------------------------------------


def looks(value: str) -> dict[str, int]:
    """What counting tells of one value, given as JSON."""
    found = scan(b'{"type":"page","v":' + value.encode() + b"}")
    nodes, _, rows = found.counts(np.array([0]))
    paths = [found.path(int(node)) for node in nodes]
    row = rows[paths.index(("v",))].tolist()
    return dict(zip(LOOKS, row, strict=True))


@cache
def judge() -> duckdb.DuckDBPyConnection:
    """DuckDB as a warehouse sets it up."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    return connection


def is_timestamp(text: str) -> bool:
    """What the warehouse says of a text."""
    sql = rendered(f"parse_timestamp({text_sql(text)})")
    return judge().execute(f"select {sql}").fetchall()[0][0] is not None


DIGITS = st.integers(0, 31).map("{:02}".format) | st.text("0123456789", min_size=1, max_size=2)
TIMES = st.builds(
    "{}{}-{}-{}{}{}:{}{}{}".format,
    DIGITS,
    DIGITS,
    DIGITS,
    DIGITS,
    st.sampled_from(["T", " ", "t", "x", ""]),
    DIGITS,
    DIGITS,
    st.sampled_from([":59", ":60", ":05.123", ":05.1234", ":05.1x3", ".05", ":0a.123", ""]),
    st.sampled_from(["Z", "z", "", "+02:00", "-1400", "+25:00", "+1:000", "-13:59", "+0", "Zz"]),
)


@given(TIMES | st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=26))
@example("2026-01-05T10:00:00.000Z")
@example("2026-02-28T23:59:59Z")
@example("2026-02-30T10:00:00.000Z")
@example("0000-01-01T10:00:00.000Z")
@example("0001-01-01T10:00:00.000Z")
@example("9999-12-31T10:00:00.000Z")
@example("2026-13-05T10:00:00.000Z")
@example("2026-01-05T24:00:00.000Z")
@example("2026-01-05T10:00:60.000Z")
@example("2026-01-05 10:00")
@example("2026-01-05")
@example("2026-01-05-a-long-name")
def test_a_string_that_is_surely_a_timestamp_or_none_is_so(text: str) -> None:
    found = looks(json.dumps(text, ensure_ascii=False))
    assert found["texts"] == (text != "")
    if not found["unsure"]:
        assert found["timestamps"] == is_timestamp(text)


@pytest.mark.parametrize("place", range(24))
def test_a_time_with_one_other_character_is_not_mistaken(place: int) -> None:
    usual = "2026-01-05T10:00:00.123Z"
    for character in "/:09349-TZ. aé":
        text = usual[:place] + character + usual[place + 1 :]
        found = looks(json.dumps(text, ensure_ascii=False))
        assert found["unsure"] or found["timestamps"] == is_timestamp(text), text


@pytest.mark.parametrize(
    ("value", "is_sure"),
    [
        ('"2026-01-05T10:00:00.123Z"', True),
        ('"2026-01-05T10:00:00Z"', True),
        ('"blue-suede-shoes-of-1956"', True),
        ('"2026-01-05"', True),
        ('"2026-01-31T10:00:00Z"', True),
        ('"2028-02-29T10:00:00Z"', True),
        ('"2000-02-29T10:00:00Z"', True),
        ('"2100-02-29T10:00:00Z"', False),
        ('"2027-02-29T10:00:00Z"', False),
        ('"2026-04-31T10:00:00Z"', False),
        ('"2026-01-05T10:00:00+02:00"', True),
        ('"2026-01-05 10:00-0930"', True),
        ('"2026-01-05T10:00:00+14:00"', False),
        ('"2026\\u002d01-05T10:00:00Z"', False),
        ('"3 \\u0061"', True),
        ('"a caf\\u00e9 of 1956"', True),
        ("19.90", True),
        ("-20.0", True),
        ("1e3", False),
        ("0.1234567890123456", False),
        ("[1]", True),
        ("[]", True),
        ('[""]', True),
        ('["", 1]', True),
        ("[ ]", False),
        ('["" ]', False),
    ],
)
def test_usual_values_ask_for_no_closer_look(value: str, is_sure: bool) -> None:
    assert (looks(value)["unsure"] == 0) == is_sure


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}([eE][-+]?[0-9]{1,2})?", fullmatch=True))
@example("-0.0")
@example("999999999999999.5")
@example("99999999999999.50")
@example("0.000000000000001")
def test_of_a_decimal_number_the_scan_knows_whether_it_is_whole(number: str) -> None:
    found = looks(number)
    if not found["unsure"]:
        is_whole = float(number).is_integer()
        assert found["fractions"] == (not is_whole)
        assert found["largest_integer"] == (abs(int(float(number))) if is_whole else 0)


@given(st.lists(st.none() | st.sampled_from(["", " ", "a"]) | st.integers(-9, 9), max_size=3))
def test_of_an_array_the_scan_knows_whether_it_holds_something(items: list[Any]) -> None:
    for separators in ((",", ":"), (", ", ": ")):
        found = looks(json.dumps(items, separators=separators))
        if not found["unsure"]:
            assert found["lists"] == (items not in ([], [""]))


def test_a_group_of_many_different_keys_has_no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanned, "_FEW_CELLS", 100)
    rows = [json.dumps({"type": "page", f"key {n}": n}).encode() for n in range(200)]
    found = scan(*rows, *[b'{"type":"screen","x":1}'] * 200)
    pages, screens = found.groups
    assert found.leaves(pages) is None
    leaves = found.leaves(screens)
    assert leaves is not None
    columns = found.columns(screens.rows, [(leaf, AS_IT_STANDS) for leaf in leaves.values()])
    assert columns[1].to_pylist() == ["1"] * 200


def test_a_line_that_cannot_be_held_makes_its_file_unreadable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(records, "_LONGEST_LINE", 30)
    monkeypatch.setattr(records, "_SCANNED_BYTES", 30)
    read = records.Records({"type": ("type",), "event": ("event",)})
    with pytest.raises(UnreadableFileError, match="a line of more than"):
        read.read([b'{"type":"page"}\n{"type":"page","a":"much too long"}'], "2026-01-05", "a")
    read.read([b'{"type":"page"}\n{"type":"track","event":"E"}\n\n{bad'], "2026-01-05", "b")
    table = read.finish()
    assert table.column("line_number").to_pylist() == [1, 2, 4]
    assert table.column("source_file").to_pylist() == ["b"] * 3
    assert table.column("event").to_pylist() == [None, "E", None]
    assert (read.lines(0).lines, read.lines(0).blank_lines) == (4, 1)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-05T10:00:00.123Z", "2026-01-05T10:00:00.123"),
        ("2026-01-05T10:00:00.1Z", "2026-01-05T10:00:00.100"),
        ("2026-01-05 10:00:00", "2026-01-05T10:00:00.000"),
        ("2026-01-05T10:00Z", "2026-01-05T10:00:00.000"),
        ("2024-02-29T23:59:59.999Z", "2024-02-29T23:59:59.999"),
        ("2024-03-01T00:00:00Z", "2024-03-01T00:00:00.000"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999"),
        ("1000-01-01T00:00:00Z", "1000-01-01T00:00:00.000"),
        ("9899-12-31T23:59:59Z", "9899-12-31T23:59:59.000"),
        ("2026-01-05T10:00:00.123999Z", "2026-01-05T10:00:00.123"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999"),
        ("2026-01-05T10:00:00+02:00", "2026-01-05T08:00:00.000"),
        ("2026-01-01T00:30:00.5+01:00", "2025-12-31T23:30:00.500"),
        ("2026-01-05T10:00-0230", "2026-01-05T12:30:00.000"),
        ("2026-01-05T10:00:00.1234567Z", None),
        ("2026-01-05T10:00:00+14:00", None),
        ("2023-02-29T10:00:00Z", None),
        ("2026-01-05", None),
        ("2026-01-05T10:00:00.Z", None),
        ("2026-01-05T10:00:00z", None),
        ("", None),
    ],
)
def test_usual_times_are_read_and_others_are_left(text: str, moment: str | None) -> None:
    lines = json.dumps({"type": "page", "at": text}) + "\n" + json.dumps({"type": "page"}) + "\n"
    found = Scanned(lines.encode(), [("type",), ("event",), ("at",)], [("at",)])
    (times,) = found.beside[1]
    expected = [np.datetime64(moment) if moment else None, None]
    assert times.to_pylist() == [one and one.astype("datetime64[us]").item() for one in expected]


@given(st.datetimes(datetime(1000, 1, 1), datetime(9898, 12, 31)))
@settings(deadline=None)
def test_usual_times_are_what_python_reads(moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    text = moment.isoformat(timespec="milliseconds") + "Z"
    lines = json.dumps({"type": "page", "at": text}) + "\n"
    found = Scanned(lines.encode(), [("type",), ("event",), ("at",)], [("at",)])
    assert found.beside[1][0].to_pylist() == [moment]


# --- columns of values --------------------------------------------------------------------------


def column(kind: str, *values: str) -> list[Any]:
    """Values, as JSON, of one path as a column; '' for a line that has none."""
    lines = [f'{{"type":"page","x":{value}}}' if value else '{"type":"page"}' for value in values]
    found = scan(*(line.encode() for line in lines))
    (pages,) = found.groups
    leaf = (found.leaves(pages) or {})["x",]
    assert leaf.is_had_as(kind)
    (cells,) = found.columns(pages.rows, [(leaf, kind)])
    cells.validate(full=True)
    values_: list[Any] = cells.to_pylist()
    return values_


@given(st.lists(st.integers(-(10**18) + 1, 10**18 - 1) | st.none(), min_size=1, max_size=20))
def test_whole_numbers_are_read(numbers: list[int | None]) -> None:
    numbers.append(7)
    assert column("integer", *("" if one is None else str(one) for one in numbers)) == numbers


_DECIMAL = st.from_regex(
    r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?([eE][-+]?[0-9]{1,2})?", fullmatch=True
)


@given(st.lists(_DECIMAL.filter(lambda text: text != "-0"), min_size=1, max_size=20))
@example(
    ["9007199254740993", "0.1", "-0.0", "123456.7890123456789", "1e-99", "0.30000000000000004"]
)
@example(["999999999999999999", "0.000000000000001", "-12345678901.5"])
def test_decimals_are_read_as_python_reads_them(numbers: list[str]) -> None:
    read = column("double", *numbers)
    assert [repr(one) for one in read] == [repr(float(number)) for number in numbers]


def test_truth_values_and_texts_are_read() -> None:
    assert column("boolean", "true", "", "false", "null", "true") == [True, None, False, None, True]
    assert column("boolean", *["true", "false"] * 9) == [True, False] * 9
    long = "much longer than what a view holds"
    texts = column("text", '"a"', '""', "", f'"{long}"', "null")
    assert texts == ["a", None, None, long, None]
    assert column("text", '"a"', '""') == ["a", None]


def stands_printed(array: str, before: str = "") -> bool:
    """Whether the scan says of an array that it stands in a line as it is printed."""
    found = scan(f'{{"type":"page",{before}"x":{array}}}'.encode())
    if found.what[0] != CLEAN:
        return False
    leaves = found.leaves(found.groups[0]) or {}
    return not leaves["x",].is_escaped


def printed_by_duckdb(text: str) -> str:
    query = "select cast(json_transform(?, '\"JSON\"') as varchar)"
    return str(judge().execute(query, [text]).fetchall()[0][0])


_ITEM = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=8,
)


@given(
    st.lists(_ITEM, max_size=4),
    st.sampled_from([(",", ":"), (", ", ":"), (",", " :"), (",", ": ")]),
    st.booleans(),
)
@settings(deadline=None)
def test_an_array_of_which_the_scan_says_so_stands_as_it_is_printed(
    items: list[Any], separators: tuple[str, str], is_ascii: bool
) -> None:
    text = json.dumps(items, separators=separators, ensure_ascii=is_ascii)
    if stands_printed(text):
        assert printed_by_duckdb(text) == text


@given(st.lists(_DECIMAL.filter(lambda text: text != "-0"), min_size=1, max_size=3))
@example(["0.1"])
@example(["0.05"])
@example(["-0.099999"])
@example(["1234567890123.4"])
@example(["12345678901234.5"])
@example(["1.50"])
@example(["-0.0"])
@example(["1e2"])
@settings(deadline=None)
def test_so_does_an_array_of_numbers(numbers: list[str]) -> None:
    text = f"[{','.join(numbers)}]"
    if stands_printed(text):
        assert printed_by_duckdb(text) == text


@pytest.mark.parametrize(
    ("text", "is_printed"),
    [
        ('["a","é"]', True),
        ('[1,-2.5,0.125,64.99,true,null,{"a":[],"b":{}},[[3]]]', True),
        ("[]", True),
        ("[1, 2]", False),
        ('[{"a" :1}]', False),
        ('["a\\u00e9"]', False),
        ("[1.50]", False),
        ("[0.05]", False),
        ("[1e2]", False),
    ],
)
def test_usual_arrays_stand_as_they_are_printed(text: str, is_printed: bool) -> None:
    assert stands_printed(text) is is_printed
    # What came before in a line is no part of it.
    assert stands_printed(text, before='"y":[1, 2], "z" : 1.50, ') is is_printed


def test_arrays_that_hold_nothing_are_no_texts() -> None:
    arrays = ['["a"]', "[]", '[""]', "", "[12]", "null", '["",""]', "[[]]"]
    read = ['["a"]', None, None, None, "[12]", None, '["",""]', "[[]]"]
    assert column("text", *arrays) == read
    assert column("text", "[1]", '["b"]') == ["[1]", '["b"]']


_OFFSETS = st.sampled_from(["", "Z", "+02:00", "-0230", "+1359"])
_FORMS = st.sampled_from(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M"])


@given(st.lists(st.tuples(st.datetimes(datetime(1000, 1, 2)), _FORMS, _OFFSETS), max_size=5))
@settings(deadline=None)
def test_times_are_read_as_the_engine_reads_them(
    times: list[tuple[datetime, str, str]],
) -> None:
    texts = [time.strftime(form) + offset for time, form, offset in times if time.year < 9890]
    texts += ["", "2026-01-05T10:00:00.000Z"]
    read = column("timestamp", *map(json.dumps, texts))
    sql = ", ".join(f"({text_sql(text)})" for text in texts)
    query = f"select {rendered('parse_timestamp(t)')} from (values {sql}) as v(t)"
    assert read == [row[0] for row in judge().execute(query).fetchall()]


def test_what_has_other_values_cannot_be_had_as_one_kind() -> None:
    texts = ["2026-01-05T10:00:00Z", "no time"]
    found = scan(*(json.dumps({"type": "page", "x": text}).encode() for text in texts))
    leaf = (found.leaves(found.groups[0]) or {})["x",]
    assert [kind for kind in READ_AS if leaf.is_had_as(kind)] == ["text"]
    found = scan(b'{"type":"page","x":1}', b'{"type":"page","x":"1"}')
    leaf = (found.leaves(found.groups[0]) or {})["x",]
    assert not any(map(leaf.is_had_as, READ_AS))


def test_records_of_one_line_are_scanned_each_for_itself() -> None:
    read = records.Records({"type": ("type",), "event": ("event",)})
    page, track = '{"type":"page","x":"}{"}', '{"type":"track","event":"E","x":%d}'
    tracks = [track % number for number in range(200)]
    lines = [page, "", page + " \t".join(tracks) + '{"type":1}' + "{bad", track % 7]
    read.read(["\n".join(lines).encode()], "2026-01-05", "a")
    table = read.finish()
    assert len(table) == 205
    assert read.first_odd == 203
    assert [(group.kind, group.event) for group in read.groups] == [("page", ""), ("track", "E")]
    assert table["record"].to_pylist()[:203] == [page, page, track % 7, *tracks]
    assert table["line_number"].to_pylist() == [1, 3, 4, *[3] * 202]
    assert table["verdict"].to_pylist()[203:] == ["object", "not_json"]
    wanted = {"x": (read.groups[1].leaves["x",], "integer"), "y": (None, "text")}
    cells = read.groups[1].table(table, ["verdict"], {"event": "E"}, wanted)
    cells.validate(full=True)
    assert cells["x"].to_pylist() == [7, *range(200)]
    assert cells.drop(["x"]).to_pylist() == [{"verdict": "object", "event": "E", "y": None}] * 201
    assert (read.lines(0).lines, read.lines(0).blank_lines) == (4, 1)


def test_lines_that_are_added_may_need_more_room() -> None:
    first, more = (
        b'{"type":"page","x":1}',
        [b'{"type":"page","x":%d}' % n for n in range(2, 20_000)],
    )
    found = scan(first)
    numbers = found.add(more, found._bytes)
    assert numbers.tolist() == list(range(1, 19_999))
    assert [found.line(0), found.line(1), found.line(19_998)] == [first, more[0], more[-1]]
    (pages,) = found.groups
    leaf = (found.leaves(pages) or {})["x",]
    (cells,) = found.columns(pages.rows, [(leaf, "integer")])
    assert cells.to_pylist() == list(range(1, 20_000))
    assert found.lines().to_pylist()[-1].encode() == more[-1]


def test_letters_have_the_lower_case_in_ascii_that_the_engine_gives_them() -> None:
    # Types are told apart in lower case, here and in SQL; all that are known are in ASCII.
    letters = [chr(n) for n in range(1, 0x20000) if not 0xD800 <= n < 0xE000]
    with duckdb.connect() as connection:
        ((lowered,),) = connection.execute("select lower(?)", ["".join(letters)]).fetchall()
    assert len(lowered) == len(letters)
    ours = [scanned._lower(letter) for letter in letters]
    found = zip(letters, ours, lowered, strict=True)
    assert not [letter for letter, a, b in found if a != b and (a.isascii() or b.isascii())]
    assert sum(a.isascii() for a in ours) == 128 + 1  # the Kelvin sign, and İ, but not NUL
