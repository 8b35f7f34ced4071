"""What every test may use: settings of its own, the stand for those that need it, no plots.

The stand (moto and a real Trino) needs Java 17 and Maven, so a plain ``pytest`` (and ``make test``)
leaves out what runs on it: all of ``tests/athena``, and the suites of ``tests/warehouse`` and
``tests/sql`` on the engine ``athena``. They show as deselected. They run where ``-m`` speaks of the
marker ``athena``, as ``make test-athena`` does; those of ``tests/athena`` also where that folder,
or something in it, is named on the command line or is where pytest was started. Asked for, they are
never skipped: without Java or Maven they fail and say what to install.

What runs on PostgreSQL (all of ``tests/postgres``, and those suites on the engine ``postgres``) has
the marker ``postgres`` and is left out in the same way: ``make test-redshift`` asks for it. What
runs dbt (``tests/dbt/live``) has the marker ``dbt``: ``make test-dbt`` asks for it.
"""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import matplotlib as mpl
import pytest

from engagement.settings import Settings, load_settings
from tests.fakes.fixtures import fakes, use_fakes  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from tests.athena.stand import Stand

mpl.use("Agg")

# The first call of a compiled function takes seconds, and nothing here is a test of time.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# They have environments of their own: make test-airflow, …-browser, …-demo, …-deploy.
collect_ignore = ["airflow", "browser", "demo/live", "deploy"]

_HERE = Path(__file__).resolve().parent
_FOLDERS = {"athena": _HERE / "athena", "postgres": _HERE / "postgres", "dbt": _HERE / "dbt/live"}
"""Folders all of whose tests have a marker of this name, and need a server."""

_HOST = pytest.StashKey[str]()
_AWSWRANGLER_WARNS = "ignore:The copy keyword is deprecated"


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests' many small files in memory, where the machine has a folder for that.

    SQL trees are many small objects: collecting garbage more rarely makes the tests twice as fast.
    """
    del config
    gc.set_threshold(200_000, 20, 20)
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs the stand unless it was asked for, and start the slow tests first.

    Two workers then end at about the same time.
    """
    unwanted: set[pytest.Item] = set()
    for name, folder in _FOLDERS.items():
        for item in items:
            if folder in item.path.parents:
                item.add_marker(name)
        ours = [item for item in items if item.get_closest_marker(name)]
        if name == "athena":
            for item in ours:
                item.add_marker(pytest.mark.filterwarnings(_AWSWRANGLER_WARNS))
        unwanted |= {item for item in ours if not _is_asked_for(item, config, name)}
    config.hook.pytest_deselected(items=[item for item in items if item in unwanted])
    items[:] = [item for item in items if item not in unwanted]
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def _is_asked_for(item: pytest.Item, config: pytest.Config, name: str) -> bool:
    if _speaks_of(name, config):
        return True
    folder = _FOLDERS[name]
    named = [
        (config.invocation_params.dir / argument.partition("::")[0]).resolve()
        for argument in config.args
    ]
    return folder in item.path.parents and any(folder in (path, *path.parents) for path in named)


def _speaks_of(name: str, config: pytest.Config) -> bool:
    return re.search(rf"\b{name}\b", config.option.markexpr or "") is not None


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings whose landing, warehouse and run folder lie in the test's own folder."""

    def make(**overrides: Any) -> Settings:
        (tmp_path / "landing").mkdir(exist_ok=True)
        own = {
            "landing.location": str(tmp_path / "landing"),
            "warehouse.duckdb.path": str(tmp_path / "warehouse.duckdb"),
            "run.directory": str(tmp_path / "runs"),
            "warehouse.duckdb.wait_seconds": 5,
        }
        dotted = {key.replace("__", "."): value for key, value in overrides.items()}
        return load_settings("params/local.yaml", {**own, **dotted})

    return make


# --- the stand ------------------------------------------------------------------------------------
# It is imported where it is used: it brings much along that most tests do without.


@pytest.fixture(scope="session")
def services_read_once() -> Iterator[None]:
    """Let all sessions of boto3 read the descriptions of services from one place.

    Each reads and parses some megabytes for its first clients, and most tests make several.
    """
    import boto3
    from botocore.loaders import Loader

    class SharedLoader(Loader):
        @property
        def search_paths(self) -> list[str]:
            return [*super().search_paths]  # every session adds the same to it

    shared = SharedLoader(extra_search_paths=[str(Path(boto3.__file__).parent / "data")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda _: shared)
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Start the process that Trino runs in, where several workers will share it."""
    config: pytest.Config = node.config
    if not _speaks_of("athena", config):
        return
    from tests.athena.stand import StandError, shared_host

    if _HOST not in config.stash:
        started = shared_host()
        try:
            config.stash[_HOST] = str(started.__enter__().directory)
        except StandError:  # each worker finds out as well, and says so where it is seen
            config.stash[_HOST] = ""
        else:
            config.add_cleanup(lambda: started.__exit__(None, None, None))
    node.workerinput["trino_host"] = config.stash[_HOST]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out the files of ``tests/athena`` whole, whose tests share what was made for them.

    The others come last and one by one, so that the workers end together.
    """
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return super()._split_scope(nodeid) if nodeid.startswith("tests/athena/") else nodeid

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def stand(services_read_once: None, pytestconfig: pytest.Config) -> Iterator[Stand]:
    """Athena, Glue and S3 on this machine, for the whole test run."""
    from tests.athena.stand import StandError, TrinoHost, running

    host = getattr(pytestconfig, "workerinput", {}).get("trino_host")
    started, missing = running(TrinoHost(Path(host)) if host else None), ""
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


@pytest.fixture
def aws_environment(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """The stand, with this process's environment leading every AWS library to it."""
    from tests.athena.stand.arrow import s3_filesystem_at

    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_GLUE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in stand.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("pyarrow.fs.S3FileSystem", s3_filesystem_at(stand.endpoint_url))
    return stand


# --- PostgreSQL -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    """A real PostgreSQL for the whole test run: the folder of its socket."""
    from tests.postgres.server import ServerError, running

    started, missing = running(), ""
    try:
        socket = started.__enter__()
    except ServerError as error:
        missing = str(error)
    if missing:
        pytest.fail(missing, pytrace=False)
    try:
        yield socket
    finally:
        started.__exit__(None, None, None)
