"""What a scheduler asks: whether a day has landed, which day tables may stand for, whose folder."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from engagement import alerts
from engagement.cli import app
from engagement.models import provenance
from engagement.records.files import LandingError
from engagement.runs import batch, notify, scheduling
from engagement.runs.batch import NotebookFailedError, NotebookRun
from engagement.runs.scheduling import RunChoiceError, arrival, at_least, begun
from engagement.settings import ROOT, Settings, SettingsError, load_settings
from engagement.warehouse import Table, open_warehouse

RUN = "20261031T013000Z-1a2b"
SAMPLE = ROOT / "data/samples/rudderstack_firehose/received_at_utc_date=2026-09-02"


def _land(settings: Settings, *folders: str) -> None:
    for folder in folders:
        path = settings.path(settings.landing.location) / folder
        path.mkdir()
        (path / "events.gz").write_bytes(b"never read")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- has a day landed? ----------------------------------------------------------------------------

DAY = date(2026, 10, 30)


@pytest.mark.parametrize(
    ("landed", "now", "is_landed", "is_empty"),
    [
        # Nothing of the day yet.
        ([], "2026-10-31T09:00", False, True),
        (["2026-10-29"], "2026-10-31T09:00", False, True),
        # Something of the day: it counts from half an hour after its end.
        (["2026-10-30"], "2026-10-30T23:00", False, False),
        (["2026-10-30"], "2026-10-31T00:29:59", False, False),
        (["2026-10-30"], "2026-10-31T00:30", True, False),
        # Something of a later date: Firehose is past it, whatever the clock says.
        (["2026-10-30", "2026-10-31"], "2026-10-31T00:01", True, False),
        # A day without any event is over too.
        (["2026-10-29", "2026-10-31"], "2026-10-31T00:01", True, True),
    ],
)
def test_a_day_has_landed_when_nothing_more_is_expected(
    make_settings: Callable[..., Settings],
    landed: list[str],
    now: str,
    is_landed: bool,
    is_empty: bool,
) -> None:
    settings = make_settings()
    _land(settings, *(f"received_at_utc_date={day}" for day in landed))
    found = arrival(open_warehouse(settings), settings, DAY, now=_at(now))
    assert (found.is_landed, found.is_empty) == (is_landed, is_empty)
    assert str(found.newest) == max(landed, default="None")


@pytest.mark.parametrize(
    ("zone", "first", "last", "over"),
    [
        ("UTC", "2026-10-30", "2026-10-30", "2026-10-31T00:30"),
        # 30 October in Tokyo lasts from 15:00 on the 29th to 15:00 on the 30th, in UTC.
        ("Asia/Tokyo", "2026-10-29", "2026-10-30", "2026-10-30T15:30"),
        # In Los Angeles from 07:00 on the 30th to 07:00 on the 31st.
        ("America/Los_Angeles", "2026-10-30", "2026-10-31", "2026-10-31T07:30"),
    ],
)
def test_a_local_day_has_the_received_dates_that_it_touches(
    make_settings: Callable[..., Settings], zone: str, first: str, last: str, over: str
) -> None:
    settings = make_settings(timezone=zone)
    _land(settings, f"received_at_utc_date={first}")
    if last != first:
        _land(settings, f"received_at_utc_date={last}")
    warehouse = open_warehouse(settings)
    found = arrival(warehouse, settings, DAY, now=_at(over))
    assert (str(found.received_from), str(found.received_to)) == (first, last)
    assert found.is_landed
    before = _at(over) - timedelta(seconds=1)
    assert not arrival(warehouse, settings, DAY, now=before).is_landed


def test_what_is_no_date_or_holds_nothing_does_not_count(
    make_settings: Callable[..., Settings],
) -> None:
    settings = make_settings()
    landing = settings.path(settings.landing.location)
    _land(settings, "received_at_utc_date=2026-10-29", "processing-failed", "2026-10-31")
    _land(settings, "received_at_utc_date=2026-13-01", "received_at_utc_date=9999-12-31")
    (landing / "received_at_utc_date=2026-10-31").mkdir()
    (landing / "received_at_utc_date=2026-11-01").write_text("a file")
    assert open_warehouse(settings).landed_days() == ["2026-10-29"]  # type: ignore[attr-defined]
    found = arrival(open_warehouse(settings), settings, DAY, now=_at("2026-11-05T00:00"))
    assert not found.is_landed


def test_a_landing_that_is_not_there_is_an_error(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    settings.path(settings.landing.location).rmdir()
    with pytest.raises(LandingError, match="there is no folder"):
        arrival(open_warehouse(settings), settings, DAY)


def test_in_s3_only_names_of_folders_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call with a delimiter, however many files a date has."""
    from engagement.aws.s3 import Address
    from engagement.warehouse.athena.warehouse import AthenaWarehouse

    asked: list[Address] = []

    class Bucket:
        def folders(self, folder: Address) -> list[str]:
            asked.append(folder)
            return ["failed", "received_at_utc_date=2026-10-30", "received_at_utc_date=2026-10-31"]

    warehouse = AthenaWarehouse.__new__(AthenaWarehouse)
    place = Address("shop-landing", "events/")
    monkeypatch.setattr(AthenaWarehouse, "bucket", Bucket(), raising=False)
    monkeypatch.setattr(AthenaWarehouse, "landing", place, raising=False)
    assert warehouse.landed_days() == ["2026-10-30", "2026-10-31"]
    assert asked == [place]


