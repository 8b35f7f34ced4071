"""What an export leaves in a folder, and what it lets be."""

from __future__ import annotations

from pathlib import Path

import pytest

from engagement.dbt.files import LIST, FolderError, write


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_files_are_written_once_and_privately(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    first = write({"a.sql": "select 1\n", "models/b.sql": "select 2\n"}, folder)
    assert first.changed == ("a.sql", "models/b.sql")
    assert (folder / "models/b.sql").read_bytes() == b"select 2\n"
    assert (folder / "models/b.sql").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = write({"a.sql": "select 1\n", "models/b.sql": "select 3\n"}, folder)
    assert again.changed == ("models/b.sql",)
    assert (folder / "a.sql").stat().st_mtime_ns == before[folder / "a.sql"]


def test_what_an_earlier_export_left_goes_and_others_files_stay(tmp_path: Path) -> None:
    write({"a.sql": "1", "b.sql": "2"}, tmp_path / "p")
    (tmp_path / "p/profiles.yml").write_text("mine")
    (tmp_path / "p/target").mkdir()
    (tmp_path / "p/target/manifest.json").write_text("{}")
    done = write({"a.sql": "1"}, tmp_path / "p")
    assert done.removed == ("b.sql",)
    assert names(tmp_path / "p") == {"a.sql", "profiles.yml", "target/manifest.json", LIST}


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FolderError, match="no export made"):
        write({"a.sql": "1"}, tmp_path)
    assert names(tmp_path) == {"thesis.txt"}
    with pytest.raises(FolderError, match="is no folder"):
        write({"a.sql": "1"}, tmp_path / "thesis.txt")


@pytest.mark.parametrize("line", ["../outside.txt", "/{outside}"])
def test_a_list_that_was_changed_reaches_no_file_outside(tmp_path: Path, line: str) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("stays")
    write({"a.sql": "1"}, tmp_path / "p")
    (tmp_path / "p" / LIST).write_text(f"a.sql\n{line.format(outside=outside)}\n")
    write({"a.sql": "1"}, tmp_path / "p")
    assert outside.read_text() == "stays"
