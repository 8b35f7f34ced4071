"""The notebooks give what is committed: nbval compares every output, in order, on the samples."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.notebooks.refresh import NOTEBOOKS, own_parameters

SANITIZE = Path(__file__).with_name("sanitize.cfg")


@pytest.mark.slow
def test_notebooks_give_their_committed_outputs(tmp_path: Path) -> None:
    environment = {**os.environ, "ENGAGEMENT_PARAMS": str(own_parameters(tmp_path))}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval", "-p", "no:cacheprovider", "-q"),
            *("-o", "filterwarnings=default", "--nbval-sanitize-with", str(SANITIZE)),
            *("--rootdir", str(NOTEBOOKS), "--nbval-cell-timeout", "300", "--tb=short"),
            *sorted(str(path) for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) > 50
