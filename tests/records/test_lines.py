"""Lines of landed files, byte for byte."""

from __future__ import annotations

import base64
import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engagement.records.lines import (
    UnreadableFileError,
    cut_records,
    read_bytes,
    split_lines,
)

Row = tuple[int, str, str | None]


def rows(data: bytes) -> list[Row]:
    """Line number, text and encoding of every line that is not blank."""
    batch = split_lines(data).batch
    return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


@pytest.mark.parametrize(
    ("data", "expected", "lines", "blank"),
    [
        (b"", [], 0, 0),
        (b"a", [(1, "a", None)], 1, 0),
        (b"a\n", [(1, "a", None)], 1, 0),
        (b"a\nb", [(1, "a", None), (2, "b", None)], 2, 0),
        (b"a\r\nb\r\n", [(1, "a", None), (2, "b", None)], 2, 0),
        (b"a\rb\r", [(1, "a", None), (2, "b", None)], 2, 0),
        (b"a\r\nb\rc\nd", [(n, t, None) for n, t in enumerate("abcd", start=1)], 4, 0),
        # Blank lines are counted, and count in line numbers.
        (b"\n\na\n \n\t\nb\n", [(3, "a", None), (6, "b", None)], 6, 4),
        (b"\n", [], 1, 1),
        (b"\r\n\r\n", [], 2, 2),
        (b" " * 10_000 + b"\na", [(2, "a", None)], 2, 1),
        # White space around a text stays.
        (b"  a \n", [(1, "  a ", None)], 1, 0),
        # A byte-order mark is dropped where it is one: at the start of the file.
        (b"\xef\xbb\xbfa\n", [(1, "a", None)], 1, 0),
        (b"\xef\xbb\xbf", [], 0, 0),
        (b"a\n\xef\xbb\xbfb", [(1, "a", None), (2, "\ufeffb", None)], 2, 0),
        # Other things that some call line ends, and other control characters, are none.
        (
            "a\u0085b\u2028c\u2029d\x0be\x0cf".encode(),
            [(1, "a\u0085b\u2028c\u2029d\x0be\x0cf", None)],
            1,
            0,
        ),
        (b"a\x00b\nc", [(1, "a\x00b", None), (2, "c", None)], 2, 0),
        # Only space and tab make a line blank.
        ("\u00a0\n\x0b\n".encode(), [(1, "\u00a0", None), (2, "\x0b", None)], 2, 0),
    ],
)
def test_lines(data: bytes, expected: list[Row], lines: int, blank: int) -> None:
    found = split_lines(data)
    assert rows(data) == expected
    assert (found.lines, found.blank_lines) == (lines, blank)


def test_a_line_that_is_no_utf8_is_kept_in_base64() -> None:
    latin, surrogate = b'{"a":"\xe9"}', b'{"a":"\xed\xa0\x80"}'
    data = b'{"a":1}\n' + latin + b"\n\n" + surrogate + b"\n" + '{"a":"é"}'.encode()
    assert rows(data) == [
        (1, '{"a":1}', None),
        (2, base64.b64encode(latin).decode(), "base64"),
        (4, base64.b64encode(surrogate).decode(), "base64"),
        (5, '{"a":"é"}', None),
    ]


def test_of_several_records_on_a_line_only_the_one_that_is_no_utf8_is_encoded() -> None:
    bad = b'{"a":"}{\xe9"}'
    data = '{"a":"é"}'.encode() + bad + b' {"a":3}\n{"a":4}{"a":5}'
    assert rows(data) == [
        (1, '{"a":"é"}', None),
        (1, base64.b64encode(bad).decode(), "base64"),
        (1, '{"a":3}', None),
        # A line that is UTF-8 is left whole: the engine cuts it.
        (2, '{"a":4}{"a":5}', None),
    ]
    assert split_lines(data).lines == 2


