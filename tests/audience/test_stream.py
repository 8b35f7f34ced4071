"""Files in a stream: the same bytes however batches are cut, nothing lost to a second reader."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engagement.audience.files import ExportedFile
from engagement.audience.pinpoint import texts
from engagement.audience.stream import (
    Format,
    Writer,
    as_texts,
    defused,
    read_manifest,
    read_rows,
    restored,
    restored_copy,
    write_manifest,
)

TRICKY = [
    "", "Ann", "a,b", 'say "hi"', '"', "''", "'tis", "=1+1", "'=1+1", "''=1+1", "+49 30 123456",
    "+15550100", "-12.50", "- 3", "-", "@home", "=HYPERLINK(\"http://x.example\",\"y\")", " =1",
    "\xa0@x", "＝1", "1e5", "-1e5", "+1,234.50", "+1.2.3-4", "naïve – 漢字 🎁",
    "line\nbreak", "\r=x", "'", "=", "0", "false",
]  # fmt: skip
"""Cells that a writer, a spreadsheet or a reader may get wrong."""


def write(
    folder: Path, rows: Sequence[Sequence[str]], how: Format | None = None, batch: int = 1000
) -> list[ExportedFile]:
    width = len(rows[0])
    with Writer(folder, "people", [f"c{n}" for n in range(width)], how) as writer:
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            writer.write([pa.array([row[n] for row in some], pa.string()) for n in range(width)])
    return writer.files


def independent(path: Path) -> list[list[str]]:
    """Another reader: pandas' own parser, and the apostrophe rule as the docs word it.

    A cell that starts with apostrophes, then perhaps blanks, then one of the signs that start a
    formula, has one apostrophe more than its value.
    """
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    frame = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False, lineterminator="\n")

    def value(cell: str) -> str:
        bare = cell.lstrip("'")
        signed = bare.lstrip(" \t\r\n\x0b\x0c\xa0")[:1]
        return cell[1:] if bare != cell and signed and signed in "=+-@＝＋－＠" else cell

    return [[value(cell) for cell in row] for row in frame.to_numpy().tolist()]


def runs_as_formula(cell: str) -> bool:
    """What a spreadsheet would run: a sign that starts a formula, and no plain number."""
    first = cell.lstrip(" \t\r\n\x0b\x0c\xa0")[:1]
    if not first or first not in "=+-@＝＋－＠":
        return False
    return not re.fullmatch(r"[+-]\d[\d.,]*([eE][+-]?\d+)?", cell)


def test_no_cell_is_run_and_every_value_comes_back(tmp_path: Path) -> None:
    rows = [[cell, str(n)] for n, cell in enumerate(TRICKY)]
    (file,) = write(tmp_path, rows)
    with file.path.open(encoding="utf-8", newline="") as stream:
        header, *raw = csv.reader(stream)
    assert header == ["c0", "c1"]
    assert [cell for cell, _ in raw if runs_as_formula(cell)] == []
    assert sum(cell != value for (cell, _), (value, _) in zip(raw, rows, strict=True)) == (
        file.defused
    )
    assert independent(file.path) == rows
    assert [list(row.values()) for row in read_rows(file.path)] == rows


def test_plain_numbers_and_telephone_numbers_stay_as_they_are(tmp_path: Path) -> None:
    rows = [["+15550100"], ["-12.50"], ["+1,234.50"], ["-1e5"]]
    (file,) = write(tmp_path, rows)
    assert file.path.read_text(encoding="utf-8").splitlines()[1:] == [
        "+15550100", "-12.50", '"+1,234.50"', "-1e5",
    ]  # fmt: skip
    assert file.defused == 0


@given(
    st.text(alphabet=st.sampled_from("'=+-@＝ \t\xa0a1.,\"\n"), max_size=6) | st.text(max_size=6)
)
def test_restoring_undoes_defusing_for_every_text(text: str) -> None:
    assert restored(defused(text)) == text
    assert not runs_as_formula(defused(text))


@given(
    rows=st.lists(st.lists(st.sampled_from(TRICKY), min_size=2, max_size=2), min_size=1),
    batch=st.integers(1, 7),
    most=st.integers(40, 200),
    packed=st.booleans(),
)
def test_parts_are_the_same_however_batches_are_cut(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    batch: int,
    most: int,
    packed: bool,
) -> None:
    how = Format(most_bytes=most, most_rows=5, packed=packed)
    folder = tmp_path_factory.mktemp("parts")
    one = write(folder / "one", rows, how)
    other = write(folder / "other", rows, how, batch)
    assert [f.path.read_bytes() for f in one] == [f.path.read_bytes() for f in other]
    assert [(f.rows, f.defused, f.sha256) for f in one] == [
        (f.rows, f.defused, f.sha256) for f in other
    ]
    assert [row for file in one for row in independent(file.path)] == rows
    for file in one:
        data = file.path.read_bytes()
        assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        content = gzip.decompress(data) if packed else data
        assert file.content_sha256 == hashlib.sha256(content).hexdigest()
        assert file.rows <= 5
        assert len(content) <= most or file.rows == 1


def test_a_limit_is_kept_to_the_byte(tmp_path: Path) -> None:
    """Header 3 bytes, rows of 3: of 9 bytes two rows fit, of 8 one."""
    rows = [["aa"], ["bb"], ["cc"]]
    assert [f.rows for f in write(tmp_path / "a", rows, Format(most_bytes=9))] == [2, 1]
    assert [f.rows for f in write(tmp_path / "b", rows, Format(most_bytes=8))] == [1, 1, 1]
    assert [f.rows for f in write(tmp_path / "c", rows, Format(most_rows=2))] == [2, 1]


def test_packing_depends_on_nothing_but_the_content(tmp_path: Path) -> None:
    rows = [[str(n), "x" * (n % 7)] for n in range(5000)]
    (one,) = write(tmp_path / "one", rows, Format(packed=True))
    (other,) = write(tmp_path / "other", rows, Format(packed=True), batch=13)
    assert one.path.name == "people-001.csv.gz"
    assert one.path.read_bytes() == other.path.read_bytes()
    assert one.path.read_bytes()[4:8] == bytes(4)  # no time of writing


def test_files_are_private_and_an_earlier_longer_export_is_gone(tmp_path: Path) -> None:
    write(tmp_path, [["a"], ["b"], ["c"]], Format(most_rows=1))
    (tmp_path / "people-of-others-001.csv").write_text("x")
    (file,) = write(tmp_path, [["a"]], Format(packed=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "people-001.csv.gz",
        "people-of-others-001.csv",
    ]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_an_export_that_fails_leaves_the_earlier_one(tmp_path: Path) -> None:
    (before,) = write(tmp_path, [["a"]])
    content = before.path.read_bytes()
    writer = Writer(tmp_path, "people", ["c0"], Format(most_rows=1))
    with suppress(RuntimeError), writer:
        writer.write([pa.array(["b", "c"], pa.string())])
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["people-001.csv"]
    assert before.path.read_bytes() == content


def test_no_row_makes_no_file_and_an_empty_cell_alone_is_a_row(tmp_path: Path) -> None:
    with Writer(tmp_path / "none", "people", ["c0"]) as writer:
        writer.write([pa.array([], pa.string())])
    assert writer.files == []
    (file,) = write(tmp_path / "one", [[""], ["x"]])
    assert [row["c0"] for row in read_rows(file.path)] == ["", "x"]


def test_what_a_service_is_sent_has_the_values_themselves(tmp_path: Path) -> None:
    rows = [[cell, str(n)] for n, cell in enumerate(TRICKY)]
    (file,) = write(tmp_path, rows, Format(packed=True))
    copy = restored_copy(file.path, tmp_path / "upload.csv")
    with copy.path.open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream))[1:] == rows
    assert copy.rows == len(rows)
    assert copy.sha256 == hashlib.sha256(copy.path.read_bytes()).hexdigest()
    assert stat.S_IMODE(copy.path.stat().st_mode) == 0o600


def test_values_of_every_kind_as_texts() -> None:
    frame = pd.DataFrame(
        {
            "text": ["a", None, "b"],
            "whole": pd.array([1, None, 3], "Int64"),
            "money": [Decimal("1.50"), None, Decimal("-3.00")],
            "flag": [True, None, False],
            "day": [date(2026, 1, 31), None, date(2026, 2, 1)],
            "moment": pd.to_datetime([datetime(2026, 1, 31, 12), None, datetime(2026, 2, 1)]),
            "number": [1.0, np.nan, 2.5],
            "several": [["x", "y"], None, np.nan],
            "array": ['["x", "y"]', None, "[no array"],
            "mixed": ["a", 1, None],
            "nothing": [None, None, None],
        }
    )
    found = {
        name: as_texts(frame[name], lambda value: "|".join(texts(value))).to_pylist()
        for name in frame
    }
    assert found == {
        "text": ["a", "", "b"],
        "whole": ["1", "", "3"],
        "money": ["1.50", "", "-3.00"],
        "flag": ["true", "", "false"],
        "day": ["2026-01-31", "", "2026-02-01"],
        "moment": ["2026-01-31T12:00:00", "", "2026-02-01T00:00:00"],
        "number": ["1", "", "2.5"],
        "several": ["x|y", "", ""],
        "array": ["x|y", "", "[no array"],
        "mixed": ["a", "1", ""],
        "nothing": ["", "", ""],
    }


def test_the_manifest_counts_what_the_files_hold(tmp_path: Path) -> None:
    files = write(tmp_path, [["a"], ["=b"], ["c"]], Format(most_rows=2, packed=True))
    about: dict[str, Any] = {"batch": "people-2026-01-31", "columns": ["c0"]}
    path = write_manifest(tmp_path, "people", files, about)
    before = path.read_bytes()
    write_manifest(tmp_path, "others", [], {"batch": "x"})
    assert list(read_manifest(tmp_path)) == ["others", "people"]
    noted = read_manifest(tmp_path)["people"]
    assert noted["rows"] == 3
    assert [f["file"] for f in noted["files"]] == ["people-001.csv.gz", "people-002.csv.gz"]
    assert [f["defused"] for f in noted["files"]] == [1, 0]
    for file in noted["files"]:
        data = (tmp_path / file["file"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(data).hexdigest()
        assert file["content_sha256"] == hashlib.sha256(gzip.decompress(data)).hexdigest()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    assert json.loads(write_manifest(tmp_path, "people", files, about).read_bytes()) == json.loads(
        before
    )
