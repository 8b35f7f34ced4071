"""A team's repository: what is laid down, and what an upgrade may touch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engagement.cli import app
from engagement.init import laying
from engagement.init.laying import InitError, lay_down, upgrade
from engagement.project import MARKER

NOTEBOOK = {
    "cells": [{"cell_type": "code", "source": ["1"], "metadata": {}, "outputs": []}],
    "metadata": {},
}


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What a version lays down: a test changes it for the next one."""
    files = {
        "notebooks/00_a.ipynb": json.dumps(NOTEBOOK).encode(),
        "params/local.yaml": b"a: 1\n",
        "params/segments/one.yaml": b"name: one\n",
        "README.md": b"# Ours\n",
    }
    monkeypatch.setattr(laying, "contents", lambda: iter(sorted(files.items())))
    monkeypatch.setattr(laying, "version", lambda: "1.0")
    return files


def test_a_folder_gets_everything_and_a_marker(package: dict[str, bytes], tmp_path: Path) -> None:
    laid = lay_down(tmp_path)
    assert set(laid.outcomes.values()) == {laying.ADDED}
    assert {name: (tmp_path / name).read_bytes() for name in package} == package
    assert (tmp_path / "models").is_dir()
    assert (tmp_path / "seeds").is_dir()
    marker = json.loads((tmp_path / MARKER).read_text())
    assert marker["version"] == "1.0"
    assert set(marker["files"]) == set(package)
    assert not list(tmp_path.rglob("*.part"))


def test_a_file_that_was_there_stays(package: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Theirs\n")
    laid = lay_down(tmp_path)
    assert laid.outcomes["README.md"] == laying.THERE
    package["README.md"] = b"# Newer\n"
    assert upgrade(tmp_path).outcomes["README.md"] == laying.THERE
    assert (tmp_path / "README.md").read_text() == "# Theirs\n"


def test_a_second_time_is_refused_and_an_upgrade_of_nothing_too(
    package: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(InitError, match="lays down notebooks and parameters first"):
        upgrade(tmp_path)
    lay_down(tmp_path)
    with pytest.raises(InitError, match=r"by version 1\.0: 'engagement init --upgrade'"):
        lay_down(tmp_path)


def test_an_upgrade_refreshes_what_nobody_has_edited(
    package: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_down(tmp_path)
    (tmp_path / "params/local.yaml").write_text("a: 2\n")
    (tmp_path / "params/segments/ours.yaml").write_text("name: ours\n")
    (tmp_path / "models/m.sql").write_text("select 1")
    monkeypatch.setattr(laying, "version", lambda: "1.1")
    newer = {**NOTEBOOK, "cells": [{**NOTEBOOK["cells"][0], "source": ["2"]}]}
    package["notebooks/00_a.ipynb"] = json.dumps(newer).encode()
    package["params/local.yaml"] = b"a: 3\n"
    package["params/segments/two.yaml"] = b"name: two\n"
    laid = upgrade(tmp_path)
    assert (laid.before, laid.version) == ("1.0", "1.1")
    assert laid.outcomes == {
        "README.md": laying.SAME,
        "notebooks/00_a.ipynb": laying.REFRESHED,
        "params/local.yaml": laying.EDITED,
        "params/segments/one.yaml": laying.SAME,
        "params/segments/two.yaml": laying.ADDED,
    }
    assert (tmp_path / "params/local.yaml").read_text() == "a: 2\n"
    assert (tmp_path / "params/segments/ours.yaml").read_text() == "name: ours\n"
    assert (tmp_path / "models/m.sql").read_text() == "select 1"
    # Once more changes nothing, and says so.
    again = upgrade(tmp_path)
    assert laying.REFRESHED not in again.outcomes.values()
    assert laying.ADDED not in again.outcomes.values()
    assert again.outcomes["params/local.yaml"] == laying.EDITED


def test_outputs_of_a_notebook_are_no_edit_and_cells_are(
    package: dict[str, bytes], tmp_path: Path
) -> None:
    lay_down(tmp_path)
    path = tmp_path / "notebooks/00_a.ipynb"
    document = json.loads(path.read_text())
    document["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["1"]}]
    path.write_text(json.dumps(document, indent=1))
    newer = {**NOTEBOOK, "cells": [{**NOTEBOOK["cells"][0], "source": ["2"]}]}
    package["notebooks/00_a.ipynb"] = json.dumps(newer).encode()
    assert upgrade(tmp_path).outcomes["notebooks/00_a.ipynb"] == laying.REFRESHED
    document["cells"][0]["source"] = ["1 + 1"]
    path.write_text(json.dumps(document))
    package["notebooks/00_a.ipynb"] = json.dumps(NOTEBOOK).encode()
    assert upgrade(tmp_path).outcomes["notebooks/00_a.ipynb"] == laying.EDITED
    assert "1 + 1" in path.read_text()


HARM: dict[str, Callable[[Path], object]] = {
    "removed": lambda path: path.unlink(),
    "a folder": lambda path: [path.unlink(), path.mkdir()],
    "a link": lambda path: [path.unlink(), path.symlink_to("elsewhere.yaml")],
}


@pytest.mark.parametrize(
    ("harm", "outcome"),
    [("removed", laying.REMOVED), ("a folder", laying.EDITED), ("a link", laying.EDITED)],
)
def test_what_a_team_has_put_in_a_files_place_stays(
    package: dict[str, bytes], tmp_path: Path, harm: str, outcome: str
) -> None:
    lay_down(tmp_path)
    path = tmp_path / "params/local.yaml"
    HARM[harm](path)
    package["params/local.yaml"] = b"a: 9\n"
    for _ in range(2):
        assert upgrade(tmp_path).outcomes["params/local.yaml"] == outcome
    assert not (tmp_path / "params/elsewhere.yaml").exists()
    assert not path.is_file()


def test_what_a_version_has_no_more_stays(package: dict[str, bytes], tmp_path: Path) -> None:
    lay_down(tmp_path)
    del package["params/segments/one.yaml"]
    assert upgrade(tmp_path).outcomes["params/segments/one.yaml"] == laying.DROPPED
    assert (tmp_path / "params/segments/one.yaml").exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1, "files": {}}', "<<<<<<< HEAD"])
def test_a_marker_that_cannot_be_read_stops_an_upgrade(
    package: dict[str, bytes], tmp_path: Path, text: str
) -> None:
    lay_down(tmp_path)
    (tmp_path / MARKER).write_text(text)
    (tmp_path / "params/local.yaml").write_text("a: 1\n")
    package["params/local.yaml"] = b"a: 9\n"
    with pytest.raises(InitError, match="take the one of your last commit"):
        upgrade(tmp_path)
    assert (tmp_path / "params/local.yaml").read_text() == "a: 1\n"


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["init", str(tmp_path / "shop")])
    assert done.exit_code == 0, done.output
    assert "added: notebooks/00_start_here.ipynb" in done.output
    assert "added: data/samples/ (" in done.output
    assert (tmp_path / "shop/params/local.yaml").is_file()
    assert (tmp_path / "shop/.gitignore").read_text().startswith("# What runs make")
    done = CliRunner().invoke(app, ["init", str(tmp_path / "shop"), "--upgrade"])
    assert done.exit_code == 0, done.output
    assert "refreshed" not in done.output


def test_nothing_is_laid_into_a_checkout_or_a_file(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["init", "."])
    assert done.exit_code == 2
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(app, ["init", str(tmp_path / "file")])
    assert done.exit_code == 2