def test_where_rudderstack_loads_the_clock_decides(make_settings: Callable[..., Settings]) -> None:
    class Loaded:
        """A warehouse without a landing."""

    settings = make_settings()
    for now, is_landed in (("2026-10-31T00:29", False), ("2026-10-31T00:30", True)):
        found = arrival(Loaded(), settings, DAY, now=_at(now))  # type: ignore[arg-type]
        assert (found.is_landed, found.newest) == (is_landed, None)
        assert not found.has_landing


def test_the_command_answers_in_json_and_in_words(
    tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings()
    _land(settings, "received_at_utc_date=2026-10-30", "received_at_utc_date=2026-10-31")
    own = [
        *("--set", f"landing.location={tmp_path / 'landing'}"),
        *("--set", f"warehouse.duckdb.path={tmp_path / 'warehouse.duckdb'}"),
        *("--set", f"run.directory={tmp_path / 'runs'}"),
    ]
    done = CliRunner().invoke(app, ["landed", "2026-10-30", "--format", "json", *own])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "day": "2026-10-30",
        "received_from": "2026-10-30",
        "received_to": "2026-10-30",
        "is_landed": True,
        "is_empty": False,
        "newest": "2026-10-31",
        "runs": str(tmp_path / "runs"),
        "has_landing": True,
    }
    done = CliRunner().invoke(app, ["landed", "2099-01-01", *own])
    assert (done.exit_code, done.stdout) == (
        0,
        "2099-01-01 has not landed yet: the newest received date is 2026-10-31\n",
    )
    assert CliRunner().invoke(app, ["landed", "yesterday", *own]).exit_code == 2
    shutil.rmtree(tmp_path / "landing")
    assert CliRunner().invoke(app, ["landed", "2026-10-30", *own]).exit_code == 2


POSTGRES = """
landing:
  location: data/samples/rudderstack_firehose
warehouse:
  engine: postgres
  postgres:
    rudderstack_schema: rudderstack
"""


