"""The stand for this folder's tests, and when they run.

They need Java 17 and Maven, so a plain ``pytest`` (and ``make test``) leaves them out: they show
as deselected. They run when this folder, or something in it, is named on the command line
(``pytest tests/athena``, ``make test-athena``), when pytest is started from within it, or when
``-m`` speaks of the marker ``athena``, which every test here carries. Asked for, they are never
skipped: without Java or Maven they fail and say what to install.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.athena.stand import Stand, StandError, running
from tests.athena.stand.arrow import s3_filesystem_at

_HERE = Path(__file__).resolve().parent
_AWSWRANGLER_WARNS = "ignore:The copy keyword is deprecated"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and leave them out unless they were asked for."""
    ours = [item for item in items if _HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.athena)
        item.add_marker(pytest.mark.filterwarnings(_AWSWRANGLER_WARNS))
    if not _asked_for(config):
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


def _asked_for(config: pytest.Config) -> bool:
    if re.search(r"\bathena\b", config.option.markexpr or ""):
        return True
    named = [
        (config.invocation_params.dir / argument.partition("::")[0]).resolve()
        for argument in config.args
    ]
    return any(_HERE in (path, *path.parents) for path in named)


@pytest.fixture(scope="session")
def stand() -> Iterator[Stand]:
    """Athena, Glue and S3 on this machine, for the whole test run."""
    started, missing = running(), ""
    try:
        stand = started.__enter__()
    except StandError as error:
        missing = str(error)
    if missing:  # said once, not as an error that came while another was handled
        pytest.fail(missing, pytrace=False)
    try:
        yield stand
    finally:
        started.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def _no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """End every fault with the test that asked for it."""
    yield
    if "stand" in request.fixturenames:
        request.getfixturevalue("stand").faults.clear()


@pytest.fixture
def aws_environment(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """The stand, with this process's environment leading every AWS library to it."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_GLUE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in stand.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("pyarrow.fs.S3FileSystem", s3_filesystem_at(stand.endpoint_url))
    return stand
