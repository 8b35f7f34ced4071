"""The three files that name packages agree, and none names an index."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, version

import yaml

from tests.project.lock import LEFT_OUT, ROOT, conda, named, pinned, plain

OPTIONAL = {"redshift-connector"}
"""Distributions that the package imports only where they are installed."""

COMES_WITH = {
    "botocore": "boto3",
    "anyio": "starlette",
    "pydantic_core": "pydantic",
    "IPython": "jupyterlab",
    "nbformat": "nbconvert",
    "nbclient": "papermill",
}
"""Modules that are part of what a declared package offers."""


def test_what_the_package_imports_is_declared() -> None:
    """A wheel brings along what it names; what tests alone need would be missing there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {plain(requirement) for requirement in project["dependencies"]} | OPTIONAL
    distributions = packages_distributions()
    undeclared = set()
    for path in sorted((ROOT / "lib").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            for name in {name.partition(".")[0] for name in names} - {"engagement"}:
                if name in sys.stdlib_module_names:
                    continue
                owners = {plain(one) for one in distributions.get(COMES_WITH.get(name, name), [])}
                if not owners & declared:
                    undeclared.add(f"{path.relative_to(ROOT)} imports {name}")
    assert undeclared == set()


def test_every_named_package_is_argued() -> None:
    [page] = (ROOT / "docs" / "decisions").glob("0005-*.md")
    told = {plain(word) for word in re.findall(r"[\w-]+", page.read_text(encoding="utf-8"))}
    assert {plain(requirement) for requirement in named()} <= told


def test_every_named_package_is_pinned() -> None:
    pins = pinned((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    assert {plain(requirement) for requirement in named()} <= pins.keys()


def test_conda_file_has_the_same_versions() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert text == conda(lock)
    pip = yaml.safe_load(text)["dependencies"][-1]["pip"]
    assert "python=3.11" in yaml.safe_load(text)["dependencies"]
    assert (pip[0], pip[-1]) == ("--constraint requirements.lock", "--editable .")
    for requirement in pip[1:-1]:
        name, _, pin = requirement.partition("==")
        assert pinned(lock)[plain(name)] == pin


def test_what_only_slows_every_start_is_left_out() -> None:
    pins = pinned((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    assert not LEFT_OUT & pins.keys()


def test_no_index_host_or_hash_is_named() -> None:
    for name in ("requirements.lock", "environment.yml", "pyproject.toml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://|--(extra-)?index-url|--hash|find-links", text), name


def test_what_is_installed_is_what_is_pinned() -> None:
    pins = pinned((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    for requirement in named():
        assert version(plain(requirement)) == pins[plain(requirement)]