def _tasks_of_the_dags(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The DAGs' tasks with stand-ins for what they take from Airflow, which is not installed."""
    stand_in = ModuleType("airflow.sdk")
    names = (
        "BaseOperator BaseOperatorLink BaseSensorOperator CronDataIntervalTimetable Param "
        "PokeReturnValue"
    )
    for name in names.split():
        setattr(stand_in, name, type(name, (), {}))
    stand_in.Asset = str  # type: ignore[attr-defined]
    errors = ModuleType("airflow.sdk.exceptions")
    for name in ("AirflowException", "AirflowFailException", "AirflowSkipException"):
        setattr(errors, name, type(name, (Exception,), {}))
    for module in (ModuleType("airflow"), stand_in, errors):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    path = ROOT / "deploy/airflow/dags/engagement_tasks.py"
    spec = importlib.util.spec_from_file_location("engagement_tasks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("this_day_only", [False, True])
def test_airflows_tasks_give_each_engine_settings_that_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, this_day_only: bool
) -> None:
    """What the sensor's command says becomes settings, which the parameters have to take."""
    tasks = _tasks_of_the_dags(monkeypatch)
    landing = tmp_path / "landing"
    (landing / "received_at_utc_date=2025-10-30").mkdir(parents=True)
    (landing / "received_at_utc_date=2025-10-30" / "events.gz").write_bytes(b"never read")
    postgres, duckdb = tmp_path / "postgres.yaml", tmp_path / "duckdb.yaml"
    postgres.write_text(POSTGRES)
    duckdb.write_text(f"landing:\n  location: {landing}\n")
    dates = ["landing.to=2025-10-30"]
    if this_day_only:
        dates.insert(0, "landing.from=2025-10-30")
    for file, wanted in ((duckdb, dates), (postgres, [])):
        words = ["landed", "2025-10-30", "--format", "json", "--params", str(file)]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert found["is_landed"]
        given = tasks.received({"params": {"this_day_only": this_day_only}}, found)
        assert given == wanted
        load_settings(file, dict(one.split("=", 1) for one in given))
    with pytest.raises(SettingsError, match="reads no landing"):
        load_settings(postgres, dict(one.split("=", 1) for one in dates))
    done = CliRunner().invoke(app, ["landed", "2025-10-30", "--params", str(postgres)])
    assert done.stdout == (
        "2025-10-30 is over: RudderStack loads the tables, so the clock decides\n"
    )


# --- which day may tables stand for? --------------------------------------------------------------


def test_no_table_goes_back_in_time(make_settings: Callable[..., Settings]) -> None:
    warehouse = open_warehouse(make_settings())
    assert at_least(warehouse, DAY) == DAY  # there is no warehouse yet
    for name, as_of in {"a": "2026-10-28", "b": "2026-11-02", "c": "2026-10-30"}.items():
        built = {"as_of": f"{as_of} (received before {as_of} 00:00:00 UTC)", "timezone": "UTC"}
        with warehouse.session(write=True) as session:
            version = provenance.version("0123", built)
            session.publish(Table("marts", name), "select 1 as n", version=version)
    with warehouse.session(write=True) as session:
        session.publish(Table("marts", "d"), "select 1 as n")  # says nothing
    assert at_least(warehouse, DAY) == date(2026, 11, 2)
    assert at_least(warehouse, date(2026, 11, 3)) == date(2026, 11, 3)


@pytest.mark.parametrize(
    "words",
    [
        ["--as-of-at-least", "2026-10-30", "--set", "as_of=2026-10-30"],
        ["--as-of-at-least", "2026-10-30", "--follow"],
        ["--run", RUN, "--follow"],
    ],
)
def test_options_that_exclude_each_other(words: list[str]) -> None:
    assert CliRunner().invoke(app, ["run", *words]).exit_code == 2


# --- whose folder is this? ------------------------------------------------------------------------


def _write(folder: Path, **record: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"params": "p.yaml", "overrides": {"a": 1}, **record}
    (folder / "run.json").write_text(json.dumps(whole))
    return folder


def test_a_run_is_gone_on_with_by_the_same_parameters_alone(tmp_path: Path) -> None:
    assert begun(tmp_path / RUN, "p.yaml", {}) == {}
    folder = _write(tmp_path / RUN, overrides={"landing.to": "2026-10-30", "as_of": "2026-10-29"})
    same = {"landing.to": date(2026, 10, 30), "as_of": date(2026, 10, 30)}  # dates are texts there
    assert begun(folder, "p.yaml", same)["params"] == "p.yaml"
    with pytest.raises(RunChoiceError, match=r"other parameters \(p.yaml, landing.to=2026-10-30\)"):
        begun(folder, "p.yaml", {"landing.to": "2026-10-31"})
    with pytest.raises(RunChoiceError, match="other parameters"):
        begun(folder, "q.yaml", same)


@pytest.mark.parametrize("name", ["interactive", "erasures", "..", "20261031T013000Z-1a2b5"])
def test_a_folder_of_another_name_is_no_runs(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunChoiceError, match="cannot be the id of a run"):
        begun(tmp_path / "runs" / name, "p.yaml", {})


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"params": 1}', '{"params": "p", "overrides": 1}']
)
def test_a_record_that_cannot_be_read_is_left_alone(tmp_path: Path, text: str) -> None:
    folder = _write(tmp_path / RUN)
    (folder / "run.json").write_text(text)
    with pytest.raises(RunChoiceError, match="cannot be read"):
        begun(folder, "p", {})


