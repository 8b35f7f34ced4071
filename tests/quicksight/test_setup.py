"""QuickSight from nothing to a published dashboard and back, on the fake; on moto what it can."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from engagement import quicksight
from engagement.aws import requests as planned
from engagement.aws.clients import Service
from engagement.aws.waiting import WaitedTooLongError
from engagement.cli import app
from engagement.models.runner import models
from engagement.quicksight import QuickSightError, assets, definition, planning, requests, sheets
from engagement.quicksight.assets import Maker
from engagement.quicksight.requests import TAG, Place, data_source, everything
from engagement.quicksight.sheets import SHEETS, tables
from engagement.settings import Settings, SettingsError
from tests.fakes import NEVER, Ending, Fake, Fakes, Parameters
from tests.fakes.quicksight import QuickSightFake

ACCOUNT, REGION = "111122223333", "eu-central-1"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MakeSettings = Callable[..., Settings]
UseFakes = Callable[..., Fakes]


class IdentityFake(Fake):
    service = "sts"

    def get_caller_identity(self, request: Parameters) -> Parameters:
        del request
        return {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/x", "UserId": "x"}


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return chosen(make_settings)


def chosen(make_settings: MakeSettings, **quick: Any) -> Settings:
    own = {
        "region": REGION,
        "wait_seconds": 5,
        "data_sets": "shown",
        "owners": ["group/default/analysts"],
        "viewers": ["user/default/reader"],
    }
    return make_settings(quicksight={**own, **quick}, currency={"reporting": "EUR"})


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sheets of four tables rather than all: a test takes a tenth of the calls."""
    some = tuple(sheet for sheet in SHEETS if sheet.name in ("Overview", "Customers"))
    monkeypatch.setattr(sheets, "SHEETS", some)
    monkeypatch.setattr(definition, "SHEETS", some)


in_few = pytest.mark.usefixtures("few")


@pytest.fixture
def fake(use_fakes: UseFakes) -> QuickSightFake:
    made = QuickSightFake(ACCOUNT, REGION)
    use_fakes(made, IdentityFake())
    return made


def maker(seconds: float = 5) -> Maker:
    return Maker(Service("quicksight", REGION), Place(ACCOUNT, REGION), seconds, pause=0.001)


def outcomes(made: list[quicksight.Made]) -> set[str]:
    return {one.outcome for one in made}


def changes(fakes: Fakes) -> list[str]:
    """Calls that change something."""
    return [
        name for name in fakes.operations("quicksight") if not name.startswith(("Describe", "List"))
    ]


# --- plan -----------------------------------------------------------------------------------------


def test_a_plan_passes_the_services_own_model_and_needs_no_account(
    settings: Settings, tmp_path: Path
) -> None:
    calls = quicksight.plan(settings)
    written = planned.write(tmp_path, "quicksight", calls)
    # A source, a data set and a schedule per table, a theme, an analysis, a dashboard.
    assert len(written) == 4 + 2 * len(tables())
    text = "".join(path.read_text() for path in written)
    assert ACCOUNT not in text
    last = json.loads(written[-1].read_text())
    assert last["operation"] == "CreateDashboard"
    sheets = [sheet["Name"] for sheet in last["parameters"]["Definition"]["Sheets"]]
    assert sheets == [
        *("Overview", "Acquisition", "Engagement", "Retention", "Commerce", "Attribution"),
        "Customers",
    ]


def test_a_plan_is_the_same_each_time_and_direct_queries_have_no_schedule(
    make_settings: MakeSettings, settings: Settings
) -> None:
    assert quicksight.plan(settings) == quicksight.plan(settings)
    direct = quicksight.plan(chosen(make_settings, mode="DIRECT_QUERY"))
    assert {call.operation for call in direct if "Refresh" in call.operation} == set()
    modes = {c.parameters.get("ImportMode") for c in direct if c.operation == "CreateDataSet"}
    assert modes == {"DIRECT_QUERY"}