def test_a_line_of_sixteen_megabytes_is_one_line() -> None:
    long = "x" * 16_000_000
    assert rows(f"a\n{long}\nb".encode()) == [(1, "a", None), (2, long, None), (3, "b", None)]


# The table of the reference, word for word: what stands on a line, and the records of it.
CUTS = {
    '{"a":1}{"a":"}{"}{"a":3}': ['{"a":1}', '{"a":"}{"}', '{"a":3}'],
    '{"a":1}  {"a":2}': ['{"a":1}', '{"a":2}'],
    '{"a":1},{"a":2}': ['{"a":1},{"a":2}'],
    '{"a":{"b":1}{"c":2}}': ['{"a":{"b":1}', '{"c":2}}'],
    '{"a":1}{"b":"tru': ['{"a":1}', '{"b":"tru'],
    '{"a":"tru{"b":1}{"c":2}': ['{"a":"tru{"b":1}{"c":2}'],
    '{"a":"q\\"}{"}{"b":2}': ['{"a":"q\\"}{"}', '{"b":2}'],
    '{"a":"\\\\"}{"b":2}': ['{"a":"\\\\"}', '{"b":2}'],
    '{"a":1}garbage': ['{"a":1}garbage'],
    "{}{}{}": ["{}", "{}", "{}"],
}


@pytest.mark.parametrize(("line", "records"), CUTS.items())
def test_a_line_is_cut_into_records(line: str, records: list[str]) -> None:
    assert cut_records(line) == records


@pytest.mark.parametrize(
    ("line", "records"),
    [
        ("", [""]),
        ("}{", ["}", "{"]),
        ("}{}{", ["}", "{}", "{"]),
        ("} \t {", ["}", "{"]),
        # White space that JSON has not does not separate records.
        ("{}\u00a0{}", ["{}\u00a0{}"]),
        ("{}\x0c{}", ["{}\x0c{}"]),
        # An escaped character may be any, also one that some call a line end.
        ('{"a":"\\\u2028}{"}{}', ['{"a":"\\\u2028}{"}', "{}"]),
    ],
)
def test_odd_lines_are_cut_too(line: str, records: list[str]) -> None:
    assert cut_records(line) == records


@given(
    st.lists(
        st.dictionaries(st.text(max_size=4), st.text(alphabet='{}"\\ a', max_size=6), max_size=3),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["", " ", "\t "]),
)
def test_objects_on_one_line_come_apart_again(objects: list[dict[str, str]], space: str) -> None:
    texts = [json.dumps(value) for value in objects]
    assert cut_records(space.join(texts)) == texts


def read(data: bytes, name: str) -> bytes:
    return read_bytes(io.BytesIO(data), name)


def test_gzip_is_told_by_the_name() -> None:
    assert read(gzip.compress(b"a\nb"), "x.json.gz") == b"a\nb"
    assert read(b"a\nb", "x.json") == b"a\nb"
    assert read(b"", "x.gz") == b""
    # Firehose and cat both make files of several members.
    assert read(gzip.compress(b"a\n") + gzip.compress(b"b"), "x.gz") == b"a\nb"


@pytest.mark.parametrize(
    "data",
    [
        b"not gzip at all",
        gzip.compress(b"abc" * 100, mtime=0)[:-9],  # cut short
        gzip.compress(b"abc" * 100, mtime=0)[:12],
        gzip.compress(b"abc", mtime=0)[:-8] + b"\0" * 8,  # another checksum
        gzip.compress(b"abc", mtime=0) + b"rest",
    ],
)
def test_a_broken_gzip_gives_nothing_and_the_reason(data: bytes) -> None:
    with pytest.raises(UnreadableFileError, match="no valid gzip"):
        read(data, "x.gz")


def test_a_failing_disk_gives_the_reason_without_a_path() -> None:
    class Failing(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError(5, "Input/output error", "/secret/path")

    with pytest.raises(UnreadableFileError) as caught:
        read_bytes(Failing(), "x")
    assert str(caught.value) == "Input/output error"