@pytest.fixture
def added(
    tmp_path: Path, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., batch.RunRecord]:
    """Add notebooks to a run; none is executed, and those named in ``fails`` fail."""
    settings = make_settings()
    shutil.copytree(SAMPLE, settings.path(settings.landing.location) / SAMPLE.name)
    fails: set[str] = set()

    def run_one(notebook: NotebookRun, *others: Any) -> None:
        del others
        notebook.status, notebook.error = "done", None
        if notebook.name[:2] in fails:
            notebook.status, notebook.error = "failed", f"it was {notebook.name}"
            raise NotebookFailedError(notebook.error)

    monkeypatch.setattr(batch, "_run_one", run_one)
    monkeypatch.setattr(alerts, "look", lambda *_: [])

    def add(
        *names: str, failing: str = "", run_id: str | None = RUN, **overrides: Any
    ) -> batch.RunRecord:
        fails.clear()
        fails.update(failing.split())
        try:
            return batch.run(
                settings, tmp_path / "p.yaml", overrides, batch.choose(names), run_id=run_id
            )[0]
        except NotebookFailedError:
            pass
        text = (tmp_path / "runs" / str(run_id) / "run.json").read_text(encoding="utf-8")
        found = json.loads(text)
        notebooks = [NotebookRun(**one) for one in found.pop("notebooks")]
        return batch.RunRecord(notebooks=notebooks, **found)

    return add


def _statuses(record: batch.RunRecord) -> dict[str, str]:
    return {notebook.name[:2]: notebook.status for notebook in record.notebooks}


def test_notebooks_are_added_to_a_run(
    added: Callable[..., batch.RunRecord], tmp_path: Path
) -> None:
    first = added("00", "02")
    assert _statuses(first) == {"00": "done", "02": "done"}
    second = added("01")
    assert (second.id, second.started) == (RUN, first.started)
    assert _statuses(second) == {"00": "done", "01": "done", "02": "done"}
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [RUN]
    alone = added("00", run_id=None)
    assert alone.id != RUN


def test_a_run_has_failed_until_what_failed_is_done(added: Callable[..., batch.RunRecord]) -> None:
    assert added("04", failing="04").status == "failed"
    after = added("05")
    assert (after.status, _statuses(after)) == ("failed", {"04": "failed", "05": "done"})
    again = added("04")
    assert (again.status, _statuses(again)) == ("done", {"04": "done", "05": "done"})
    assert again.notebooks[0].error is None


def test_a_notebook_that_was_killed_is_not_done(
    added: Callable[..., batch.RunRecord], tmp_path: Path
) -> None:
    record = added("02")
    record.notebooks[0].status = "running"
    batch.write_record(record, tmp_path / "runs" / RUN)
    after = added("03")
    assert (after.status, _statuses(after)) == ("failed", {"02": "not run", "03": "done"})


def test_another_as_of_day_is_resolved_again(
    added: Callable[..., batch.RunRecord], tmp_path: Path
) -> None:
    """A run on another day's tables goes on as of that day, not as of the one it began with."""
    added("03", as_of="2026-10-29")
    state = tmp_path / "runs" / RUN / batch.STATE
    state.write_text('{"as_of": "2026-10-29", "as_of_end": "2026-10-30", "is_latest": false}')
    assert added("04", as_of="2026-10-29").as_of is None  # no notebook ran that would say it
    assert state.exists()
    added("05", as_of="2026-10-30")
    assert not state.exists()


def test_nobody_is_told_twice(
    added: Callable[..., batch.RunRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each addition tells of its own notebooks and new alerts; alerts are looked for after 04."""
    told: list[tuple[str, list[str], list[str]]] = []
    looked: list[str] = []

    def tell(settings: Any, project: str, record: Mapping[str, Any]) -> list[str]:
        del settings, project
        failed = [one["name"][:2] for one in record["notebooks"] if one["error"]]
        told.append((record["status"], failed, [one["text"] for one in record["alerts"]]))
        return []

    def look(*others: Any) -> list[Any]:
        del others
        looked.append("look")
        return []

    monkeypatch.setattr(notify, "tell", tell)
    monkeypatch.setattr(alerts, "look", look)
    monkeypatch.setattr(alerts, "as_records", lambda _: [{"text": "no new events"}])
    added("02")
    assert looked == []
    added("04")
    added("05", failing="05")
    added("06")
    added("05")
    added("04")
    assert told == [
        ("done", [], []),
        ("done", [], ["no new events"]),
        ("failed", ["05"], []),
        ("done", [], []),
        ("done", [], []),
        ("done", [], []),
    ]


def test_the_grace_is_longer_than_firehose_buffers() -> None:
    assert timedelta(minutes=15) < scheduling.GRACE
