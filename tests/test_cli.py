"""The command line as a person uses it: what it prints, and its exit codes."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import Result
from typer.testing import CliRunner

from engagement.cli import app, console, erase
from engagement.flatten import flatten
from engagement.runs.checks import Check, exit_code
from engagement.settings import ROOT, Settings, load_settings
from engagement.warehouse import Table, open_warehouse

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run ``engagement`` with a warehouse, landing and run folder of the test's own."""

    def run(*words: str, landing: Path | None = None) -> Result:
        own = [
            f"warehouse.duckdb.path={tmp_path / 'warehouse.duckdb'}",
            f"run.directory={tmp_path / 'runs'}",
            f"landing.location={landing or tmp_path / 'landing'}",
        ]
        sets = [word for value in own for word in ("--set", value)]
        return CliRunner().invoke(app, [*words, *sets])

    return run


def _one_message(done: Result) -> str:
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.startswith("error: ")
    return done.stderr


def test_a_misspelt_key_exits_2_and_names_the_near_miss(command: Command) -> None:
    done = command("run", "--set", "sessions.gap_minute=20")
    assert done.exit_code == 2
    assert "sessions.gap_minute: there is no such key; did you mean 'sessions.gap_minutes'?" in (
        _one_message(done)
    )


def test_every_mistake_is_reported_at_once(command: Command) -> None:
    done = command("run", "--set", "timezone=Europe/Berln", "--set", "sessions.gap_minutes=none")
    assert done.exit_code == 2
    message = _one_message(done)
    assert "did you mean 'Europe/Berlin'" in message
    assert "sessions.gap_minutes: " in message


def test_a_set_without_a_value_is_refused(command: Command) -> None:
    done = command("check", "--set", "timezone")
    assert done.exit_code == 2
    assert "write it as key=value" in _one_message(done)


def test_a_missing_landing_folder(command: Command, tmp_path: Path) -> None:
    done = command("run")
    assert done.exit_code == 2
    assert f"there is no folder {tmp_path / 'landing'}" in _one_message(done)
    assert not (tmp_path / "runs").exists()


def test_an_empty_landing_folder(command: Command, tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    done = command("run")
    assert done.exit_code == 2
    assert "holds no file in a folder named received_at_utc_date=YYYY-MM-DD" in _one_message(done)


def test_a_landing_that_is_a_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "landing").write_text("{}")
    done = command("run")
    assert done.exit_code == 2
    assert "is a file; name the folder that it is in" in _one_message(done)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--only", "07"), "there is no notebook '07'; they are: 00_start_here"),
        (("--only", "flaten_events"), "did you mean 'flatten_events'?"),
        (("--only", "01", "--from", "02"), "leave no notebook to run"),
    ],
)
def test_a_notebook_that_there_is_not(
    command: Command, words: tuple[str, ...], expected: str
) -> None:
    done = command("run", *words, landing=ROOT / "data/samples/rudderstack_firehose")
    assert done.exit_code == 2
    assert expected in _one_message(done)


def test_query_before_any_run(command: Command) -> None:
    done = command("query", "select 1 from marts.sessions")
    assert done.exit_code == 1
    assert "There is no warehouse yet" in _one_message(done)


@pytest.fixture
def filled(make_settings: Callable[..., object], tmp_path: Path) -> None:
    with open_warehouse(make_settings()).session(write=True) as session:  # type: ignore[arg-type]
        session.publish(
            Table("marts", "orders"),
            "select 'o1' as order_id, cast(9.9 as decimal(18,2)) as revenue, "
            "timestamp '2026-01-02 03:04:05.678' as ordered_at union all "
            "select 'o2, \"x\"', null, null",
        )


@pytest.mark.usefixtures("filled")
def test_query_prints_csv(command: Command) -> None:
    done = command("query", "select * from marts.orders order by order_id", "--format", "csv")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == (
        'order_id,revenue,ordered_at\no1,9.90,2026-01-02 03:04:05.678\n"o2, ""x""",,\n'
    )


@pytest.mark.usefixtures("filled")
def test_query_prints_json(command: Command) -> None:
    done = command("query", "select * from marts.orders order by order_id", "--format", "json")
    assert json.loads(done.stdout) == [
        {"order_id": "o1", "revenue": "9.90", "ordered_at": "2026-01-02T03:04:05.678000"},
        {"order_id": 'o2, "x"', "revenue": None, "ordered_at": None},
    ]


