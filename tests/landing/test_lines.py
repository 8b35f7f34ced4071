"""Lines, byte for byte: what ends one, what is blank, what is no UTF-8, what cannot be read."""

from __future__ import annotations

import base64
import gzip
import io

import pytest

from engagement.landing.lines import UnreadableFileError, read_bytes, split_lines


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a\nb\n", [(1, "a"), (2, "b")]),
        (b"a\nb", [(1, "a"), (2, "b")]),
        (b"a\r\nb\rc\nd", [(1, "a"), (2, "b"), (3, "c"), (4, "d")]),
        (b"\xef\xbb\xbfa\n", [(1, "a")]),
        (b"a\n\n  \n\t\nb", [(1, "a"), (5, "b")]),
        (b" a \n", [(1, " a ")]),
        ("a\u0085b\u2028c\n".encode(), [(1, "a\u0085b\u2028c")]),
        (b"a\x00b\n\x0b\n", [(1, "a\x00b"), (2, "\x0b")]),
    ],
)
def test_lines_and_their_numbers(data: bytes, expected: list[tuple[int, str]]) -> None:
    lines = split_lines(data)
    rows = lines.batch.to_pylist()
    assert [(row["line_number"], row["line"]) for row in rows] == expected
    assert lines.lines - lines.blank_lines == len(expected)
    assert all(row["record_encoding"] is None for row in rows)


def test_blank_lines_are_counted() -> None:
    lines = split_lines(b"\n\na\n \n")
    assert (lines.lines, lines.blank_lines) == (4, 3)


def test_a_line_that_is_no_utf8_is_kept_in_base64_and_says_so() -> None:
    rows = split_lines(b'{"a":"\xff"}\n{"b":1}\n').batch.to_pylist()
    assert rows[0]["record_encoding"] == "base64"
    assert base64.b64decode(rows[0]["line"]) == b'{"a":"\xff"}'
    assert rows[1] == {"line_number": 2, "line": '{"b":1}', "record_encoding": None}


def test_a_line_of_16_mb_is_whole() -> None:
    [row] = split_lines(b'{"a":"' + b"x" * 16_000_000 + b'"}\n').batch.to_pylist()
    assert len(row["line"]) == 16_000_008


def test_gzip_is_told_by_the_name() -> None:
    packed = gzip.compress(b"a\nb\n")
    assert read_bytes(io.BytesIO(packed), "x.gz") == b"a\nb\n"
    assert read_bytes(io.BytesIO(packed), "x.json") == packed


@pytest.mark.parametrize(
    "data",
    [
        b"no gzip at all",
        gzip.compress(b"a\n" * 1000)[:-9],
        gzip.compress(b"a\n")[:-4] + b"\0\0\0\0",
    ],
)
def test_a_corrupt_gzip_gives_nothing_and_says_why(data: bytes) -> None:
    with pytest.raises(UnreadableFileError, match=r"\w"):
        read_bytes(io.BytesIO(data), "x.gz")


def test_an_empty_gzip_file_holds_no_line() -> None:
    assert read_bytes(io.BytesIO(b""), "x.gz") == b""