def test_every_table_of_the_dashboards_is_a_data_set_and_none_of_people(
    make_settings: MakeSettings,
) -> None:
    chosen_tables = requests.chosen_tables(chosen(make_settings, data_sets="all"))
    assert set(tables()) < set(chosen_tables)
    assert {"retention_daily", "event_properties", "funnel_open"} <= set(chosen_tables)
    assert not {"dashboard_entries", "attribution_shares", "search_terms"} & set(chosen_tables)
    for model in models(["dashboards"]).values():
        of_people = bool({"person_id", "order_id"} & set(model.document.columns))
        expected = not of_people and model.name != "search_terms"
        assert (model.name in chosen_tables) == expected, model.name
    plan = quicksight.plan(chosen(make_settings, data_sets="all"))
    made = [call for call in plan if call.operation == "CreateDataSet"]
    assert len(made) == len(chosen_tables)
    assert [problem for call in plan for problem in call.problems()] == []
    # A definition takes at most fifty: it declares what it shows.
    declared = plan[-1].parameters["Definition"]["DataSetIdentifierDeclarations"]
    assert [one["Identifier"] for one in declared] == list(tables())


def test_without_a_region_the_parameters_are_refused(make_settings: MakeSettings) -> None:
    with pytest.raises(SettingsError, match=r"quicksight\.region: name a region"):
        quicksight.plan(chosen(make_settings, region=None))


