"""Write requirements.lock and environment.yml from what pyproject.toml names.

Run by ``make lock``: installs the newest versions into an environment of its own, and pins them.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LOCK_HEADER = """\
# The whole environment, pinned: `make lock` writes this file. Hashes are left out and no index is
# named, so that it installs from whatever index the machine is set up to use.
"""

CONDA_HEADER = """\
# The same environment for conda, JupyterLab and SageMaker Studio: `make lock` writes this file.
#   conda env create -f environment.yml && conda activate engagement
# Everything but Python comes from pip, at the versions of requirements.lock.
name: engagement
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - pip:
      - --constraint requirements.lock
"""


LEFT_OUT = frozenset({"lark", "rfc3987-syntax"})
"""What jsonschema takes along to check addresses with, if it is there, and nothing here asks for.

It builds 38 grammars when it is imported: a second of every start of papermill, pytest and
JupyterLab.
"""


def named() -> list[str]:
    """Packages that pyproject.toml names, with their extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]


def plain(requirement: str) -> str:
    """A requirement's package name, normalised, without extras and versions."""
    name = re.split(r"[\[=<>!~; ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[str, str]:
    """Package and version of every pin in a lock file."""
    pins = (line.partition("==") for line in text.splitlines() if "==" in line)
    return {plain(name): version.strip() for name, _, version in pins}


def conda(lock: str) -> str:
    """The conda file that belongs to a lock: what pyproject.toml names, pinned."""
    versions = pinned(lock)
    lines = []
    for requirement in sorted(named(), key=plain):
        extras = re.search(r"\[.*\]", requirement)
        lines.append(
            f"      - {plain(requirement)}{extras[0] if extras else ''}"
            f"=={versions[plain(requirement)]}"
        )
    return CONDA_HEADER + "\n".join(lines) + "\n      - --editable .\n"


def main() -> None:
    """Make both files."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "--upgrade", *named()], check=True)
        frozen = subprocess.run(
            [*pip, "freeze", "--all"], check=True, capture_output=True, text=True
        ).stdout
    pins = [line for line in frozen.splitlines() if plain(line) not in {"pip", *LEFT_OUT}]
    lock = LOCK_HEADER + "\n".join(pins) + "\n"
    (ROOT / "requirements.lock").write_text(lock, encoding="utf-8")
    (ROOT / "environment.yml").write_text(conda(lock), encoding="utf-8")


if __name__ == "__main__":
    main()
