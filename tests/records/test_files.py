"""What lies in a landing folder."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from engagement.records.files import (
    LandedFile,
    LandingError,
    is_hidden,
    list_folder,
    nothing_landed,
    partition_of,
    sort_out,
    strays_by_reason,
    why_stray,
)

DAY = "received_at_utc_date=2026-01-05"


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 3)


def names(folder: Path, first: date | None = None, last: date | None = None) -> list[str]:
    return [file.name for file in sort_out(list_folder(folder), first, last)[0]]


@pytest.mark.parametrize(
    ("name", "day"),
    [
        (f"{DAY}/a.json", "2026-01-05"),
        (f"{DAY}/below/a.json", "2026-01-05"),
        (DAY, None),  # a file named like a folder
        (f"{DAY}/", None),
        ("received_at_utc_date=2026-02-30/a", None),
        ("received_at_utc_date=2026-13-01/a", None),
        ("received_at_utc_date=20260105/a", None),
        ("received_at_utc_date=2026-1-5/a", None),
        ("received_at_utc_date=2026-01-05 /a", None),
        ("received_at_utc_date=2026-01-05T00/a", None),
        ("received_at_utc_date=٢٠٢٦-٠١-٠٥/a", None),
        ("received_at_utc_date=__HIVE_DEFAULT_PARTITION__/a", None),
        ("Received_At_Utc_Date=2026-01-05/a", None),
        ("x/received_at_utc_date=2026-01-05/a", None),
        ("a.json", None),
    ],
)
def test_the_received_date_is_that_of_the_first_folder(name: str, day: str | None) -> None:
    assert partition_of(name) == day


@pytest.mark.parametrize("name", ["_SUCCESS", ".x", f"{DAY}/_tmp/a", f"{DAY}/.a", f"{DAY}/_a"])
def test_what_athena_passes_over_is_passed_over(name: str) -> None:
    assert is_hidden(name)


def test_files_strays_and_what_is_neither(tmp_path: Path) -> None:
    put(tmp_path, f"{DAY}/b.json", f"{DAY}/a b'\"%.gz", f"{DAY}/below/c", f"{DAY}/_hidden")
    put(tmp_path, "stray.json", "received_at_utc_date=2026-13-01/d", "_SUCCESS")
    (tmp_path / DAY / "like_a_file.json").mkdir()
    os.mkfifo(tmp_path / DAY / "pipe")
    files, strays = sort_out(list_folder(tmp_path), None, None)
    assert [(file.name, file.size) for file in files] == [
        (f"{DAY}/a b'\"%.gz", 3),
        (f"{DAY}/b.json", 3),
        (f"{DAY}/below/c", 3),
    ]
    assert strays == ("received_at_utc_date=2026-13-01/d", "stray.json")


def test_dates_bound_the_files_but_not_the_strays(tmp_path: Path) -> None:
    days = ["2026-01-04", "2026-01-05", "2026-01-06"]
    put(tmp_path, *(f"received_at_utc_date={day}/a" for day in days), "stray")
    second = date(2026, 1, 5)
    assert names(tmp_path, second, second) == [f"{DAY}/a"]
    assert names(tmp_path, second) == [f"received_at_utc_date={day}/a" for day in days[1:]]
    assert names(tmp_path, None, second) == [f"received_at_utc_date={day}/a" for day in days[:2]]
    assert sort_out(list_folder(tmp_path), second, second)[1] == ("stray",)


@pytest.mark.parametrize(
    ("day", "is_believed"),
    [
        ("2000-01-01", True),
        ("2199-12-31", True),
        ("1999-12-31", False),
        ("2200-01-01", False),
        ("0001-01-01", False),
        ("1677-09-20", False),
        ("2262-04-12", False),
        ("9999-12-31", False),
    ],
)
def test_dates_out_of_the_ordinary_are_strays(tmp_path: Path, day: str, is_believed: bool) -> None:
    name = f"received_at_utc_date={day}/a"
    put(tmp_path, name)
    files, strays = sort_out(list_folder(tmp_path), None, None)
    assert ([file.name for file in files], strays) == (
        ([name], ()) if is_believed else ([], (name,))
    )
    if strays:
        assert why_stray(name) == "in a folder of a date before 2000-01-01 or after 2199-12-31"


def test_strays_are_counted_by_reason() -> None:
    strays = [
        "stray.json",
        "other/stray.json",
        "received_at_utc_date=2026-13-01/d",
        "received_at_utc_date=9999-12-31/d",
        "received_at_utc_date=2026-01-05/processing-failed/d",
    ]
    assert strays_by_reason(strays) == [
        "2 files outside of date folders",
        "1 file in a folder of a date before 2000-01-01 or after 2199-12-31",
        "1 file in a folder whose date does not exist",
        "1 file not delivered by Firehose",
    ]


def test_links_are_followed(tmp_path: Path) -> None:
    landing, elsewhere = tmp_path / "landing", tmp_path / "elsewhere"
    put(elsewhere, "a.json")
    landing.mkdir()
    (landing / DAY).symlink_to(elsewhere)
    (elsewhere / "round").symlink_to(elsewhere)
    assert names(landing) == [f"{DAY}/a.json"]


def test_what_cannot_be_opened_is_listed(tmp_path: Path) -> None:
    (tmp_path / DAY).mkdir()
    (tmp_path / DAY / "dangling").symlink_to(tmp_path / "nowhere")
    name = os.fsencode(tmp_path / DAY) + b"/caf\xe9.json"
    with open(name, "wb") as file:  # noqa: PTH123 (a name that is no text)
        file.write(b"{}")
    assert names(tmp_path) == [f"{DAY}/caf\\xe9.json", f"{DAY}/dangling"]


def test_a_file_that_is_written_again_has_another_tag(tmp_path: Path) -> None:
    def tag() -> str:
        (file,) = sort_out(list_folder(tmp_path), None, None)[0]
        return file.tag

    put(tmp_path, f"{DAY}/a")
    before = tag()
    assert tag() == before
    (tmp_path / DAY / "a").write_bytes(b"longer")
    assert tag() != before


def test_no_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LandingError, match="engagement generate"):
        list(list_folder(tmp_path / "none"))
    put(tmp_path, "file")
    with pytest.raises(LandingError, match="is a file"):
        list(list_folder(tmp_path / "file"))


def test_a_folder_that_cannot_be_listed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, f"{DAY}/a")
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == DAY:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(LandingError, match=rf"{DAY} cannot be listed \(Permission denied\)"):
        list(list_folder(tmp_path))


def test_nothing_landed_says_where_and_when() -> None:
    error = nothing_landed("data/x", ("a", "b"), date(2026, 1, 1), None)
    assert "data/x" in str(error)
    assert "between 2026-01-01 and the last day" in str(error)
    assert "2 files outside" in str(error)
    assert "between" not in str(nothing_landed("data/x", (), None, None))


def test_files_are_in_order_of_date_and_name() -> None:
    listing = [("received_at_utc_date=2026-01-06/a", 1, "t"), (f"{DAY}/b", 1, "t")]
    assert sort_out(iter(listing), None, None)[0] == (
        LandedFile("2026-01-05", f"{DAY}/b", 1, "t"),
        LandedFile("2026-01-06", "received_at_utc_date=2026-01-06/a", 1, "t"),
    )