def test_a_notebook_shows_a_plan_by_kind_of_call_and_writes_it(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = chosen(make_settings)
    assert planning.missing(settings) == ""
    shown = planning.summary(settings, tmp_path)
    assert list(shown.columns) == ["operation", "calls", "what for"]
    assert dict(zip(shown["operation"], shown["calls"], strict=True)) == {
        "CreateDataSource": 1,
        "CreateDataSet": len(tables()),
        "CreateRefreshSchedule": len(tables()),
        "CreateTheme": 1,
        "CreateAnalysis": 1,
        "CreateDashboard": 1,
    }
    assert len(list((tmp_path / "quicksight").iterdir())) == shown["calls"].sum()


def test_what_a_plan_lacks_is_said_in_one_sentence(make_settings: MakeSettings) -> None:
    assert planning.missing(chosen(make_settings, region=None)) == (
        "**No plan yet**: quicksight.region: name a region, such as eu-central-1, or an Athena"
        " warehouse."
    )


def test_the_digest_of_a_definition_does_not_depend_on_the_account(settings: Settings) -> None:
    real = everything(settings, Place(ACCOUNT, REGION))
    plan = everything(settings, Place(None, REGION))
    assert [one.tags for one in real] == [one.tags for one in plan]


# --- up -------------------------------------------------------------------------------------------


def test_everything_is_made_filled_and_published(
    fake: QuickSightFake, fakes: Fakes, settings: Settings
) -> None:
    fake.polls = 2
    made = quicksight.up(settings, maker(), now=NOON)
    assert outcomes(made) == {"created"}
    assert len(made) == 4 + len(tables())
    assert set(fake.sets) == {f"engagement-{table}" for table in tables()}
    assert len(fake.schedules) == len(fake.ingestions) == len(tables())
    [schedule] = {json.dumps(one["ScheduleFrequency"]) for one in fake.schedules.values()}
    assert json.loads(schedule) == {
        "Interval": "DAILY",
        "Timezone": "UTC",
        "TimeOfTheDay": "05:00",
    }
    dashboard = fake.dashboards["engagement-dashboard"]
    assert list(fake.problems(dashboard.content)) == []
    assert fake.published["engagement-dashboard"] == 1
    assert {tags[TAG] for tags in fake.tags.values()} == {"engagement"}
    group = f"arn:aws:quicksight:{REGION}:{ACCOUNT}:group/default/analysts"
    reader = f"arn:aws:quicksight:{REGION}:{ACCOUNT}:user/default/reader"
    assert "quicksight:UpdateDashboard" in dashboard.permissions[group]
    assert dashboard.permissions[reader] == {
        *("quicksight:DescribeDashboard", "quicksight:ListDashboardVersions"),
        "quicksight:QueryDashboard",
    }
    assert reader not in fake.analyses["engagement-analysis"].permissions
    # Nothing of a dashboard is made before its data is there.
    order = fakes.operations("quicksight")
    assert order.index("CreateTheme") > max(
        place for place, name in enumerate(order) if name == "DescribeIngestion"
    )


@in_few
def test_a_second_time_nothing_changes_but_the_data_is_filled_again(
    fake: QuickSightFake, fakes: Fakes, settings: Settings
) -> None:
    quicksight.up(settings, maker(), now=NOON)
    before = len(changes(fakes))
    assert outcomes(quicksight.up(settings, maker(), fill=False)) == {"as it is"}
    assert changes(fakes)[before:] == []
    quicksight.up(settings, maker(), now=NOON)
    assert changes(fakes)[before:] == ["CreateIngestion"] * len(tables())
    assert len(fake.ingestions) == 2 * len(tables())


@in_few
def test_other_parameters_update_what_they_are_about_and_publish_a_new_version(
    fake: QuickSightFake, fakes: Fakes, settings: Settings, make_settings: MakeSettings
) -> None:
    quicksight.up(settings, maker(), now=NOON)
    before = len(changes(fakes))
    other = chosen(
        make_settings,
        theme={"colours": ["#112233"]},
        default_days=30,
        refresh_at="06:30",
        viewers=["user/default/other"],
    )
    made = {one.kind: one.outcome for one in quicksight.up(other, maker(), fill=False)}
    assert made == {
        "data-source": "as it is",
        "data-set": "updated",
        "theme": "updated",
        "analysis": "updated",
        "dashboard": "updated",
    }
    assert fake.published["engagement-dashboard"] == 2
    done = changes(fakes)[before:]
    assert done.count("UpdateRefreshSchedule") == len(tables())
    assert "UpdateDataSet" not in done
    readers = {
        who.rpartition("/")[2] for who in fake.dashboards["engagement-dashboard"].permissions
    }
    assert readers == {"analysts", "other"}
    assert outcomes(quicksight.up(other, maker(), fill=False)) == {"as it is"}


@in_few
def test_direct_queries_take_the_schedules_away(
    fake: QuickSightFake, settings: Settings, make_settings: MakeSettings
) -> None:
    quicksight.up(settings, maker(), now=NOON)
    quicksight.up(chosen(make_settings, mode="DIRECT_QUERY"), maker())
    assert fake.schedules == {}
    assert {one.content["ImportMode"] for one in fake.sets.values()} == {"DIRECT_QUERY"}


@pytest.mark.parametrize(
    ("kind", "state", "details", "words"),
    [
        (
            "data source",
            "CREATION_FAILED",
            {"Type": "ACCESS_DENIED", "Message": "no permission"},
            "the data source 'engagement-athena' is CREATION_FAILED: ACCESS_DENIED no permission",
        ),
        (
            "ingestion",
            "FAILED",
            {"Type": "SPICE_TABLE_NOT_FOUND", "Message": "no such table"},
            (
                "the data set 'engagement-daily_overview' was not filled (FAILED): "
                "SPICE_TABLE_NOT_FOUND no such table"
            ),
        ),
        (
            "analysis",
            "CREATION_FAILED",
            {"Type": "COLUMN_TYPE_MISMATCH", "Message": "day", "ViolatedEntities": [{"Path": "x"}]},
            "the analysis 'engagement-analysis' is CREATION_FAILED: COLUMN_TYPE_MISMATCH day (x)",
        ),
        (
            "dashboard",
            "CREATION_FAILED",
            {"Type": "INTERNAL_FAILURE", "Message": "later"},
            "the dashboard 'engagement-dashboard' is CREATION_FAILED: INTERNAL_FAILURE later",
        ),
    ],
)
@in_few
def test_a_failure_is_told_in_the_services_words_and_the_next_time_goes_on(
    fake: QuickSightFake,
    settings: Settings,
    kind: str,
    state: str,
    details: Parameters,
    words: str,
) -> None:
    fake.script(kind, Ending(state, details))
    with pytest.raises(QuickSightError) as raised:
        quicksight.up(settings, maker(), now=NOON)
    assert str(raised.value) == words
    made = quicksight.up(settings, maker(), now=NOON.replace(hour=13))
    assert outcomes(made) <= {"created", "updated", "as it is"}
    assert fake.published["engagement-dashboard"] in (1, 2)
    assert outcomes(quicksight.up(settings, maker(), fill=False)) == {"as it is"}


@in_few
def test_an_update_that_fails_leaves_the_published_version(
    fake: QuickSightFake, settings: Settings, make_settings: MakeSettings
) -> None:
    quicksight.up(settings, maker(), now=NOON)
    fake.script(
        "dashboard", Ending("CREATION_FAILED", {"Type": "INTERNAL_FAILURE", "Message": "x"})
    )
    other = chosen(make_settings, default_days=30)
    with pytest.raises(QuickSightError, match="dashboard"):
        quicksight.up(other, maker(), fill=False)
    assert fake.published["engagement-dashboard"] == 1
    quicksight.up(other, maker(), fill=False)
    assert fake.published["engagement-dashboard"] == 3


def test_what_never_is_ready_ends_at_the_deadline(fake: QuickSightFake, settings: Settings) -> None:
    fake.script("data source", NEVER)
    with pytest.raises(WaitedTooLongError, match="the data source 'engagement-athena' to be ready"):
        quicksight.up(settings, maker(seconds=0.05))


@in_few
def test_an_id_that_somebody_else_has_is_left_alone(
    fake: QuickSightFake, fakes: Fakes, settings: Settings
) -> None:
    quicksight.up(settings, maker(), now=NOON)
    theirs = fake.dashboards["engagement-dashboard"].arn
    fake.tags[theirs] = {TAG: "another"}
    before = len(changes(fakes))
    with pytest.raises(QuickSightError, match="it is not this project's"):
        quicksight.up(settings, maker(), fill=False)
    assert changes(fakes)[before:] == []
    with pytest.raises(QuickSightError, match="the dashboard 'engagement-dashboard' exists"):
        quicksight.down(settings, maker())
    assert set(fake.dashboards) == {"engagement-dashboard"}
    assert not fake.analyses
    assert not fake.sets


@in_few
def test_calls_that_come_too_fast_are_tried_again(
    fake: QuickSightFake, fakes: Fakes, settings: Settings
) -> None:
    fakes.throttle("quicksight", "CreateTheme", times=2)
    assert outcomes(quicksight.up(settings, maker(), now=NOON)) == {"created"}
    assert fake.themes


@in_few
def test_an_answer_that_was_lost_is_no_second_thing(
    fake: QuickSightFake, fakes: Fakes, settings: Settings
) -> None:
    """The call took effect, and botocore's repetition of it finds the id taken."""
    fakes.lose("quicksight", "CreateDataSource")
    made = quicksight.up(settings, maker(), now=NOON)
    assert set(fake.sources) == {"engagement-athena"}
    assert {one.kind: one.outcome for one in made}["dashboard"] == "created"


# --- status and down ------------------------------------------------------------------------------


@in_few
def test_status_says_what_is_missing_and_what_was_filled(
    fake: QuickSightFake, settings: Settings
) -> None:
    assert set(quicksight.status(settings, maker())["state"]) == {"missing"}
    fake.now = lambda: NOON
    quicksight.up(settings, maker(), now=NOON)
    found = quicksight.status(settings, maker()).set_index("id")
    assert tuple(found.loc["engagement-daily_overview", ["state", "about"]]) == (
        "COMPLETED",
        "2026-03-01 12:00, 7 rows",
    )
    assert tuple(found.loc["engagement-dashboard", ["state", "about"]]) == (
        "CREATION_SUCCESSFUL",
        "version 1",
    )


@in_few
def test_down_deletes_what_is_this_projects_and_nothing_else(
    fake: QuickSightFake, settings: Settings, make_settings: MakeSettings
) -> None:
    quicksight.up(settings, maker(), now=NOON)
    other = make_settings(
        project="other", quicksight={"region": REGION}, currency={"reporting": "EUR"}
    )
    quicksight.up(other, maker(), now=NOON)
    gone = quicksight.down(settings, maker())
    assert gone[0] == "engagement-dashboard"
    assert gone[-1] == "engagement-athena"
    assert len(gone) == 4 + len(tables())
    left = {*fake.sources, *fake.sets, *fake.themes, *fake.analyses, *fake.dashboards}
    assert left
    assert all(name.startswith("other-") for name in left)
    assert quicksight.down(settings, maker()) == []


# --- the commands ---------------------------------------------------------------------------------


def command(words: list[str], tmp_path: Path) -> tuple[int, str]:
    sets = {
        "quicksight.region": REGION,
        "quicksight.data_sets": "shown",
        "run.directory": str(tmp_path / "runs"),
        "warehouse.duckdb.path": str(tmp_path / "w.duckdb"),
    }
    options = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
    done = CliRunner().invoke(app, ["quicksight", *words, *options])
    return done.exit_code, done.stdout + done.stderr


def test_the_plan_is_written_and_nothing_is_sent(tmp_path: Path) -> None:
    code, said = command(["plan"], tmp_path)
    assert code == 0, said
    written = list((tmp_path / "runs/interactive/requests/quicksight").iterdir())
    assert f"{len(written)} requests, none of them sent" in said
    assert len(written) == 4 + 2 * len(tables())


@in_few
def test_the_commands_make_show_and_delete(
    fake: QuickSightFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engagement.aws.waiting.time.sleep", lambda seconds: None)
    code, said = command(["up"], tmp_path)
    assert code == 0, said
    assert "created  dashboard    engagement-dashboard" in said
    assert "as it is" in command(["up", "--no-fill"], tmp_path)[1]
    code, said = command(["status"], tmp_path)
    assert "CREATION_SUCCESSFUL" in said
    code, said = command(["down"], tmp_path)
    assert f"{len(fake.sets) + 4} would be deleted" in said
    assert fake.dashboards
    code, said = command(["down", "--yes"], tmp_path)
    assert code == 0, said
    assert not (fake.dashboards)
    assert not (fake.sets)
    assert not (fake.sources)


@in_few
def test_a_failure_is_exit_1_and_no_region_exit_2(
    fake: QuickSightFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engagement.aws.waiting.time.sleep", lambda seconds: None)
    reason = {"Type": "ACCESS_DENIED", "Message": "no permission"}
    fake.script("data source", Ending("CREATION_FAILED", reason))
    code, said = command(["up"], tmp_path)
    assert code == 1
    assert "ACCESS_DENIED no permission" in said
    assert ACCOUNT not in said
    done = CliRunner().invoke(app, ["quicksight", "plan"])
    assert done.exit_code == 2
    assert "quicksight.region: name a region" in done.stderr


# --- moto -----------------------------------------------------------------------------------------


@pytest.fixture
def on_moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[Maker]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        account = boto3.client("sts", region_name=REGION).get_caller_identity()["Account"]
        yield Maker(Service("quicksight", REGION), Place(account, REGION), 5, pause=0.001)


def test_on_moto_the_data_source_is_created_updated_and_deleted(
    on_moto: Maker, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moto has no permissions of data sources: they are the fake's to show."""
    monkeypatch.setattr(assets, "ensure_permissions", lambda maker, asked: False)
    plain = chosen(make_settings, owners=[], viewers=[])
    asked = data_source(plain, on_moto.place)
    assert assets.ensure_data_source(on_moto, asked).outcome == "created"
    assert assets.ensure_data_source(on_moto, asked).outcome == "as it is"
    role = f"arn:aws:iam::{on_moto.place.account}:role/reader"
    other = data_source(chosen(make_settings, owners=[], role=role), on_moto.place)
    assert assets.ensure_data_source(on_moto, other).outcome == "updated"
    client = boto3.client("quicksight", region_name=REGION)
    [there] = client.list_data_sources(AwsAccountId=on_moto.place.account)["DataSources"]
    assert there["DataSourceParameters"]["AthenaParameters"]["RoleArn"] == role
    assert assets.ensure_gone(on_moto, other)
    assert not assets.ensure_gone(on_moto, other)


def test_on_moto_data_sets_ingestions_and_the_dashboard_are_taken(
    on_moto: Maker, make_settings: MakeSettings
) -> None:
    """Moto creates these and describes the dashboard; all else about them is the fake's to show."""
    for asked in everything(chosen(make_settings), on_moto.place):
        if asked.kind == "data-set":
            on_moto.service.call("CreateDataSet", **assets.creation(asked))
            assets.begin_ingestion(on_moto, asked.name, "first")
        elif asked.kind == "dashboard":
            on_moto.service.call("CreateDashboard", **assets.creation(asked))
            found = on_moto.call("DescribeDashboard", DashboardId=asked.name)
            assert found["Dashboard"]["Name"] == "engagement: customer engagement"
            assert on_moto.own_tags(asked)[TAG] == "engagement"