@pytest.mark.usefixtures("filled")
def test_query_prints_a_table(command: Command) -> None:
    done = command("query", "select order_id, revenue from marts.orders order by order_id")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[:2] == [["order_id", "revenue"], ["o1", "9.90"]]
    assert done.stdout.splitlines()[-1].strip() == "2 rows"


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "select 1 from marts.order",
            "there is no table marts.order; did you mean 'marts.orders'?",
        ),
        ("select nope from marts.orders", "nope: there is no such column here"),
        ("select o.revenu from marts.orders as o", "did you mean revenue?"),
        ("select from marts.orders where", "line 1, column"),
        ("delete from marts.orders", "only queries (SELECT, WITH) are accepted here, not DELETE"),
        ("select 1; select 2", "expected one query, got 2 statements"),
        ("drop table marts.orders", "not DROP"),
    ],
)
def test_query_refuses_what_is_wrong(command: Command, sql: str, expected: str) -> None:
    done = command("query", sql)
    assert done.exit_code == 2
    assert expected in _one_message(done)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_text('/etc/hostname')",
        "select * from '/etc/hostname'",
        "select * from query('select 1')",
        "attach '/tmp/x' as y",
        "select getenv('HOME')",
    ],
)
def test_query_sees_the_warehouse_alone(command: Command, sql: str) -> None:
    done = command("query", sql)
    assert done.exit_code == 2
    assert done.stdout == ""
    _one_message(done)


@pytest.mark.usefixtures("filled")
def test_query_says_what_is_not_portable(command: Command) -> None:
    sql = "select avg(revenue) as a, md5(cast(ordered_at as varbinary)) as b from marts.orders"
    done = command("query", sql, "--portable")
    assert done.exit_code == 2
    message = _one_message(done)
    assert "not portable" in message
    assert "- avg(): " in message
    assert "- md5(): sha256_hex(x)" in message
    assert command("query", "select avg(revenue) as a from marts.orders").exit_code == 0
    done = command("query", "select sum(revenue) as s from marts.orders", "--portable")
    assert done.exit_code == 0, done.stderr


def test_values_do_not_steer_the_terminal(
    command: Command, make_settings: Callable[..., Settings]
) -> None:
    sent = "a\x1b[31mred\x1b]0;title\x07\u202eb\x9b1mc\r\nd[bold]e[/x]:smile:"
    with open_warehouse(make_settings()).session(write=True) as session:
        session.rows("sent", pa.table({"x": [sent]}), {"x": "varchar"})
        session.publish(Table("marts", "orders"), "select x from work.sent")
    done = command("query", "select x, x as y from marts.orders")
    shown = "a\\x1b[31mred\\x1b]0;title\\x07\\u202eb\\x9b1mc\\r\\nd[bold]e[/x]:smile:"
    assert done.stdout.splitlines()[1].split() == [shown, shown]
    # A file gets what was sent.
    done = command("query", "select x from marts.orders", "--format", "json")
    assert json.loads(done.stdout) == [{"x": sent}]


