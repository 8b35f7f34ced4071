"""Where the project is."""

from __future__ import annotations

from pathlib import Path

import pytest

from engagement import project


def test_a_marked_folder_is_the_project_for_everything_in_it(tmp_path: Path) -> None:
    (tmp_path / project.MARKER).write_text("{}")
    (tmp_path / "notebooks/deep").mkdir(parents=True)
    for start in (tmp_path, tmp_path / "notebooks", tmp_path / "notebooks/deep"):
        assert project.find(start) == tmp_path.resolve()


def test_elsewhere_it_is_the_checkout_or_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.find(tmp_path) == project.checkout()
    assert (project.packaged("notebooks") / "00_start_here.ipynb").is_file()
    installed = tmp_path / "site-packages/engagement"
    installed.mkdir(parents=True)
    monkeypatch.setattr(project, "PACKAGE", installed)
    assert project.checkout() is None
    assert project.find(tmp_path) == tmp_path.resolve()
    assert project.packaged("notebooks") == installed / "laid_down/notebooks"


def test_a_variable_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(project.VARIABLE, str(tmp_path))
    assert project.find() == tmp_path.resolve()
