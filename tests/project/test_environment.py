"""The three files that name packages agree, and none names an index."""

from __future__ import annotations

import re
from importlib.metadata import version

import yaml

from tests.project.lock import LEFT_OUT, ROOT, conda, named, pinned, plain


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
