"""What pyproject.toml cannot say: notebooks, parameters and samples go into the wheel, too.

They stay where people look for them, at the top of the repository; a wheel has copies of them in
``engagement/laid_down``, from which ``engagement init`` lays them down.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

LAID_DOWN = (
    "notebooks/*.ipynb",
    "params/**/*.yaml",
    "data/samples/**/*",
    "docs/metrics.md",
    "deploy/dataplane/workspaceConfig.template.json",
    "requirements.lock",
)


class BuildWithNotebooks(build_py):
    """Build the package with what is laid down."""

    def run(self) -> None:
        """Copy the modules as ever, then the rest."""
        super().run()
        if self.editable_mode:
            return  # a checkout has them at hand
        root = Path(__file__).resolve().parent
        target = Path(self.build_lib) / "engagement" / "laid_down"
        shutil.rmtree(target, ignore_errors=True)
        for pattern in LAID_DOWN:
            for path in sorted(root.glob(pattern)):
                if path.is_file():
                    copy = target / path.relative_to(root)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, copy)


setup(cmdclass={"build_py": BuildWithNotebooks})