def test_a_terminal_gets_text_alone_in_every_format(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(written, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdout", written)
    console.write("a,b\n\x1b[2Jc\t\x9bd\n")
    assert written.getvalue() == "a,b\n\\x1b[2Jc\t\\x9bd\n"


def test_paths_are_printed_as_they_are(tmp_path: Path) -> None:
    landing = tmp_path / "a [x] [/] :smile:b"
    done = CliRunner().invoke(app, ["run", "--set", f"landing.location={landing}"])
    assert done.exit_code == 2
    assert f"there is no folder {landing}" in _one_message(done)
    out = tmp_path / "[red]made"
    words = ["generate", "--users", "2", "--days", "1", "--out", str(out)]
    assert str(out) in CliRunner().invoke(app, words).stdout


def test_a_question_mark_in_the_warehouse_s_path_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "what?.duckdb"
    done = CliRunner().invoke(app, ["status", "--set", f"warehouse.duckdb.path={path}"])
    assert done.exit_code == 2
    message = _one_message(done)
    assert "warehouse.duckdb.path" in message
    assert "leave the '?' out" in message


def test_a_place_that_cannot_be_written_is_named(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("engagement.owner_only.folder", refused)
    landing = ROOT / "data/samples/rudderstack_firehose"
    done = command("run", "--only", "00", landing=landing)
    assert done.exit_code == 1
    assert f"{tmp_path} cannot be used: permission denied" in _one_message(done)


def test_check_says_what_is_missing(command: Command, tmp_path: Path) -> None:
    done = command("check")
    assert done.exit_code == 2
    assert "missing landing" in done.stdout
    day = tmp_path / "landing/received_at_utc_date=2026-09-02"
    day.mkdir(parents=True)
    (day / "a.json").write_text("{}")
    done = command("check")
    assert done.exit_code == 0, done.stdout
    assert "1 file, 2026-09-02 to 2026-09-02" in done.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        "audience.segment=params/segments/nobody.yaml",
        "events.order_completed.properties={order: transaction_id}",
        "landing.location=/nowhere/at/all",
    ],
)
def test_check_and_run_agree_about_wrong_input(tmp_path: Path, wrong: str) -> None:
    landing = ROOT / "data/samples/rudderstack_firehose"
    for words in (["check"], ["run"]):
        sets = [] if wrong.startswith("landing") else ["--set", f"landing.location={landing}"]
        done = CliRunner().invoke(
            app, [*words, *sets, "--set", wrong, "--set", f"warehouse.duckdb.path={tmp_path / 'w'}"]
        )
        assert done.exit_code == 2, (words, done.stdout, done.stderr)


def test_what_is_no_wrong_input_has_failed() -> None:
    unusable = Check("warehouse", False, "w", "it cannot be written")
    wrong = Check("landing", False, "l", "there is no folder", is_input=True)
    fine = Check("segment", True, "s", is_warning=True)
    assert [exit_code(found) for found in ([fine], [unusable], [unusable, wrong])] == [0, 1, 2]


def test_status_before_and_after(command: Command, tmp_path: Path) -> None:
    day = tmp_path / "landing/received_at_utc_date=2026-01-01"
    day.mkdir(parents=True)
    (day / "a.json").write_text('{"type":"page","messageId":"1"}\n')
    assert "Nothing was taken in yet; 1 file has landed." in command("status").stdout


def test_generate_writes_a_landing(tmp_path: Path) -> None:
    out = tmp_path / "made"
    words = ["generate", "--users", "5", "--days", "2", "--seed", "3", "--out", str(out)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.stderr
    assert list(out.glob("received_at_utc_date=*/*"))
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 2
    assert str(out) in _one_message(again)


def test_the_installed_command_answers() -> None:
    command = Path(sys.executable).with_name("engagement")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    for name in ("run", "query", "check", "status", "erase", "generate"):
        assert name in done.stdout


def test_erasing_tells_first_and_does_it_only_when_told_to(
    command: Command, tmp_path: Path
) -> None:
    day = tmp_path / "landing/received_at_utc_date=2026-01-05"
    day.mkdir(parents=True)
    events = [
        {"type": "track", "event": "Seen", "messageId": f"m{n}", "userId": user, "anonymousId": a}
        for n, (user, a) in enumerate([("user-1001", "a1"), ("", "a1"), ("user-1002", "a2")])
    ]
    (day / "a.json").write_text("".join(json.dumps(event) + "\n" for event in events))
    assert command("erase", "--user", "user-1001").exit_code == 2
    settings = load_settings(
        "params/local.yaml",
        {
            "landing.location": str(tmp_path / "landing"),
            "warehouse.duckdb.path": str(tmp_path / "warehouse.duckdb"),
            "run.directory": str(tmp_path / "runs"),
        },
    )
    flatten(open_warehouse(settings), settings)
    for words in ([], ["--again", "--user", "user-1001"]):
        done = command("erase", *words)
        assert done.exit_code == 2
        assert "say whom: --user ID" in _one_message(done)
    told = command("erase", "--user", "user-1001")
    assert told.exit_code == 0, told.stderr
    assert "user ids: user-1001\nanonymous ids: a1\n" in told.stdout
    assert "landed files: 2 records in 1 file (1 by anonymous_id, 1 by user_id)" in told.stdout
    assert "Nothing was changed." in told.stdout
    assert (day / "a.json").read_text().count("\n") == 3
    done = command("erase", "--user", "user-1001", "--yes")
    assert done.exit_code == 0, done.stderr
    assert json.loads((day / "a.json").read_text()) == events[2]
    [receipt] = (tmp_path / "runs/erasures").iterdir()
    assert str(receipt) in done.stdout
    assert "user-1001" not in receipt.read_text()
    found = open_warehouse(settings).query("select id from events.seen")
    assert found["id"].tolist() == ["m2"]
    assert command("erase", "--again", "--yes").exit_code == 0
    done = command("erase", "--user", "user-1003", "--yes")
    assert done.exit_code == 2
    message = _one_message(done)
    assert "the user id 'user-1003' is nobody's" in message
    assert "add --block" in message
    # Other people's ids are for a terminal alone.
    assert "user-1002" not in message
    assert "Similar ids are known; they are shown on a terminal alone." in message
    done = command("erase", "--user", "user-1003", "--yes", "--block")
    assert done.exit_code == 0, done.stderr


def test_similar_ids_are_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert erase._alike({"user-1": ["user-2", "User-1"], "x": []}) == (
        "\nSimilar to 'user-1': user-2, User-1"
    )


def test_clean_all_says_what_goes(command: Command, filled: None, tmp_path: Path) -> None:
    told = command("clean", "--all", "--dry-run")
    assert (told.exit_code, told.stdout) == (0, "marts.orders\n1 would be removed\n")
    assert command("clean", "--all").stdout == "marts.orders\n1 removed\n"
    assert not (tmp_path / "warehouse.duckdb").exists()


def test_make_clean_spares_what_erasures_have_left(tmp_path: Path) -> None:
    """Where there is no environment that could tell what has to stay, nothing goes."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    receipt = tmp_path / "runs/erasures/a.json"
    receipt.parent.mkdir(parents=True)
    receipt.write_text("{}")
    (tmp_path / "warehouse").mkdir()
    (tmp_path / "warehouse/engagement.duckdb").write_text("")

    def clean() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "clean"], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    done = clean()
    assert done.returncode != 0
    assert "People were erased here" in done.stdout
    assert receipt.exists()
    assert (tmp_path / "warehouse/engagement.duckdb").exists()
    # With an environment it is the command that decides.
    command = tmp_path / ".venv/bin/engagement"
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\necho "$@" > asked\n')
    command.chmod(0o755)
    assert clean().returncode == 0
    assert (tmp_path / "asked").read_text() == "clean --all --params params/local.yaml\n"
    assert receipt.exists()
    shutil.rmtree(tmp_path / ".venv")
    shutil.rmtree(receipt.parent)
    assert clean().returncode == 0
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "warehouse").exists()


# --- a model's author -----------------------------------------------------------------------------


@pytest.fixture
def flattened(tmp_path: Path) -> None:
    """A landing of one page view, taken in."""
    day = tmp_path / "landing/received_at_utc_date=2026-01-05"
    day.mkdir(parents=True)
    event = {
        "type": "identify",
        "messageId": "m1",
        "userId": "u1",
        "anonymousId": "a1",
        "receivedAt": "2026-01-05T10:00:00.000Z",
        "timestamp": "2026-01-05T10:00:00.000Z",
        "traits": {"email": "jane@shop.example"},
    }
    (day / "a.json").write_text(json.dumps(event) + "\n")
    settings = load_settings(
        "params/local.yaml",
        {
            "landing.location": str(tmp_path / "landing"),
            "warehouse.duckdb.path": str(tmp_path / "warehouse.duckdb"),
            "run.directory": str(tmp_path / "runs"),
        },
    )
    flatten(open_warehouse(settings), settings)


@pytest.mark.usefixtures("flattened")
def test_build_makes_a_model_and_what_it_needs_and_shows_nobody_s_own(command: Command) -> None:
    words = ["build", "identity_map", "--show", "--set", "as_of=2026-01-05"]
    done = command(*words)
    assert done.exit_code == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["status", "table", "rows"]
    assert ["built", "marts.identity_links", "1"] in lines
    assert ["built", "marts.identity_map", "2"] in lines
    assert "The first rows of marts.identity_map, as of 2026-01-05:" in done.stdout
    assert "u1" not in done.stdout
    again = command(*words)
    assert {line.split()[0] for line in again.stdout.splitlines()[1:3]} == {"unchanged"}


@pytest.mark.parametrize("words", [["build", "order"], ["build", "marts.order", "--show"]])
def test_build_names_the_nearest_model(command: Command, words: list[str]) -> None:
    done = command(*words)
    assert done.exit_code == 2
    assert "there is no model 'order'; did you mean 'orders'?" in _one_message(done)


@pytest.mark.usefixtures("flattened")
def test_query_knows_the_parameters_and_inputs_of_models(command: Command) -> None:
    sql = (
        "select i.email, cast(:as_of as varchar) as day, :timezone as zone "
        "from sources.identifies as i"
    )
    for more in ([], ["--portable"]):
        done = command("query", sql, "--format", "csv", "--set", "as_of=2026-01-05", *more)
        assert done.exit_code == 0, done.stderr
        assert done.stdout == "email,day,zone\njane@shop.example,2026-01-05,UTC\n"
    done = command("query", "select 1 as a from sources.identifie")
    assert done.exit_code == 2
    assert "there is no source 'identifie'; did you mean 'identifies'?" in _one_message(done)
    done = command("query", "select :as_off as a", "--set", "as_of=2026-01-05")
    assert done.exit_code == 2
    assert "there is no parameter ':as_off'; did you mean 'as_of'?" in _one_message(done)
